import Diagnostics
import Foundation
import Synchronization
import SystemPackage

#if canImport(Glibc)
    import Glibc
#endif

/// Counts partial and temporary names within this process. The names never reach an output.
enum PartialCounter {
    private static let counter = Atomic<UInt64>(0)
    static func next() -> UInt64 { counter.add(1, ordering: .relaxed).newValue }
}

/// A folder that is removed, with all in it, when the last reference goes.
public final class TemporaryFolder: Sendable {
    public let path: FilePath

    /// Creates `root/NAME.PID.N`, mode 0700.
    ///
    /// - Throws: `Failure` when it cannot be created.
    public init(in root: FilePath, name: String) throws {
        try createFolder(root)
        path = root.appending("\(name).\(getpid()).\(PartialCounter.next())")
        removeTree(path)
        guard mkdir(path.string, 0o700) == 0 else {
            let error = Errno(rawValue: errno)
            throw Failure(at: path.string, "could not create the work folder: \(error.description.lowercased())")
        }
    }

    deinit { removeTree(path) }

    /// Removes the folders that processes which no longer live have left in `root`.
    public static func removeAbandoned(in root: FilePath) {
        removeDead(in: root) { $0 }
    }

    /// Removes what bears the id of a process that no longer lives: `NAME.PID.N`, once `strip` has cut a name to that.
    fileprivate static func removeDead(in root: FilePath, _ strip: (Substring) -> Substring?) {
        guard let folder = opendir(root.string) else { return }
        defer { closedir(folder) }
        while let entry = readdir(folder) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            guard let stripped = strip(name[...]) else { continue }
            let parts = stripped.split(separator: ".")
            guard parts.count >= 3, let pid = Int32(parts[parts.count - 2]), pid > 0 else { continue }
            if kill(pid, 0) != 0, errno == ESRCH { removeTree(root.appending(name)) }
        }
    }
}

/// Removes the partial files (``writeAtomically(to:mode:_:)``) that processes which no longer live have left in a folder.
public func removeAbandonedPartials(in folder: FilePath) {
    TemporaryFolder.removeDead(in: folder) { name in
        name.hasPrefix(".") && name.hasSuffix(".partial") ? name.dropLast(".partial".count) : nil
    }
}

/// Makes a folder its owner's alone (mode 0700); one that belongs to somebody else stays as it is.
public func restrictToOwner(_ folder: FilePath) { chmod(folder.string, 0o700) }

/// Removes a file or a folder with all in it; what is not there is no error. Symbolic links are not followed.
public func removeTree(_ path: FilePath) {
    try? FileManager.default.removeItem(atPath: path.string)
}

/// How many bytes an ordinary user may still write to the file system that holds `path` (which need not exist yet).
public func freeSpace(at path: FilePath) -> UInt64? {
    var candidate = path
    while !candidate.isEmpty {
        var status = statvfs()
        if statvfs(candidate.string, &status) == 0 { return UInt64(status.f_bavail) * UInt64(status.f_frsize) }
        let parent = candidate.removingLastComponent()
        if parent == candidate { break }
        candidate = parent
    }
    var status = statvfs()
    return statvfs(".", &status) == 0 ? UInt64(status.f_bavail) * UInt64(status.f_frsize) : nil
}
