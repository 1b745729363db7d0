/// What files are packed in, as their first bytes tell.
package enum PackedFormat: Sendable, CaseIterable {
    case gzip, xz, zstd, bzip2, lz4, zip, sevenZip

    /// The bytes that such a file begins with (RFC 1952, 2.3.1; The .xz File Format, 2.1.1.1; RFC 8878, 3.1.1; bzip2 as in file(1)'s magic;
    /// lz4 Frame Format; PKWARE's APPNOTE, 4.3.7; 7zFormat.txt).
    package var magic: [UInt8] {
        switch self {
        case .gzip: [0x1f, 0x8b]
        case .xz: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]
        case .zstd: [0x28, 0xb5, 0x2f, 0xfd]
        case .bzip2: [0x42, 0x5a, 0x68]
        case .lz4: [0x04, 0x22, 0x4d, 0x18]
        case .zip: [0x50, 0x4b, 0x03, 0x04]
        case .sevenZip: [0x37, 0x7a, 0xbc, 0xaf, 0x27, 0x1c]
        }
    }

    /// - Parameter start: the file's first six bytes, or more, or all of a shorter file.
    /// - Returns: nil when the bytes are those of none.
    package init?(start: some Sequence<UInt8>) {
        let first = Array(start.prefix(6))
        guard let format = Self.allCases.first(where: { first.starts(with: $0.magic) }) else { return nil }
        self = format
    }
}
