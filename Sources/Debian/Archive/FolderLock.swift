import Diagnostics
import Storage
import SystemPackage

#if canImport(Glibc)
    import Glibc
#endif

/// Holds a folder for one process at a time, through a lock on a file in it (flock(2)); released when the last
/// reference goes or the process ends.
final class FolderLock: Sendable {
    private let file: OpenFile

    /// Waits for the lock.
    ///
    /// - Throws: `Failure` when the folder cannot be written; `CancellationError`.
    init(_ folder: FilePath) async throws {
        try createFolder(folder)
        let path = folder.appending("lock")
        do { file = try OpenFile.creating(path) } catch {
            file = try OpenFile.updating(path)
        }
        while flock(file.rawDescriptor, LOCK_EX | LOCK_NB) != 0 {
            guard errno == EWOULDBLOCK || errno == EINTR else {
                throw Failure(at: path.string, "could not lock the folder: \(Errno(rawValue: errno).description)")
            }
            try await Task.sleep(for: .milliseconds(50))
        }
    }
}
