import Diagnostics
import SystemPackage

#if canImport(Glibc)
    import Glibc
#endif

/// Holds a folder for one process at a time, through a lock on a file in it (flock(2)); released when the last
/// reference goes or the process ends.
public final class FolderLock: Sendable {
    private let file: OpenFile

    /// Waits for the lock.
    ///
    /// - Parameter waiting: called once when somebody else has it.
    /// - Throws: `Failure` when the folder cannot be written; `CancellationError`.
    public init(_ folder: FilePath, waiting: () -> Void = {}) async throws {
        file = try Self.open(folder)
        var isWaiting = false
        while try !Self.take(file, folder) {
            if !isWaiting { waiting() }
            isWaiting = true
            try await Task.sleep(for: .milliseconds(50))
        }
    }

    /// Takes the lock if nobody has it.
    ///
    /// - Returns: nil when somebody has, or the folder is not there.
    public init?(ifFree folder: FilePath) {
        guard exists(folder), let file = try? Self.open(folder), (try? Self.take(file, folder)) == true else {
            return nil
        }
        self.file = file
    }

    private static func open(_ folder: FilePath) throws -> OpenFile {
        try createFolder(folder)
        let path = folder.appending("lock")
        do { return try OpenFile.creating(path) } catch { return try OpenFile.updating(path) }
    }

    private static func take(_ file: OpenFile, _ folder: FilePath) throws -> Bool {
        if flock(file.rawDescriptor, LOCK_EX | LOCK_NB) == 0 { return true }
        guard errno == EWOULDBLOCK || errno == EINTR else {
            throw Failure(
                at: folder.appending("lock").string, "could not lock the folder: \(Errno(rawValue: errno).description)")
        }
        return false
    }
}
