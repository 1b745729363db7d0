import Diagnostics
import SystemPackage

#if canImport(Glibc)
    import Glibc
#endif

/// What stands under a name of the host's file system; links are not followed.
public enum FileKind: Sendable, Equatable {
    /// `runs`: whether its owner may execute it.
    case regular(runs: Bool)
    case directory
    case symlink([UInt8])
    case other
}

/// - Throws: `Failure` when nothing is there.
public func fileKind(_ path: FilePath) throws -> FileKind {
    var status = stat()
    guard lstat(path.string, &status) == 0 else {
        throw Failure(
            .usage, at: path.string, "there is no such file: \(Errno(rawValue: errno).description.lowercased())")
    }
    switch status.st_mode & S_IFMT {
    case S_IFREG: return .regular(runs: status.st_mode & S_IXUSR != 0)
    case S_IFDIR: return .directory
    case S_IFLNK:
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = readlink(path.string, &buffer, buffer.count)
        guard count >= 0 else { throw Failure(at: path.string, "could not read the link") }
        return .symlink(buffer.prefix(count).map(UInt8.init(bitPattern:)))
    default: return .other
    }
}
