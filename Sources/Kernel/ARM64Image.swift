import Storage
import Diagnostics
import Layers

/// A kernel image that the Pi's firmware can start: a raw arm64 `Image`, or a gzip of one.
///
///     offset  field of the raw image's header (Linux, Documentation/arch/arm64/booting.rst, section 4)
///     8       text_offset u64
///     16      image_size  u64, bytes the kernel takes in memory; 0 before Linux 3.17
///     24      flags       u64
///     56      "ARM\x64"
package struct ARM64Image: Sendable, Hashable {
    /// Whether the file is a gzip of the image.
    package let isCompressed: Bool
    /// Bytes the kernel takes in memory, its zeroed part too; 0 when the header does not say.
    package let memorySize: UInt64
    /// Bytes from a 2 MiB boundary to where the image is to be loaded.
    package let textOffset: UInt64

    /// Looks at a kernel file.
    ///
    /// - Parameter place: the file's name, for the error's first words.
    /// - Throws: `Failure` for what the firmware does not start: an EFI zboot image, another architecture's kernel, a
    ///   compression other than gzip, a file that is no kernel.
    package init(_ content: Content, place: String, reader: ContentReader = ContentReader()) throws {
        var header = [UInt8](repeating: 0, count: Int(min(content.size, 64)))
        try header.withUnsafeMutableBytes { try reader.read(content, at: 0, into: $0) }
        let compressed = PackedFormat(start: header) == .gzip
        if compressed {
            let whole = try reader.bytes(of: content, limit: 128 << 20)
            header = Array(try Decompression.bytes(of: whole, place: place).prefix(64))
        }
        let kind = KernelImage(header)
        guard kind == .arm64, header.count >= 64 else {
            throw Failure(
                at: place, "the Pi's firmware cannot start this kernel",
                expected: "a raw arm64 Image, or a gzip of one",
                found: (compressed ? "a gzip of " : "") + kind.summary,
                next: "use a kernel package whose image is uncompressed, or build with CONFIG_EFI_ZBOOT=n")
        }
        isCompressed = compressed
        textOffset = Self.u64(header, 8)
        memorySize = Self.u64(header, 16)
    }

    private static func u64(_ header: [UInt8], _ offset: Int) -> UInt64 {
        header.withUnsafeBytes { UInt64(littleEndian: $0.loadUnaligned(fromByteOffset: offset, as: UInt64.self)) }
    }
}
