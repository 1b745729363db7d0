import Diagnostics
import Foundation
import Storage
import Synchronization
import SystemPackage

#if canImport(Glibc)
    import Glibc
#endif

/// Follows a log that programs write to.
final class LogReader: Sendable {
    private struct State {
        var offset: UInt64 = 0
        var log = MakeLog()
    }

    private let file: OpenFile
    private let state = Mutex(State())

    init(_ file: OpenFile) { self.file = file }

    var log: MakeLog { state.withLock { $0.log } }

    func beginRun() { state.withLock { $0.log.beginRun() } }

    /// Reads what has been written since the last time.
    func readOn() throws {
        try state.withLock { state in
            let size = try file.size()
            while state.offset < size {
                let count = Int(min(size - state.offset, 1 << 20))
                state.log.add(try file.bytes(at: state.offset, count: count))
                state.offset += UInt64(count)
            }
        }
    }
}

/// Has what programs write to an open file stand behind what is in it.
func lseekEnd(_ file: OpenFile) { _ = lseek(file.rawDescriptor, 0, SEEK_END) }

/// The names in a folder, sorted.
func names(in folder: FilePath) throws -> [String] {
    do { return try FileManager.default.contentsOfDirectory(atPath: folder.string).sorted() } catch {
        throw Failure(at: folder.string, "could not read the folder")
    }
}
