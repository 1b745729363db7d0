#if canImport(Glibc)
    import Glibc
#endif

/// The firmware's own program (start4.elf), as a source of what it knows: the keys of config.txt and the names of its filters stand in it
/// as they are, each ended by a zero byte, and so does the day that it was built on.
struct StartFile {
    let name: String
    private let bytes: [UInt8]

    init(name: String, bytes: [UInt8]) {
        self.name = name
        self.bytes = bytes
    }

    /// Whether it holds the word as a string of its own, and the word is of the kind that keys are: `hdmi_clock_change_limit`. That
    /// says that it may be a key: commands, tasks and device trees have their words there, too. Single words (`none`, `status`) say
    /// nothing.
    func mayKnow(_ word: String) -> Bool {
        word.wholeMatch(of: /[a-z][a-z0-9]*(_[a-z0-9]+)+/) != nil
            && position(of: [0] + Array(word.utf8) + [0], from: 0) != nil
    }

    /// The day it was built, as `2024-04-17`; nil when it does not say. The mark stands before the time of day, too.
    var built: String? {
        let mark = Array("VC_BUILD_ID_TIME: ".utf8)
        var start = 0
        while let found = position(of: mark, from: start) {
            start = found + mark.count
            let words = String(decoding: bytes[start...].prefix(11), as: UTF8.self).split(separator: " ")
            guard words.count == 3, let month = Self.months.firstIndex(of: String(words[0])), let day = Int(words[1]),
                let year = Int(words[2]), (1...31).contains(day), (2000...9999).contains(year)
            else { continue }
            return "\(year)-\(Self.twoDigits(month + 1))-\(Self.twoDigits(day))"
        }
        return nil
    }

    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

    private static func twoDigits(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }

    private func position(of word: [UInt8], from start: Int) -> Int? {
        bytes.withUnsafeBytes { bytes in
            guard let base = bytes.baseAddress, let first = word.first else { return nil }
            var position = start
            let last = bytes.count - word.count
            while position <= last, let found = memchr(base + position, Int32(first), last + 1 - position) {
                position = base.distance(to: UnsafeRawPointer(found))
                if memcmp(found, word, word.count) == 0 { return position }
                position += 1
            }
            return nil
        }
    }
}
