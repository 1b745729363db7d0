import Debian
import Diagnostics
import Digests
import Fetch
import Foundation
import Packages
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

    private func path(_ key: SHA256Digest) -> FilePath { folder.appending("\(key.hex).json") }

    /// The kernel that was compiled for a key; nil where there is none, or its package is no longer whole.
    func kernel(_ key: SHA256Digest) throws -> BuiltKernel? {
        guard UseGate(folder).use(path(key)), let bytes = try? readFile(path(key), limit: 1 << 20),
            let record = try? JSONDecoder().decode(KernelRecord.self, from: Data(bytes)),
            let file = try DownloadStore(store).file(record.compile.sha256, size: record.compile.size, check: .digest)
        else { return nil }
        return record.kernel(at: file.path)
    }

    /// Remembers a kernel under a key.
    func put(_ kernel: BuiltKernel, as key: SHA256Digest) throws {
        let record = KernelRecord(kernel)
        try writeAtomically(to: path(key), bytes: try jsonBytes(record, .indented, at: path(key).string))
    }

    /// Puts a package's file into the store.
    func add(_ file: FilePath) throws -> StoredFile { try DownloadStore(store).add(readFile(file, limit: 2 << 30)) }
}

/// A kernel as the shelf remembers it: all of it but the package's place on this machine.
private struct KernelRecord: Codable {
    /// What was compiled, and how.
    struct Compile: Codable {
        let sha256: SHA256Digest
        let size: UInt64
        let release: String
        let source: String
        let identity: String
        let toolchain: String
        let files: Int
        let seconds: Double
    }

    let package: PackageIdentity
    let compile: Compile

    init(_ kernel: BuiltKernel) {
        package = kernel.package.identity
        compile = Compile(
            sha256: kernel.package.sha256, size: kernel.package.size, release: kernel.release, source: kernel.source,
            identity: kernel.identity, toolchain: kernel.toolchain, files: kernel.files, seconds: kernel.seconds)
    }

    func kernel(at path: FilePath) -> BuiltKernel {
        BuiltKernel(
            package: PackageFile(package, size: compile.size, sha256: compile.sha256, path: path),
            release: compile.release, source: compile.source, identity: compile.identity, toolchain: compile.toolchain,
            files: compile.files, seconds: compile.seconds, isCached: true)
    }

    // One object: the package's name under `package`, and all else beside it.

    private enum Key: String, CodingKey { case package, version, architecture }

    init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: Key.self)
        package = PackageIdentity(
            name: try fields.decode(String.self, forKey: .package),
            version: try fields.decode(String.self, forKey: .version),
            architecture: try fields.decode(String.self, forKey: .architecture))
        compile = try Compile(from: decoder)
    }

    func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: Key.self)
        try fields.encode(package.name, forKey: .package)
        try fields.encode(package.version, forKey: .version)
        try fields.encode(package.architecture, forKey: .architecture)
        try compile.encode(to: encoder)
    }
}
