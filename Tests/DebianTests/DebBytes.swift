import Debian
import Digests
import Layers
import Packages
import Storage
import SystemPackage
import Testing

/// Writes tar headers as no well-meaning program would (ustar, POSIX.1-1988).
struct TarBytes {
    private(set) var bytes: [UInt8] = []

    /// - Parameters:
    ///   - type: the typeflag: `0` file, `1` hard link, `2` symbolic link, `3` character device, `5` folder.
    ///   - size: what the header declares, where that is not the content's size.
    mutating func add(
        _ name: String, _ type: Character = "0", _ content: String = "", link: String = "", mode: Int = 0o644,
        size: Int? = nil
    ) {
        var header = [UInt8](repeating: 0, count: 512)
        func put(_ text: String, at offset: Int) {
            header.replaceSubrange(offset..<(offset + text.utf8.count), with: text.utf8)
        }
        func octal(_ value: Int, _ width: Int) -> String {
            let digits = String(value, radix: 8)
            return String(repeating: "0", count: width - digits.count) + digits
        }
        put(name, at: 0)
        put(octal(mode, 7), at: 100)
        put(octal(0, 7), at: 108)
        put(octal(0, 7), at: 116)
        put(octal(size ?? content.utf8.count, 11), at: 124)
        put(octal(1_700_000_000, 11), at: 136)
        put("        ", at: 148)
        put(String(type), at: 156)
        put(link, at: 157)
        put("ustar\u{0}00", at: 257)
        put(octal(header.reduce(0) { $0 + Int($1) }, 6) + "\u{0}", at: 148)
        bytes += header + Array(content.utf8)
        bytes += [UInt8](repeating: 0, count: (512 - bytes.count % 512) % 512)
    }

    var closed: [UInt8] { bytes + [UInt8](repeating: 0, count: 1024) }
}

/// Writes .deb files member by member.
struct DebBytes {
    private(set) var bytes = Array("!<arch>\n".utf8)

    mutating func add(_ name: String, _ content: [UInt8]) {
        func field(_ text: String, _ width: Int) -> String { text + String(repeating: " ", count: width - text.count) }
        let header =
            field(name, 16) + field("0", 12) + field("0", 6) + field("0", 6) + field("100644", 8)
            + field(String(content.count), 10) + "`\n"
        bytes += Array(header.utf8) + content
        if content.count % 2 == 1 { bytes.append(UInt8(ascii: "\n")) }
    }

    static let controlText = """
        Package: evil
        Version: 1.0-1
        Architecture: arm64
        Maintainer: Nobody <nobody@example.org>
        Description: a package for a test

        """

    /// A package whose data.tar, or whose control.tar, the test fills.
    static func package(
        control: String = controlText, extraControl: (inout TarBytes) -> Void = { _ in },
        data: (inout TarBytes) -> Void = { _ in }
    ) -> [UInt8] {
        var controlTar = TarBytes()
        controlTar.add("./control", "0", control)
        extraControl(&controlTar)
        var dataTar = TarBytes()
        data(&dataTar)
        var deb = DebBytes()
        deb.add("debian-binary", Array("2.0\n".utf8))
        deb.add("control.tar", controlTar.closed)
        deb.add("data.tar", dataTar.closed)
        return deb.bytes
    }
}

/// Unpacks bytes as the package `evil 1.0-1 arm64`, whose locked bytes may be others. Its files can be read as long as the
/// kept folder lives.
func unpackEvil(_ bytes: [UInt8], digestOf locked: [UInt8]? = nil, keeping kept: TemporaryFolder? = nil) throws
    -> UnpackedPackage
{
    let folder = try kept ?? TemporaryFolder(in: "/tmp", name: "piforge-deb")
    let path = folder.path.appending("evil.deb")
    try writeAtomically(to: path, bytes: bytes)
    let file = PackageFile(
        .init(name: "evil", version: "1.0-1", architecture: "arm64"), size: UInt64((locked ?? bytes).count),
        sha256: .of(locked ?? bytes), path: path)
    return try DebianPackage.unpack(file, store: try LayerStore(folder: folder.path.appending("store")))
}

/// A .deb that lies in a folder.
func packageFile(_ identity: PackageIdentity, at path: FilePath) throws -> PackageFile {
    let bytes = try readFile(path)
    return PackageFile(identity, size: UInt64(bytes.count), sha256: .of(bytes), path: path)
}

/// A package for arm64 as `DebianPackage` would hand it out, without a file.
func unpackedPackage(
    _ name: String, version: String = "1.0", control: ControlParagraph, controlFiles: Layer, data: Layer
) throws -> UnpackedPackage {
    let file = PackageFile(
        .init(name: name, version: version, architecture: "arm64"), size: 0, sha256: .of(""),
        path: FilePath("\(name).deb"))
    return UnpackedPackage(
        file: file, parsedVersion: try DebianVersion(version), control: control, controlFiles: controlFiles, data: data)
}
