import Layers

/// What names FAT can hold, as VFAT stores them (Microsoft, FAT: General Overview of On-Disk Format 1.03, "Long
/// Directory Entries"; ECMA-107).
enum FATName {
    /// What no name may hold, besides control characters.
    private static let reserved = Set("\"*/:<>?\\|")
    /// What DOS takes for a device, with any suffix.
    private static let devices: Set<String> = {
        let numbered = (1...9).flatMap { ["COM\($0)", "LPT\($0)"] }
        return Set(["CON", "PRN", "AUX", "NUL", "CLOCK$"] + numbered)
    }()

    /// What FAT cannot hold in a name.
    struct Fault: Error {
        let reason: String
    }

    /// The name as text.
    ///
    /// - Throws: ``Fault``.
    static func text(of name: ArraySlice<UInt8>) throws -> String {
        func refuse(_ reason: String) -> Fault { Fault(reason: reason) }
        guard let text = String(validating: name, as: UTF8.self) else {
            throw refuse("it is not UTF-8")
        }
        guard text.utf16.count <= 255 else {
            throw refuse("it has \(text.utf16.count) UTF-16 units, and 255 is the most")
        }
        for scalar in text.unicodeScalars {
            if scalar.value < 0x20 || scalar.value == 0x7f { throw refuse("it has a control character") }
            if reserved.contains(Character(scalar)) { throw refuse("it has the reserved character '\(scalar)'") }
            if scalar.value > 0xffff { throw refuse("'\(scalar)' is outside Unicode's first plane") }
        }
        if text.hasSuffix(".") || text.hasSuffix(" ") || text.hasPrefix(" ") {
            throw refuse("it begins or ends with a space, or ends with a dot")
        }
        let base = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)[0].uppercased()
        if devices.contains(base) { throw refuse("\(base) is a device to DOS") }
        return text
    }

    /// How many directory entries of 32 bytes the name takes: the short one, and a long one for each 13 UTF-16 units.
    static func entryCount(_ name: String) -> UInt64 { 1 + UInt64((name.utf16.count + 12) / 13) }

    /// Whether a tool takes the name for nothing but a name: no pattern, no variable, no option.
    static func isPlain(_ name: String) -> Bool {
        name.utf8.first != UInt8(ascii: "-")
            && name.utf8.allSatisfy {
                switch $0 {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "+"),
                    UInt8(ascii: "-"):
                    true
                default: false
                }
            }
    }
}
