/// What kind of file a kernel is, told from its first bytes.
public enum KernelImage: Sendable, Equatable {
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

    public init(_ bytes: some RandomAccessCollection<UInt8>) {
        func holds(_ wanted: [UInt8], at offset: Int) -> Bool {
            bytes.dropFirst(offset).prefix(wanted.count).elementsEqual(wanted)
        }
        self =
            if holds(Array("ARM".utf8) + [0x64], at: 56) { .arm64 }
            else if holds([0x1f, 0x8b], at: 0) { .gzip }
            else if holds(Array("MZ".utf8), at: 0), holds(Array("zimg".utf8), at: 4) { .zboot }
            else if holds([0x18, 0x28, 0x6f, 0x01], at: 36) { .arm32 }
            else if holds([0x7f] + Array("ELF".utf8), at: 0) { .other("an ELF file") }
            else if holds([0xfd] + Array("7zXZ".utf8), at: 0) { .other("an xz file") }
            else if holds([0x28, 0xb5, 0x2f, 0xfd], at: 0) { .other("a zstd file") }
            else if holds(Array("MZ".utf8), at: 0) { .other("an EFI program without an arm64 Image header") }
            else if bytes.isEmpty { .other("an empty file") }
            else { .other("a file of no known kind") }
    }

    /// In words, for errors.
    public var summary: String {
        switch self {
        case .arm64: "a raw arm64 Image"
        case .gzip: "a gzip file"
        case .zboot: "an EFI zboot image (a compressed EFI program)"
        case .arm32: "a 32-bit zImage"
        case .other(let name): name
        }
    }
}
