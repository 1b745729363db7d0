import Storage
import Diagnostics
import SystemPackage

/// A packing or a disk format that images are published in and that is not read here: how it is known, and the command that
/// makes a disk of it.
package struct ForeignFormat: Sendable, Equatable {
    /// `a gzip file`.
    package let name: String
    /// Bytes that such a file has at an offset.
    let magic: [UInt8]
    var offset = 0
    private let unpacking: Unpacking
    /// The Debian package of the command; nil for one that every Debian has.
    private var package: String?

    private enum Unpacking: Equatable {
        /// A compressor that puts the unpacked file beside a file of this suffix, and keeps that; `toOutput` writes to standard
        /// output, whatever the file's name.
        case suffix(String, beside: String, toOutput: String)
        /// An archive: its members come out under their own names.
        case archive(String)
        /// A program that is given both files.
        case converter(String)
    }

    private init(
        _ name: String, _ magic: [UInt8], at offset: Int = 0, _ unpacking: Unpacking,
        package: String? = nil
    ) {
        self.name = name
        self.magic = magic
        self.offset = offset
        self.unpacking = unpacking
        self.package = package
    }

    /// Besides ``Diagnostics/PackedFormat``: QEMU's docs/interop/qcow2.rst; VMDK, VHDX, VDI, tar and sparse images as in file(1)'s magic.
    static let all = [
        ForeignFormat(
            "a gzip file", PackedFormat.gzip.magic, .suffix(".gz", beside: "gunzip -k", toOutput: "gunzip -c")),
        ForeignFormat(
            "a Zstandard file", PackedFormat.zstd.magic,
            .suffix(".zst", beside: "zstd -d", toOutput: "zstd -dc"),
            package: "zstd"),
        ForeignFormat(
            "a bzip2 file", PackedFormat.bzip2.magic,
            .suffix(".bz2", beside: "bunzip2 -k", toOutput: "bunzip2 -c"),
            package: "bzip2"),
        // Where its output is no terminal, lz4 writes to it unless a file is named.
        ForeignFormat("an LZ4 file", PackedFormat.lz4.magic, .converter("lz4 -d"), package: "lz4"),
        ForeignFormat("a zip archive", PackedFormat.zip.magic, .archive("unzip"), package: "unzip"),
        ForeignFormat(
            "a 7z archive", PackedFormat.sevenZip.magic, .archive("7z x"), package: "p7zip-full"),
        ForeignFormat("a tar archive", Array("ustar".utf8), at: 257, .archive("tar -k -xf")),
        ForeignFormat(
            "a qcow2 disk", [0x51, 0x46, 0x49, 0xfb], .converter("qemu-img convert -O raw"),
            package: "qemu-utils"),
        ForeignFormat(
            "a VMDK disk", Array("KDMV".utf8), .converter("qemu-img convert -O raw"),
            package: "qemu-utils"),
        ForeignFormat(
            "a VHDX disk", Array("vhdxfile".utf8), .converter("qemu-img convert -O raw"),
            package: "qemu-utils"),
        ForeignFormat(
            "a VDI disk", [0x7f, 0x10, 0xda, 0xbe], at: 64, .converter("qemu-img convert -O raw"),
            package: "qemu-utils"),
        ForeignFormat(
            "an Android sparse image", [0x3a, 0xff, 0x26, 0xed], .converter("simg2img"),
            package: "android-sdk-libsparse-utils"),
    ]

    init?(start: [UInt8]) {
        guard let format = Self.all.first(where: { start.dropFirst($0.offset).starts(with: $0.magic) })
        else { return nil }
        self = format
    }

    /// The error that names the format, and the command for that file as the next step.
    package func failure(of path: FilePath) -> Failure {
        Failure(
            .usage, at: path.string, "this is \(name), which is not read as it is",
            expected: "NAME.img.xz or NAME.img",
            next: command(for: path) + (package.map { "  # of the package \($0)" } ?? ""))
    }

    private func command(for path: FilePath) -> String {
        let file = path.string.shellFile
        let target = Self.target(of: path.string).shellFile
        switch unpacking {
        case .suffix(let suffix, let beside, let toOutput):
            // Beside the file, the compressor asks before it writes over anything.
            return path.string.hasSuffix(suffix) ? "\(beside) \(file)" : "\(toOutput) \(file) > \(target)"
        case .archive(let command): return "\(command) \(file)"
        case .converter(let command): return "\(command) \(file) \(target)"
        }
    }

    /// `x.img` for `x.qcow2`, `x.img.xz` and `x.img.gz`; `x-raw.img` for `x.img`; another where that is there, since most of the
    /// commands write over it.
    private static func target(of path: String) -> String {
        let known = [".xz", ".gz", ".zst", ".bz2", ".lz4", ".qcow2", ".vmdk", ".vhdx", ".vdi", ".simg"]
        let lower = path.lowercased()
        let base = known.first(where: lower.hasSuffix).map { String(path.dropLast($0.count)) } ?? path
        let stem = base.lowercased().hasSuffix(".img") ? String(base.dropLast(".img".count)) : base
        return freeName(base == path && stem != base ? "\(stem)-raw" : stem, ".img")
    }
}
