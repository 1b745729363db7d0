import Debian
import Diagnostics
import Digests
import Fetch
import Foundation
import Storage
import SystemPackage

/// The compiled kernels of the cache: a record under a key, and the package in the store under its digest.
struct KernelShelf {
    private let folder: FilePath
    private let store: FilePath

    init(folder: FilePath, store: FilePath) {
        self.folder = folder
        self.store = store
    }

    private struct Record: Codable {
        var package: String
        var version: String
        var architecture: String
        var sha256: String
        var size: UInt64
        var release: String
        var source: String
        var identity: String
        var toolchain: String
        var files: Int
        var seconds: Double
    }

    private func path(_ key: SHA256Digest) -> FilePath { folder.appending("\(key.hex).json") }

    /// The kernel that was compiled for a key; nil where there is none, or its package is no longer whole.
    func kernel(_ key: SHA256Digest) throws -> BuiltKernel? {
        guard UseGate(folder).use(path(key)), let bytes = try? readFile(path(key), limit: 1 << 20),
            let record = try? JSONDecoder().decode(Record.self, from: Data(bytes)),
            let digest = SHA256Digest(hex: record.sha256),
            let file = try DownloadStore(store).file(digest, size: record.size, check: .digest)
        else { return nil }
        return BuiltKernel(
            package: PackageFile(
                path: file.path, digest: digest, name: record.package, version: record.version,
                architecture: record.architecture), size: record.size, release: record.release, source: record.source,
            identity: record.identity, toolchain: record.toolchain, files: record.files, seconds: record.seconds,
            isCached: true)
    }

    /// Remembers a kernel under a key.
    func put(_ kernel: BuiltKernel, as key: SHA256Digest) throws {
        let record = Record(
            package: kernel.package.name, version: kernel.package.version, architecture: kernel.package.architecture,
            sha256: kernel.package.digest.hex, size: kernel.size, release: kernel.release, source: kernel.source,
            identity: kernel.identity, toolchain: kernel.toolchain, files: kernel.files, seconds: kernel.seconds)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
        try writeAtomically(to: path(key), bytes: Array(try encoder.encode(record)))
    }

    /// Puts a package's file into the store.
    func add(_ file: FilePath) throws -> StoredFile { try DownloadStore(store).add(readFile(file, limit: 2 << 30)) }
}
