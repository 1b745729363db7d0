import Diagnostics
import Layers
import Storage
import SystemPackage

/// The outer archive of a .deb file (deb(5)): an ar archive with the members, in this order,
///
///     debian-binary       "2.N\n"
///     _…                  further members, ignored
///     control.tar[.gz|.xz|.zst]
///     data.tar[.gz|.xz|.zst]
///     _…                  signatures and such, ignored
///
/// An ar archive is "!<arch>\n", then for each member a header of 60 bytes (name[16] mtime[12] uid[6] gid[6] mode[8]
/// size[10] "`\n", padded with spaces) and its bytes, padded to an even offset.
struct DebArchive {
    struct Member {
        let range: Range<UInt64>
        let compression: ArchiveCompression
    }

    let file: OpenFile
    /// The file's name, the first words of every error.
    let place: String
    let control: Member
    let data: Member

    /// - Throws: `Failure` naming the file for everything that is not as above.
    init(_ path: FilePath) throws {
        file = try OpenFile.reading(path)
        place = path.lastComponent?.string ?? path.string
        let size = try file.size()
        var scan = try ArScan(file: file, size: size, place: place)
        guard let version = try scan.next(), version.name == "debian-binary" else {
            throw Failure(at: place, "the file is not a Debian package: its first member is not debian-binary")
        }
        guard !version.range.isEmpty, version.range.count <= 64 else {
            throw Failure(at: place, "debian-binary has an impossible size", found: "\(version.range.count) bytes")
        }
        let text = String(
            decoding: try file.bytes(at: version.range.lowerBound, count: version.range.count), as: UTF8.self)
        guard text.hasPrefix("2."), text.hasSuffix("\n") else {
            throw Failure(
                at: place, "the package's format is unknown", expected: "2.0", found: String(text.prefix { $0 != "\n" })
            )
        }
        guard let control = try scan.nextNamed(), let controlCompression = Self.compression(control.name, "control.tar")
        else {
            throw Failure(at: place, "the member after debian-binary is not control.tar, plain or as .gz, .xz or .zst")
        }
        guard let data = try scan.nextNamed(), let dataCompression = Self.compression(data.name, "data.tar") else {
            throw Failure(at: place, "the member after \(control.name) is not data.tar, plain or as .gz, .xz or .zst")
        }
        if let more = try scan.nextNamed() {
            throw Failure(at: place, "the member \(more.name) stands after \(data.name), where nothing belongs")
        }
        self.control = Member(range: control.range, compression: controlCompression)
        self.data = Member(range: data.range, compression: dataCompression)
    }

    private static func compression(_ name: String, _ stem: String) -> ArchiveCompression? {
        guard name.hasPrefix(stem) else { return nil }
        switch name.dropFirst(stem.count) {
        case "": return ArchiveCompression.none
        case ".gz": return .gzip
        case ".xz": return .xz
        case ".zst": return .zstd
        default: return nil
        }
    }
}

/// Walks over the members of an ar archive.
private struct ArScan {
    private let file: OpenFile
    private let size: UInt64
    private let place: String
    private var offset: UInt64 = 8

    init(file: OpenFile, size: UInt64, place: String) throws {
        guard size >= 8, try file.bytes(at: 0, count: 8) == Array("!<arch>\n".utf8) else {
            throw Failure(at: place, "the file is not a Debian package: it is no ar archive")
        }
        self.file = file
        self.size = size
        self.place = place
    }

    /// The next member; nil at the end of the file.
    mutating func next() throws -> (name: String, range: Range<UInt64>)? {
        if offset == size { return nil }
        guard size - offset >= 60 else {
            throw Failure(at: place, "\(size - offset) bytes at the file's end are no member of the archive")
        }
        let header = try file.bytes(at: offset, count: 60)
        func field(_ range: Range<Int>) -> String {
            String(decoding: header[range], as: UTF8.self).trimmingSpaces
        }
        guard header[58] == UInt8(ascii: "`"), header[59] == UInt8(ascii: "\n"), let length = UInt64(field(48..<58))
        else {
            throw Failure(at: place, "the archive is damaged: no member header at byte \(offset)")
        }
        var name = field(0..<16)
        if name.hasSuffix("/") { name.removeLast() }
        let start = offset + 60
        guard length <= size - start else {
            throw Failure(
                at: place, "the file ends within its member \(name)", expected: "\(length) bytes",
                found: "\(size - start) bytes")
        }
        // The last member's padding byte may be missing.
        offset = min(start + length + length % 2, size)
        return (name, start..<(start + length))
    }

    /// The next member that deb(5) does not tell readers to ignore.
    mutating func nextNamed() throws -> (name: String, range: Range<UInt64>)? {
        while let member = try next() {
            if !member.name.hasPrefix("_") { return member }
        }
        return nil
    }
}

extension String {
    fileprivate var trimmingSpaces: String {
        var text = self[...]
        while text.last == " " { text.removeLast() }
        return String(text)
    }
}
