import Storage
import Synchronization
import SystemPackage

#if canImport(Glibc)
    import Glibc
#endif

/// A file that is being downloaded, `download.PID.N`; removed when the last reference goes, unless it was renamed.
final class PartialFile {
    let file: OpenFile

    private static let counter = Atomic<UInt64>(0)

    init(in folder: FilePath) throws {
        let number = Self.counter.add(1, ordering: .relaxed).newValue
        let path = folder.appending("download.\(getpid()).\(number)")
        unlink(path.string)
        file = try OpenFile.creating(path, mode: 0o644)
    }

    deinit { unlink(file.path.string) }
}
