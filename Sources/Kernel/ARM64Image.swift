import Diagnostics
import Layers

/// A kernel image that the Pi's firmware can start: a raw arm64 `Image`, or a gzip of one.
///
///     offset  field of the raw image's header (Linux, Documentation/arch/arm64/booting.rst, section 4)
///     8       text_offset u64
///     16      image_size  u64, bytes the kernel takes in memory; 0 before Linux 3.17
///     24      flags       u64
///     56      "ARM\x64"
public struct ARM64Image: Sendable, Hashable {
    /// Whether the file is a gzip of the image.
    public let isCompressed: Bool
    /// Bytes the kernel takes in memory, its zeroed part too; 0 when the header does not say.
    public let memorySize: UInt64
    /// Bytes from a 2 MiB boundary to where the image is to be loaded.
    public let textOffset: UInt64

    /// Looks at a kernel file.
    ///
    /// - Parameter place: the file's name, for the error's first words.
    /// - Throws: `Failure` for what the firmware does not start: an EFI zboot image, another architecture's kernel, a
    ///   compression other than gzip, a file that is no kernel.
    public init(_ content: Content, place: String, reader: ContentReader = ContentReader()) throws {
        var header = [UInt8](repeating: 0, count: Int(min(content.size, 64)))
        try header.withUnsafeMutableBytes { try reader.read(content, at: 0, into: $0) }
        let compressed = PackedFormat(start: header) == .gzip
        if compressed {
            let whole = try reader.bytes(of: content, limit: 128 << 20)
            header = Array(try Decompression.bytes(of: whole, place: place).prefix(64))
        }
        guard Self.isRaw(header) else {
            throw Failure(
                at: place, "the Pi's firmware cannot start this kernel",
                expected: "a raw arm64 Image, or a gzip of one",
                found: (compressed ? "a gzip of " : "") + Self.describe(header),
                next: "use a kernel package whose image is uncompressed, or build with CONFIG_EFI_ZBOOT=n")
        }
        isCompressed = compressed
        textOffset = Self.u64(header, 8)
        memorySize = Self.u64(header, 16)
    }

    private static func isRaw(_ header: [UInt8]) -> Bool {
        header.count >= 64 && Array(header[56..<60]) == [0x41, 0x52, 0x4d, 0x64]
    }

    /// Names what the first bytes of a file say it is.
    private static func describe(_ header: [UInt8]) -> String {
        func has(_ bytes: [UInt8], at offset: Int) -> Bool {
            header.count >= offset + bytes.count && Array(header[offset..<(offset + bytes.count)]) == bytes
        }
        // "MZ", two zero bytes, "zimg": Linux, drivers/firmware/efi/libstub/zboot-header.S.
        if has([0x4d, 0x5a], at: 0), has(Array("zimg".utf8), at: 4) { return "an EFI zboot image" }
        // Linux, arch/arm/boot/compressed/head.S.
        if has([0x18, 0x28, 0x6f, 0x01], at: 36) { return "a 32-bit arm zImage" }
        if has([0x4d, 0x5a], at: 0) { return "an EFI program" }
        if has([0x7f, 0x45, 0x4c, 0x46], at: 0) { return "an ELF file" }
        switch PackedFormat(start: header) {
        case .xz: return "an xz file"
        case .zstd: return "a zstd file"
        default: return header.isEmpty ? "an empty file" : "something else"
        }
    }

    private static func u64(_ header: [UInt8], _ offset: Int) -> UInt64 {
        header.withUnsafeBytes { UInt64(littleEndian: $0.loadUnaligned(fromByteOffset: offset, as: UInt64.self)) }
    }
}
