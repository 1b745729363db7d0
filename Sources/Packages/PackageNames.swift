/// Debian Policy, section 5.6.7: lower-case letters, digits, `+`, `-` and `.`, at least two, a letter or digit first.
package func isPackageName(_ name: some StringProtocol) -> Bool {
    let bytes = Array(name.utf8)
    func isAlphanumeric(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }
    guard bytes.count >= 2, isAlphanumeric(bytes[0]) else { return false }
    return bytes.allSatisfy { isAlphanumeric($0) || "+-.".utf8.contains($0) }
}

/// Debian Policy, section 5.6.12: letters, digits, and `.`, `+`, `~`, `-`, `:`, a letter or digit first.
package func isPackageVersion(_ version: some StringProtocol) -> Bool {
    let allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.+~-:".utf8
    return version.utf8.first.map { allowed.prefix(62).contains($0) } == true
        && version.utf8.allSatisfy { allowed.contains($0) }
}

/// Whether a name consists of the characters that suites and components are made of.
package func isArchiveName(_ name: String) -> Bool {
    let allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._/"
    return !name.isEmpty && !name.hasPrefix("-") && !name.contains("..") && name.allSatisfy { allowed.contains($0) }
}
