import Diagnostics
import SystemPackage

#if canImport(Glibc)
    import Glibc
#endif

/// What flock(2) can do for a file: a lock lasts as long as the open file, and the kernel lets go of it when the process ends in
/// whatever way. Unlike a process's id it means the same in every container that sees the file.
package enum FileLock {
    /// Many may hold it at once.
    case shared
    case exclusive
}

extension OpenFile {
    /// Opens a file for a lock, creating it where there is none.
    ///
    /// - Throws: `Failure` naming the path.
    package static func forLock(_ path: FilePath) throws -> OpenFile {
        if let file = try? creating(path) { return file }
        return try updating(path)
    }

    /// Waits for a lock.
    ///
    /// - Throws: `Failure` where the file system knows no locks.
    package func lock(_ kind: FileLock) throws {
        while flock(rawDescriptor, kind == .shared ? LOCK_SH : LOCK_EX) != 0 {
            guard errno == EINTR else { throw lockFailure() }
        }
    }

    /// Takes a lock unless somebody else is in the way.
    ///
    /// - Returns: whether it was taken.
    /// - Throws: `Failure` where the file system knows no locks.
    package func tryLock(_ kind: FileLock) throws -> Bool {
        while flock(rawDescriptor, (kind == .shared ? LOCK_SH : LOCK_EX) | LOCK_NB) != 0 {
            if errno == EWOULDBLOCK { return false }
            guard errno == EINTR else { throw lockFailure() }
        }
        return true
    }

    /// Whether `path` still names this file, and not another one or none.
    package func isNamed(_ path: FilePath) -> Bool {
        var open = stat()
        var named = stat()
        guard fstat(rawDescriptor, &open) == 0, lstat(path.string, &named) == 0 else { return false }
        return open.st_ino == named.st_ino && open.st_dev == named.st_dev
    }

    private func lockFailure() -> Failure {
        let error = Errno(rawValue: errno).description.lowercased()
        return Failure(
            at: path.string, "could not lock the file: \(error)", next: "choose a folder on another file system")
    }
}

/// Sixteen hex digits that no other process has, wherever it runs, for the names of partial files and work folders. They never
/// reach an output.
func uniqueName() -> String {
    var generator = SystemRandomNumberGenerator()
    let text = String(generator.next(), radix: 16)
    return String(repeating: "0", count: 16 - text.count) + text
}
