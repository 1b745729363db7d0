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

/// The names in a folder, sorted; none when there is no such folder.
public func fileNames(in folder: FilePath) -> [String] {
    guard let entries = opendir(folder.string) else { return [] }
    defer { closedir(entries) }
    var names: [String] = []
    while let entry = readdir(entries) {
        let name = withUnsafePointer(to: &entry.pointee.d_name) {
            $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        }
        if name != ".", name != ".." { names.append(name) }
    }
    return names.sorted()
}

/// The bytes a file takes on the disk, holes left out; 0 when it is gone.
public func allocatedSize(of path: FilePath) -> UInt64 {
    var status = stat()
    return lstat(path.string, &status) == 0 ? UInt64(status.st_blocks) * 512 : 0
}

/// When a file was last written or marked as used (``UseGate``), in seconds since 1970; 0 when it is gone.
public func lastUse(of path: FilePath) -> Int64 {
    var status = stat()
    return lstat(path.string, &status) == 0 ? Int64(status.st_mtim.tv_sec) : 0
}
