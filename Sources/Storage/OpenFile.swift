import CLinux
import Diagnostics
import SystemPackage

#if canImport(Glibc)
    import Glibc
#endif

// lseek(2): visible to C only with _GNU_SOURCE.
private let seekData: CInt = 3
private let seekHole: CInt = 4

/// One open file of the host, closed when the last reference goes. All reads and writes name their offset, so several
/// tasks may share it.
package final class OpenFile: Sendable {
    /// As it was opened, for messages: the file may have been renamed since.
    package let path: FilePath
    private let descriptor: FileDescriptor

    /// The raw descriptor, for calls that have no wrapper here. It stays open only while this object lives.
    package var rawDescriptor: CInt { descriptor.rawValue }

    private init(path: FilePath, descriptor: FileDescriptor) {
        self.path = path
        self.descriptor = descriptor
    }

    deinit { try? descriptor.close() }

    /// Opens an existing file for reading.
    ///
    /// - Throws: `Failure` naming the path; too for what is no file that has a size, such as a named pipe: who opened one would wait for
    ///   somebody to write.
    package static func reading(_ path: FilePath) throws -> OpenFile {
        let file = try wrap("open for reading", path, reads: true) {
            OpenFile(path: path, descriptor: try .open(path, .readOnly, options: [.closeOnExec, .nonBlocking]))
        }
        var status = stat()
        guard fstat(file.rawDescriptor, &status) == 0 else { throw file.failure("read the kind of", errno) }
        let found: String
        switch status.st_mode & S_IFMT {
        case S_IFREG, S_IFDIR: return file
        case S_IFIFO: found = "a named pipe"
        case S_IFSOCK: found = "a socket"
        default: found = "a device"
        }
        throw Failure.notAFile(path, found: found)
    }

    /// Opens an existing file for reading and writing.
    ///
    /// - Throws: `Failure` naming the path.
    package static func updating(_ path: FilePath) throws -> OpenFile {
        try wrap("open for writing", path) {
            OpenFile(path: path, descriptor: try .open(path, .readWrite, options: .closeOnExec))
        }
    }

    /// Creates a file, which must not exist yet.
    ///
    /// - Parameter mode: permission bits, applied whatever the umask is.
    /// - Throws: `Failure` naming the path.
    package static func creating(_ path: FilePath, mode: UInt16 = 0o644) throws -> OpenFile {
        try wrap("create", path) {
            let descriptor = try FileDescriptor.open(
                path, .readWrite, options: [.create, .exclusiveCreate, .closeOnExec],
                permissions: FilePermissions(rawValue: 0o600))
            fchmod(descriptor.rawValue, mode_t(mode))
            return OpenFile(path: path, descriptor: descriptor)
        }
    }

    /// The file's size in bytes.
    package func size() throws -> UInt64 {
        var status = stat()
        guard fstat(rawDescriptor, &status) == 0 else { throw failure("read the size of", errno) }
        return UInt64(status.st_size)
    }

    /// Reads exactly `buffer.count` bytes at `offset`.
    ///
    /// - Throws: `Failure` when the file ends earlier or the read fails.
    package func readExactly(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws {
        let count = try read(at: offset, into: buffer)
        guard count == buffer.count else {
            throw Failure(
                at: path.string, "the file ends too early", expected: "\(buffer.count) bytes at offset \(offset)",
                found: "\(count) bytes")
        }
    }

    /// Reads up to `buffer.count` bytes at `offset`; fewer only at the end of the file.
    package func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        var done = 0
        while done < buffer.count {
            let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[done...])
            let count = try Self.wrap("read", path, reads: true) {
                try descriptor.read(fromAbsoluteOffset: Int64(offset) + Int64(done), into: rest)
            }
            if count == 0 { break }
            done += count
        }
        return done
    }

    /// Reads exactly `count` bytes at `offset`. The caller has checked `count` against the file's size.
    package func bytes(at offset: UInt64, count: Int) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        try bytes.withUnsafeMutableBytes { try readExactly(at: offset, into: $0) }
        return bytes
    }

    /// Hands on a range of the file in its order, in pieces of at most 256 KiB.
    ///
    /// - Throws: what `body` throws; `Failure` when the file ends earlier or a read fails.
    package func forEachPiece(of range: Range<UInt64>, _ body: (UnsafeRawBufferPointer) throws -> Void) throws {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: min(256 << 10, range.count), alignment: 16)
        defer { buffer.deallocate() }
        var offset = range.lowerBound
        while offset < range.upperBound {
            let piece = UnsafeMutableRawBufferPointer(
                rebasing: buffer[..<Int(min(UInt64(buffer.count), range.upperBound - offset))])
            try readExactly(at: offset, into: piece)
            try body(UnsafeRawBufferPointer(piece))
            offset += UInt64(piece.count)
        }
    }

    /// Writes all of `buffer` at `offset`.
    package func write(at offset: UInt64, _ buffer: UnsafeRawBufferPointer) throws {
        try Self.wrap("write", path) {
            _ = try descriptor.writeAll(toAbsoluteOffset: Int64(offset), buffer)
        }
    }

    /// Writes all of `bytes` at `offset`.
    package func write(at offset: UInt64, _ bytes: [UInt8]) throws {
        try bytes.withUnsafeBytes { try write(at: offset, $0) }
    }

    /// Writes a range of another file at `offset`; the kernel copies it, or has both files share it where the file system can
    /// (copy_file_range(2)).
    ///
    /// - Throws: `Failure` when that file ends too early, or a file cannot be read or written.
    package func copy(_ range: Range<UInt64>, of other: OpenFile, to offset: UInt64) throws {
        var done: UInt64 = 0
        let count = UInt64(range.count)
        while done < count {
            let copied = piforge_copy_file_range(
                other.rawDescriptor, off_t(range.lowerBound + done), rawDescriptor, off_t(offset + done),
                Int(count - done))
            if copied < 0, errno == EINTR { continue }
            if copied < 0, ![EXDEV, EINVAL, ENOSYS, EOPNOTSUPP, EBADF].contains(errno) {
                throw failure("write", errno)
            }
            // A kernel or a file system that cannot do it, or the end of the other file.
            if copied <= 0 { break }
            done += UInt64(copied)
        }
        try other.forEachPiece(of: range.lowerBound + done..<range.upperBound) { piece in
            try write(at: offset + done, piece)
            done += UInt64(piece.count)
        }
    }

    /// Has the kernel begin to write a range to the disk, so that ``synchronize()`` waits for less. Nothing depends on it.
    package func beginWriting(_ range: Range<UInt64>) {
        _ = piforge_begin_writing(rawDescriptor, off_t(range.lowerBound), off_t(range.count))
    }

    /// Makes the file `size` bytes long; what is added reads as zeros and takes no space.
    package func truncate(to size: UInt64) throws {
        guard ftruncate(rawDescriptor, off_t(size)) == 0 else { throw failure("resize", errno) }
    }

    /// Waits until the file's bytes are on the disk.
    package func synchronize() throws {
        guard fsync(rawDescriptor) == 0 else { throw failure("sync", errno) }
    }

    /// The next range of bytes at or after `offset` that the host's file system holds as data; nil when only a hole
    /// follows (lseek(2), SEEK_DATA and SEEK_HOLE).
    package func nextData(from offset: UInt64) throws -> Range<UInt64>? {
        let start = lseek(rawDescriptor, off_t(offset), seekData)
        if start < 0 {
            if errno == ENXIO { return nil }
            throw failure("seek in", errno)
        }
        let end = lseek(rawDescriptor, start, seekHole)
        guard end >= 0 else { throw failure("seek in", errno) }
        return UInt64(start)..<UInt64(end)
    }

    private func failure(_ verb: String, _ code: CInt) -> Failure {
        Self.failure(verb, path, Errno(rawValue: code))
    }

    private static func failure(_ verb: String, _ path: FilePath, _ error: Errno, reads: Bool = false) -> Failure {
        Failure(
            at: path.string, "could not \(verb) the file: \(error.description.lowercased())",
            next: advice(for: error, reads: reads))
    }

    private static func wrap<Result>(
        _ verb: String, _ path: FilePath, reads: Bool = false, _ body: () throws -> Result
    ) throws -> Result {
        do { return try body() } catch let error as Errno { throw failure(verb, path, error, reads: reads) }
    }
}

/// What to do about an error of the host's file system, where there is something.
///
/// - Parameter reads: whether the file was to be read.
func advice(for error: Errno, reads: Bool = false) -> String? {
    switch error {
    case .noSpace, .fileTooLarge: "free space on that file system, or choose another folder with -o and --cache"
    case .permissionDenied, .notPermitted:
        reads ? "make the file readable for you" : "choose a folder that you may write to"
    case .tooManySymbolicLinkLevels: "the links go round in a circle: name the file itself"
    case .tooManyOpenFiles: "raise the limit: ulimit -n 4096"
    default: nil
    }
}
