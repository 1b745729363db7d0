import Diagnostics
import Storage
import SystemPackage

#if canImport(Glibc)
    import Glibc
#endif

/// A build's hold on the files of one image: another build of the same image waits, so that a password and the image that it opens
/// are of one build. The kernel lets go of it when the process ends in whatever way.
final class OutputClaim: Sendable {
    private let folder: FilePath
    private let lock: OpenFile
    /// Whether the folder was made for this claim: it goes again where nothing came into it.
    private let madeFolder: Bool

    /// Takes hold of an image's files, and removes the unfinished ones that killed builds have left of them.
    ///
    /// - Throws: `Failure` when nothing can be written to the folder; `CancellationError`.
    init(_ paths: OutputPaths, progress: any ProgressReporter) async throws {
        folder = paths.folder
        madeFolder = !exists(folder)
        do { try createFolder(folder) } catch var failure as Failure {
            failure.next = failure.next ?? "name another folder with -o"
            throw failure
        }
        let path = folder.appending(".\(paths.name).lock")
        let from = ContinuousClock.now
        var isTold = false
        while true {
            let file = try OpenFile.forLock(path)
            // Who ends removes the file: a lock counts while its file still has the name.
            if try file.tryLock(.exclusive), file.isNamed(path) {
                lock = file
                break
            }
            if !isTold {
                progress.report(.note(step: "outputs", text: "another build makes \(paths.image); waiting for its end"))
                isTold = true
            }
            try await Task.sleep(for: .milliseconds(200))
        }
        if isTold { progress.report(.worked(step: "outputs", part: "waiting for another build", from: from, to: .now)) }
        removeAbandonedPartials(in: folder, of: paths.name)
    }

    deinit {
        unlink(lock.path.string)
        if madeFolder { rmdir(folder.string) }
    }
}
