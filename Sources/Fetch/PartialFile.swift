import Diagnostics
import Digests
import Foundation
import Storage
import SystemPackage

#if canImport(Glibc)
    import Glibc
#endif

/// A file that is being downloaded, `partial/KEY.part`, and the digests of its bytes so far.
///
/// It is this object's alone (flock(2)) for as long as the object lives. A download that breaks off or is interrupted
/// leaves it, with a record of where its bytes came from (`KEY.json`), for a later one to go on with.
final class PartialFile {
    /// Where the bytes came from.
    struct Origin: Codable, Equatable {
        /// Without a user's name and password.
        var url: String
        /// A strong entity tag, or else the time of the last change, as the server wrote it (RFC 9110, section 8.8).
        var validator: String?
        /// Bytes of the whole file, where the server told.
        var total: UInt64?
    }

    /// The record beside a partial file.
    private struct Record: Codable {
        var origin: Origin
        /// Bytes that were on the disk when the record was written.
        var count: UInt64
    }

    let file: OpenFile
    /// Bytes that have arrived.
    private(set) var count: UInt64 = 0
    /// nil while there are no bytes.
    var origin: Origin?
    /// Whether the bytes came in more than one piece, so that they may belong to different versions of a file.
    private(set) var isMixed = false

    private let request: DownloadRequest
    private let digester: FileDigester
    /// Bytes that the digester knows of.
    private var announced: UInt64 = 0
    private var isReleased = false
    private var isRecorded = false

    /// How many bytes are digested at a time, in the background.
    private static let digestedSize: UInt64 = 1 << 20

    /// From how many bytes on a record is written while bytes arrive, so that even a killed process loses none.
    private static let recordedSize: UInt64 = 4 << 20

    private init(_ file: OpenFile, _ request: DownloadRequest) {
        self.file = file
        self.request = request
        digester = FileDigester(file, others: request.checksums.map(\.algorithm))
    }

    deinit { release() }

    /// Takes the partial file of a request, with the bytes that an earlier download left.
    ///
    /// - Returns: nil while another download has it.
    static func take(_ request: DownloadRequest, in folder: FilePath) throws -> PartialFile? {
        let path = folder.appending("\(key(of: request)).part")
        while true {
            let file: OpenFile
            if exists(path) {
                // Another download may have finished it just now.
                guard let opened = try? OpenFile.updating(path) else {
                    guard exists(path) else { continue }
                    throw Failure(at: path.string, "the partial download cannot be opened", next: "remove the file")
                }
                file = opened
            } else {
                do { file = try OpenFile.creating(path) } catch {
                    if exists(path) { continue }
                    throw error
                }
            }
            guard flock(file.rawDescriptor, LOCK_EX | LOCK_NB) == 0 else {
                if errno == EWOULDBLOCK || errno == EINTR { return nil }
                let error = Errno(rawValue: errno).description.lowercased()
                throw Failure(at: path.string, "could not lock the partial download: \(error)")
            }
            // The lock is worth something only while the name is still this file's.
            guard isSame(file, path) else { continue }
            let partial = PartialFile(file, request)
            try partial.takeUp()
            return partial
        }
    }

    /// What names a request's partial file: the digest that it must have, or all that it asks for.
    private static func key(of request: DownloadRequest) -> String {
        if let digest = request.sha256 { return digest.hex }
        let hasher = KeyHasher(purpose: "partial download")
        for url in request.urls { hasher.add(url) }
        for sum in request.checksums { hasher.add(sum.description) }
        hasher.add(request.size.map { "\($0)" } ?? "any")
        return hasher.finalize().hex
    }

    private static func isSame(_ file: OpenFile, _ path: FilePath) -> Bool {
        var open = stat()
        var named = stat()
        guard fstat(file.rawDescriptor, &open) == 0, lstat(path.string, &named) == 0 else { return false }
        return open.st_ino == named.st_ino && open.st_dev == named.st_dev
    }

    private var record: FilePath {
        file.path.removingLastComponent().appending("\(file.path.stem ?? "").json")
    }

    /// Takes up what an earlier download left.
    private func takeUp() throws {
        let size = try file.size()
        guard size > 0 else { return }
        guard let bytes = try? readFile(record, limit: 64 << 10),
            let record = try? JSONDecoder().decode(Record.self, from: Data(bytes))
        else { return try restart() }
        // Without a digest that proves the whole, only bytes count that were synced.
        let kept = request.isPinned ? size : min(size, record.count)
        if let total = request.size ?? record.origin.total, kept > total { return try restart() }
        try file.truncate(to: kept)
        count = kept
        announce()
        origin = record.origin
        isMixed = count > 0
        isRecorded = true
    }

    /// Takes bytes that follow those that are there.
    func append(_ piece: UnsafeRawBufferPointer) throws {
        try file.write(at: count, piece)
        count += UInt64(piece.count)
        // Small files are digested when they are whole.
        if count - announced >= Self.digestedSize { announce() }
        if !isRecorded, request.isPinned, count >= Self.recordedSize { try writeRecord() }
    }

    private func announce() {
        digester.advance(to: count)
        announced = count
    }

    /// Throws away all bytes.
    func restart() throws {
        if announced > 0 { digester.restart() }
        announced = 0
        count = 0
        origin = nil
        isMixed = false
        isRecorded = false
        unlink(record.string)
        try file.truncate(to: 0)
    }

    /// Says that what follows comes from another answer than what is there.
    func mix() { isMixed = true }

    /// The digests of all bytes; asked once, at the end.
    func digests() throws -> (sha256: SHA256Digest, others: [Checksum]) {
        announced = 0
        return try digester.finish(at: count)
    }

    /// Moves the file, whole and proven, to its place.
    func keep(as path: FilePath) throws {
        try createFolder(path.removingLastComponent())
        try file.synchronize()
        guard rename(file.path.string, path.string) == 0 else {
            let error = Errno(rawValue: errno)
            throw Failure(
                at: path.string, "could not put the finished file in place: \(error.description.lowercased())")
        }
        unlink(record.string)
        isReleased = true
    }

    /// Leaves the bytes for a later download, where one can go on with them, or removes the file.
    func release() {
        guard !isReleased else { return }
        isReleased = true
        digester.restart()
        defer { flock(file.rawDescriptor, LOCK_UN) }
        if count > 0, request.isPinned || origin?.validator != nil {
            // A disk that is full keeps nothing: the next download starts over.
            if (try? file.synchronize()) != nil, (try? writeRecord()) != nil { return }
        }
        unlink(record.string)
        unlink(file.path.string)
    }

    private func writeRecord() throws {
        guard let origin else { return }
        let bytes = try jsonBytes(Record(origin: origin, count: count), .oneLine, at: record.string)
        try writeAtomically(to: record, bytes: bytes)
        isRecorded = true
    }
}

extension DownloadRequest {
    /// Whether a digest proves the file, wherever its bytes come from.
    var isPinned: Bool { sha256 != nil || !checksums.isEmpty }
}
