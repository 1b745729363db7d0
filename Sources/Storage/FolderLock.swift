import Diagnostics
import SystemPackage

/// Holds a folder for one process at a time, through a lock on a file in it (flock(2)); released when the last
/// reference goes or the process ends.
package final class FolderLock: Sendable {
    private let file: OpenFile

    /// Waits for the lock.
    ///
    /// - Parameter waiting: called once when somebody else has it.
    /// - Throws: `Failure` when the folder cannot be written; `CancellationError`.
    package init(_ folder: FilePath, waiting: () -> Void = {}) async throws {
        try createFolder(folder)
        file = try OpenFile.forLock(folder.appending("lock"))
        var isWaiting = false
        while try !file.tryLock(.exclusive) {
            if !isWaiting { waiting() }
            isWaiting = true
            try await Task.sleep(for: .milliseconds(50))
        }
    }
}
