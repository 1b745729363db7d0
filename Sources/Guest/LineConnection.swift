import Diagnostics
import Storage
import Synchronization
import SystemPackage

#if canImport(Glibc)
    import Glibc
#endif

/// A socket in the file system that waits for one program to connect to it.
///
/// The folder's path may be longer than a socket's address allows (108 bytes; unix(7)): the socket is bound through
/// the folder's descriptor, and the program that connects works in the folder and names the socket alone.
final class LineListener: Sendable {
    let name: String
    private let folder: FilePath
    private let descriptor: CInt

    /// - Throws: `Failure` when the socket cannot be made.
    init(name: String, in folder: FilePath) throws {
        self.name = name
        self.folder = folder
        func failure(_ code: CInt) -> Failure {
            Failure(
                at: folder.appending(name).string,
                "could not make a socket: \(Errno(rawValue: code).description.lowercased())")
        }
        let directory = open(folder.string, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard directory >= 0 else { throw failure(errno) }
        defer { Glibc.close(directory) }
        descriptor = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw failure(errno) }
        unlink(folder.appending(name).string)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let path = Array("/proc/self/fd/\(directory)/\(name)".utf8)
        guard path.count < MemoryLayout.size(ofValue: address.sun_path) else {
            Glibc.close(descriptor)
            throw failure(ENAMETOOLONG)
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path) }
        let size = socklen_t(MemoryLayout<sockaddr_un>.size)
        let bound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, size) }
        }
        guard bound == 0, listen(descriptor, 1) == 0 else {
            let code = errno
            Glibc.close(descriptor)
            throw failure(code)
        }
    }

    deinit {
        Glibc.close(descriptor)
        unlink(folder.appending(name).string)
    }

    /// Waits up to `limit` for the program; nil when it has not come.
    func accept(waiting limit: Duration) -> LineConnection? {
        var request = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard poll(&request, 1, limit.milliseconds) > 0 else { return nil }
        let accepted = Glibc.accept(descriptor, nil, nil)
        guard accepted >= 0 else { return nil }
        _ = fcntl(accepted, F_SETFD, FD_CLOEXEC)
        return LineConnection(descriptor: accepted)
    }
}

/// One connected socket, closed when the last reference goes.
final class LineConnection: Sendable {
    enum Reading {
        case bytes([UInt8])
        case nothing
        case end
    }

    private let descriptor: CInt
    private let writing = Mutex(())

    init(descriptor: CInt) { self.descriptor = descriptor }

    deinit { Glibc.close(descriptor) }

    /// Waits up to `limit` for bytes. One thread reads.
    func read(waiting limit: Duration) -> Reading {
        var request = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        let ready = poll(&request, 1, limit.milliseconds)
        if ready == 0 || (ready < 0 && errno == EINTR) { return .nothing }
        guard ready > 0 else { return .end }
        let bytes = [UInt8](unsafeUninitializedCapacity: 64 << 10) { buffer, count in
            count = max(0, recv(descriptor, buffer.baseAddress, buffer.count, 0))
        }
        return bytes.isEmpty ? .end : .bytes(bytes)
    }

    /// Writes all bytes; those that the other end no longer takes are dropped.
    func write(_ bytes: [UInt8]) {
        writing.withLock { _ in
            bytes.withUnsafeBytes { buffer in
                var done = 0
                while done < buffer.count {
                    let count = Glibc.send(
                        descriptor, buffer.baseAddress.map { $0 + done }, buffer.count - done, CInt(MSG_NOSIGNAL))
                    if count < 0, errno == EINTR { continue }
                    if count <= 0 { return }
                    done += count
                }
            }
        }
    }

    /// Ends the connection in both directions; a thread that reads sees the end.
    func shutdown() { _ = Glibc.shutdown(descriptor, CInt(SHUT_RDWR)) }
}

extension Duration {
    fileprivate var milliseconds: CInt {
        CInt(clamping: components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000)
    }
}
