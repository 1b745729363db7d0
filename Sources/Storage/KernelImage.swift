/// What kind of file a kernel is, told from its first bytes.
package enum KernelImage: Sendable, Equatable {
    /// A raw arm64 `Image` (Linux, Documentation/arch/arm64/booting.rst: "ARM\x64" at offset 56).
    case arm64
    /// A gzip stream (RFC 1952), of which the content is yet to be looked at.
    case gzip
    /// A compressed EFI program ("zimg" at offset 4; Linux, drivers/firmware/efi/libstub/zboot-header.S).
    case zboot
    /// A 32-bit zImage (0x016f2818 at offset 36).
    case arm32
    /// Something else, with a name for it.
    case other(String)

    /// - Parameter bytes: the file, or its beginning: every kind shows in the first 60 bytes. Fewer bytes may hide it.
    package init(_ bytes: some RandomAccessCollection<UInt8>) {
        let kind = Self.marks.first { mark in
            bytes.dropFirst(mark.offset).prefix(mark.bytes.count).elementsEqual(mark.bytes)
        }
        self = kind?.kind ?? .other(bytes.isEmpty ? "an empty file" : "a file of no known kind")
    }

    /// Bytes that tell a kind, at their offset; the first that fit decide.
    private static let marks: [(offset: Int, bytes: [UInt8], kind: KernelImage)] = [
        (56, Array("ARM".utf8) + [0x64], .arm64),
        (0, PackedFormat.gzip.magic, .gzip),
        (4, Array("zimg".utf8), .zboot),
        (36, [0x18, 0x28, 0x6f, 0x01], .arm32),
        (0, [0x7f] + Array("ELF".utf8), .other("an ELF file")),
        (0, PackedFormat.xz.magic, .other("an xz file")),
        (0, PackedFormat.zstd.magic, .other("a zstd file")),
        (0, Array("MZ".utf8), .other("an EFI program without an arm64 Image header")),
    ]

    /// In words, for errors.
    package var summary: String {
        switch self {
        case .arm64: "a raw arm64 Image"
        case .gzip: "a gzip file"
        case .zboot: "an EFI zboot image (a compressed EFI program)"
        case .arm32: "a 32-bit zImage"
        case .other(let name): name
        }
    }
}
