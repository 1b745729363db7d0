import Diagnostics
import Digests
import Fetch
import Foundation
import Layers
import Storage
import SystemPackage

/// What `piforge kernel build` left.
package struct KernelBuildReport: Sendable, Codable {
    /// As `uname -r` prints it.
    package var release: String
    /// The package's version for dpkg.
    package var version: String
    /// What it was compiled from, and what proves that.
    package var source: String
    /// `sha256:…`, `commit:…` or `tree:…`.
    package var identity: String
    /// What compiled it: `gcc 12.2.0, binutils 2.40`.
    package var toolchain: String
    /// The folder with all of it.
    package var folder: String
    /// The .deb's name in it.
    package var package: String
    /// Bytes of the .deb, and of the kernel's image.
    package var size: UInt64
    /// Bytes of the file `Image`; 0 where there is none.
    package var imageSize: UInt64
    /// SHA-256 of the .deb, in hex.
    package var sha256: String
    /// How many files were compiled, and in how many seconds when that ran.
    package var files: Int
    /// How long the compile took; only its last run's where it was interrupted.
    package var seconds: Double
    /// Whether it was in the cache.
    package var cached: Bool

    /// For a person, with the next command.
    package var text: String {
        let time = "\(files) files in \(Int(seconds) / 60) min \(Int(seconds) % 60) s"
        return """
            \(folder)/\(package)  \(megabytes(size)), Image \(megabytes(imageSize))
              sha256 \(sha256)
              uname -r: \(release); dpkg: \(version)
              \(source), \(toolchain); \(cached ? "in the cache; it was compiled: " : "")\(time)
            on a board: sudo apt-get install ./\(package)

            """
    }
}

extension KernelFromSource {
    /// Writes the package and its main parts into the folder `NAME.kernel` of the output folder.
    ///
    /// - Throws: as ``built()``, and `Failure` when the folder cannot be written.
    func writePackage() async throws -> KernelBuildReport {
        let kernel = try await built()
        if kernel.isCached {
            progress.report(.finished(step: "kernel", detail: kernel.release, cached: true))
        }
        let files = try KernelContents(kernel, store: cache.layers).files()
        let folder = context.outputs.kernel
        let package = "\(kernel.package.name)_\(kernel.package.version)_\(kernel.package.architecture).deb"
        let deb = Content(
            size: kernel.package.size, digest: kernel.package.sha256, source: .file(kernel.package.path, offset: 0))
        try Self.write([(package, deb)] + files, to: folder)
        return KernelBuildReport(
            release: kernel.release, version: kernel.package.version, source: kernel.source, identity: kernel.identity,
            toolchain: kernel.toolchain, folder: folder.string, package: package, size: kernel.package.size,
            imageSize: files.first { $0.name == "Image" }?.content.size ?? 0, sha256: kernel.package.sha256.hex,
            files: kernel.files, seconds: kernel.seconds, cached: kernel.isCached)
    }

    /// Writes files and their SHA256SUMS, and removes what an earlier SHA256SUMS names and this one does not.
    private static func write(_ files: [(name: String, content: Content)], to folder: FilePath) throws {
        let sums = folder.appending("SHA256SUMS")
        let reader = ContentReader()
        let old = (try? readFile(sums, limit: 16 << 20)).map { String(decoding: $0, as: UTF8.self) } ?? ""
        let names = Set(files.map(\.name))
        for line in old.splitLines() {
            // A name that leads elsewhere is not one that was written here.
            guard let name = line.split(separator: " ", maxSplits: 1).last.map({ $0.filter { $0 != " " } }),
                !names.contains(name), let path = try? EntryPath(validating: name)
            else { continue }
            removeTree(folder.pushing(FilePath(String(path.description.dropFirst()))))
        }
        for (name, content) in files {
            let path = folder.pushing(FilePath(name))
            if exists(path), try SHA256Digest.of(file: path) == content.digest { continue }
            try writeAtomically(to: path) { file in
                var offset: UInt64 = 0
                try reader.forEachChunk(of: content) { bytes in
                    try file.write(at: offset, bytes)
                    offset += UInt64(bytes.count)
                }
            }
        }
        let lines = files.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
            .map { "\($0.content.digest.hex)  \($0.name)\n" }
        try writeAtomically(to: sums, bytes: Array(lines.joined().utf8))
    }
}
