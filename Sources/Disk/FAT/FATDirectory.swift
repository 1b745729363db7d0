import Diagnostics
import Layers

/// The entries of a FAT folder: 32 bytes each, the parts of a long name before the short one (Microsoft, FAT
/// specification 1.03, "FAT 32 Byte Directory Entry Structure" and "FAT Long Directory Entries").
///
///     short   name 11 bytes · attributes u8 · case u8 · … · cluster, upper u16 (20) · time u16 (22) · date u16 (24)
///             cluster, lower u16 (26) · size u32 (28)
///     long    ordinal u8 (40 marks the last part, which comes first) · 5 UTF-16 units (1) · attributes 0f (11)
///             sum of the short name u8 (13) · 6 units (14) · 2 units (28)
enum FATDirectory {
    struct Item {
        var name: [UInt8]
        var isFolder: Bool
        var isReadOnly: Bool
        var size: UInt32
        var mtime: Timestamp
        var cluster: UInt32
    }

    /// - Parameter place: the folder, for errors.
    /// - Throws: `Failure` for a name that is none.
    static func names(in bytes: [UInt8], at place: String) throws -> [Item] {
        var items: [Item] = []
        var long = LongName()
        for start in stride(from: 0, to: bytes.count - bytes.count % 32, by: 32) {
            let entry = Array(bytes[start..<start + 32])
            if entry[0] == 0 { break }
            if entry[0] == 0xe5 {
                long = LongName()
                continue
            }
            if entry[11] & 0x3f == 0x0f {
                long.add(entry)
                continue
            }
            let name = long.text(for: entry) ?? shortName(entry)
            long = LongName()
            // A volume label is no file; `.` and `..` are known.
            if entry[11] & 0x08 != 0 || name == "." || name == ".." { continue }
            guard !name.isEmpty, !name.utf8.contains(0), !name.utf8.contains(UInt8(ascii: "/")) else {
                throw Failure(at: place, "the FAT file system is damaged: the folder has an impossible name")
            }
            let cluster =
                UInt32(littleEndian(entry, at: 20, as: UInt16.self)) << 16
                | UInt32(littleEndian(entry, at: 26, as: UInt16.self))
            items.append(
                Item(
                    name: Array(name.utf8), isFolder: entry[11] & 0x10 != 0, isReadOnly: entry[11] & 0x01 != 0,
                    size: littleEndian(entry, at: 28),
                    mtime: time(date: littleEndian(entry, at: 24), time: littleEndian(entry, at: 22)),
                    cluster: cluster & 0x0fff_ffff))
        }
        return items
    }

    /// The volume's label, an entry of the root folder with the attribute 08; nil where there is none.
    static func label(in bytes: [UInt8]) -> String? {
        for start in stride(from: 0, to: bytes.count - bytes.count % 32, by: 32) {
            let entry = bytes[start..<start + 32]
            if bytes[start] == 0 { break }
            guard bytes[start] != 0xe5, bytes[start + 11] & 0x3f != 0x0f, bytes[start + 11] & 0x18 == 0x08 else {
                continue
            }
            var name = String(decoding: entry.prefix(11), as: UTF8.self)
            while name.last == " " { name.removeLast() }
            return name
        }
        return nil
    }

    /// `NAME.EXT`, in the case the entry's case byte says; bytes above 127 by their place in code page 437 do not
    /// occur in names that have to be read here and become question marks.
    private static func shortName(_ entry: [UInt8]) -> String {
        func part(_ range: Range<Int>, lower: Bool) -> String {
            var bytes = Array(entry[range])
            if range.lowerBound == 0, bytes[0] == 0x05 { bytes[0] = 0xe5 }
            while bytes.last == UInt8(ascii: " ") { bytes.removeLast() }
            let text = String(decoding: bytes.map { $0 < 128 ? $0 : UInt8(ascii: "?") }, as: UTF8.self)
            return lower ? text.lowercased() : text
        }
        let base = part(0..<8, lower: entry[12] & 0x08 != 0)
        let suffix = part(8..<11, lower: entry[12] & 0x10 != 0)
        return suffix.isEmpty ? base : base + "." + suffix
    }

    private static func time(date: UInt16, time: UInt16) -> Timestamp {
        let year = Int64(date >> 9) + 1980
        let month = min(max(Int64(date >> 5 & 15), 1), 12)
        let day = min(max(Int64(date & 31), 1), 31)
        // Days since 1970-01-01 of the proleptic Gregorian calendar, years beginning in March.
        let y = month <= 2 ? year - 1 : year
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        let days = y * 365 + y / 4 - y / 100 + y / 400 + dayOfYear - 719_468
        let seconds = Int64(time >> 11) * 3600 + Int64(time >> 5 & 63) * 60 + Int64(time & 31) * 2
        return Timestamp(seconds: days * 86400 + seconds)
    }

    /// Gathers the parts of a long name.
    private struct LongName {
        private var units: [UInt16] = []
        private var next: UInt8 = 0
        private var sum: UInt8 = 0

        mutating func add(_ entry: [UInt8]) {
            let ordinal = entry[0] & 0x3f
            if entry[0] & 0x40 != 0, ordinal <= 20 {
                units = []
                sum = entry[13]
            } else if ordinal != next || entry[13] != sum {
                self = LongName()
                return
            }
            next = ordinal &- 1
            let places = [1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30]
            units = places.map { littleEndian(entry, at: $0) } + units
        }

        /// The name, when its parts are all there and belong to this short entry.
        func text(for short: [UInt8]) -> String? {
            let expected = short.prefix(11).reduce(UInt8(0)) { ($0 >> 1 | $0 << 7) &+ $1 }
            guard !units.isEmpty, next == 0, sum == expected else { return nil }
            return String(decoding: units.prefix { $0 != 0 }, as: UTF16.self)
        }
    }
}
