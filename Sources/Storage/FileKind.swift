import Diagnostics
import SystemPackage

#if canImport(Glibc)
    import Glibc
#endif

/// What stands under a name of the host's file system; links are not followed.
package enum FileKind: Sendable, Equatable {
    /// `runs`: whether its owner may execute it.
    case regular(runs: Bool)
    case directory
    case symlink([UInt8])
    case other
}

/// - Throws: `Failure` when nothing is there.
package func fileKind(_ path: FilePath) throws -> FileKind {
    var status = stat()
    // By bytes: a name need not be text.
    guard path.withPlatformString({ lstat($0, &status) }) == 0 else {
        throw Failure.notThere(path)
    }
    switch status.st_mode & S_IFMT {
    case S_IFREG: return .regular(runs: status.st_mode & S_IXUSR != 0)
    case S_IFDIR: return .directory
    case S_IFLNK:
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = path.withPlatformString { readlink($0, &buffer, buffer.count) }
        guard count >= 0 else { throw Failure(at: path.string, "could not read the link") }
        return .symlink(buffer.prefix(count).map(UInt8.init(bitPattern:)))
    default: return .other
    }
}

extension Failure {
    /// That a path names something else than a file.
    ///
    /// - Parameter found: what it names.
    package static func notAFile(_ path: FilePath, found: String) -> Failure {
        Failure(
            .usage, at: path.string, "not a regular file", expected: "a file", found: found,
            next: "put what it gives into a file, and name that")
    }

    /// What `errno` says of a path that could not be looked at, of kind usage.
    package static func notThere(_ path: FilePath) -> Failure {
        let reason = Errno(rawValue: errno)
        guard reason != .noSuchFileOrDirectory else { return Failure(.usage, at: path.string, "there is no such file") }
        return Failure(.usage, at: path.string, "could not look at the file: \(reason.description.lowercased())")
    }
}

/// The names in a folder, sorted; none when there is no such folder.
package func fileNames(in folder: FilePath) -> [String] {
    ((try? nameBytes(in: folder)) ?? []).map { String(decoding: $0, as: UTF8.self) }.sorted()
}

/// The names in a folder as bytes, which need not be text, in the order of their bytes.
///
/// - Throws: `Errno` when the folder cannot be read.
package func nameBytes(in folder: FilePath) throws -> [[UInt8]] {
    guard let entries = folder.withPlatformString({ opendir($0) }) else { throw Errno(rawValue: errno) }
    defer { closedir(entries) }
    var names: [[UInt8]] = []
    while let entry = readdir(entries) {
        let name = withUnsafePointer(to: &entry.pointee.d_name) {
            $0.withMemoryRebound(to: UInt8.self, capacity: 256) { start in
                Array(
                    UnsafeBufferPointer(start: start, count: strnlen(UnsafePointer<CChar>(OpaquePointer(start)), 256)))
            }
        }
        if name != Array(".".utf8), name != Array("..".utf8) { names.append(name) }
    }
    return names.sorted { $0.lexicographicallyPrecedes($1) }
}

extension FilePath {
    /// The path of a name, given as bytes, in this folder.
    ///
    /// - Parameter name: one component, without a slash or a zero byte.
    package func appending(name: [UInt8]) -> FilePath {
        let bytes = name.map(CChar.init(bitPattern:)) + [0]
        return bytes.withUnsafeBufferPointer { buffer in
            guard let start = buffer.baseAddress else { return self }
            return appending(FilePath(platformString: start).components)
        }
    }
}

/// The bytes a file takes on the disk, holes left out; 0 when it is gone.
package func allocatedSize(of path: FilePath) -> UInt64 {
    var status = stat()
    return lstat(path.string, &status) == 0 ? UInt64(status.st_blocks) * 512 : 0
}

/// When a file was last written or marked as used (``UseGate``), in seconds since 1970; 0 when it is gone.
package func lastUse(of path: FilePath) -> Int64 {
    var status = stat()
    return lstat(path.string, &status) == 0 ? Int64(status.st_mtim.tv_sec) : 0
}
