import Diagnostics
import Digests
import Storage
import Synchronization
import SystemPackage

/// Content on the disk that is not what its digest says, or is not there any more.
package struct DamagedContent: Error, CustomStringConvertible {
    /// The file of the host that it is kept in.
    package let file: FilePath
    /// For a person.
    package let failure: Failure

    package init(file: FilePath, failure: Failure) {
        self.file = file
        self.failure = failure
    }

    package var description: String { failure.description }
}

/// Reads the content of regular files, keeping the host files it reads from open. What is read whole is held to its digest.
package final class ContentReader: Sendable {
    private let open = Mutex<[FilePath: OpenFile]>([:])
    private static let openLimit = 128
    private static let chunkSize = 1 << 20

    package init() {}

    /// Reads exactly `buffer.count` bytes of the content, from `offset` (bytes into the content) on. A part has no digest.
    ///
    /// - Throws: ``DamagedContent`` when the host file is gone or too short.
    package func read(_ content: Content, at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws {
        switch content.source {
        case .bytes(let bytes): buffer.copyBytes(from: bytes[Int(offset)..<(Int(offset) + buffer.count)])
        case .file(let path, let start):
            do { try file(path).readExactly(at: start + offset, into: buffer) } catch let failure as Failure {
                throw DamagedContent(file: path, failure: failure)
            }
        }
    }

    /// Hands the content on in pieces of at most 1 MiB.
    ///
    /// - Throws: what `body` throws; ``DamagedContent`` when the pieces, which `body` has then had, are not the content.
    package func forEachChunk(of content: Content, _ body: (UnsafeRawBufferPointer) throws -> Void) throws {
        if case .bytes(let bytes) = content.source { return try bytes.withUnsafeBytes(body) }
        _ = try summing(content, body)
    }

    /// Hands on content in a file, and tells what it was found to be.
    ///
    /// - Throws: as ``forEachChunk(of:_:)``.
    private func summing(
        _ content: Content, _ body: (UnsafeRawBufferPointer) throws -> Void = { _ in }
    ) throws -> Content {
        var summer = ContentSummer()
        var buffer = [UInt8](repeating: 0, count: min(Self.chunkSize, Int(clamping: content.size)))
        while summer.size < content.size {
            let count = Int(min(UInt64(buffer.count), content.size - summer.size))
            try buffer.withUnsafeMutableBytes { raw in
                let piece = UnsafeMutableRawBufferPointer(rebasing: raw[..<count])
                try read(content, at: summer.size, into: piece)
                summer.add(UnsafeRawBufferPointer(piece))
                try body(UnsafeRawBufferPointer(piece))
            }
        }
        let found = summer.content(content.source)
        try check(found.digest, content)
        return found
    }

    /// Reads the content whole, and holds it to its digest and to its runs of zeros.
    ///
    /// - Throws: ``DamagedContent``.
    package func verify(_ content: Content) throws {
        let runs = try zeros(of: content)
        guard let known = content.zeros, known != runs, case .file(let path, _) = content.source else { return }
        throw DamagedContent(
            file: path, failure: Failure(at: path.string, "what the file says of a content's zeros has changed"))
    }

    /// The content's runs of zeros; it is read for them, whole.
    ///
    /// - Throws: ``DamagedContent`` when it is not what its digest says.
    package func zeros(of content: Content) throws -> ZeroRuns {
        if case .bytes(let bytes) = content.source { return Content(bytes).zeros ?? ZeroRuns([]) }
        return try summing(content).zeros ?? ZeroRuns([])
    }

    private func check(_ found: SHA256Digest, _ content: Content) throws {
        guard found != content.digest, case .file(let path, _) = content.source else { return }
        throw DamagedContent(
            file: path,
            failure: Failure(
                at: path.string, "what the file holds has changed", expected: "SHA-256 \(content.digest)",
                found: "SHA-256 \(found)"))
    }

    /// The whole content.
    ///
    /// - Throws: `Failure` when it is larger than `limit` bytes; ``DamagedContent``.
    package func bytes(of content: Content, limit: Int = 64 << 20) throws -> [UInt8] {
        guard content.size <= UInt64(limit) else {
            throw Failure(
                at: "content", "the file is too large", expected: "at most \(limit) bytes", found: "\(content.size)")
        }
        var bytes = [UInt8](repeating: 0, count: Int(content.size))
        try bytes.withUnsafeMutableBytes { try read(content, at: 0, into: $0) }
        if case .file = content.source { try check(.of(bytes), content) }
        return bytes
    }

    /// The content's first bytes, at most `count` of them. A part has no digest.
    ///
    /// - Throws: ``DamagedContent`` when the host file is gone or too short.
    package func bytes(of content: Content, prefix count: Int) throws -> [UInt8] {
        guard content.size > UInt64(count) else { return try bytes(of: content, limit: count) }
        var bytes = [UInt8](repeating: 0, count: count)
        try bytes.withUnsafeMutableBytes { try read(content, at: 0, into: $0) }
        return bytes
    }

    /// The whole content as text; bytes that are not UTF-8 become replacement characters.
    package func text(of content: Content, limit: Int = 64 << 20) throws -> String {
        String(decoding: try bytes(of: content, limit: limit), as: UTF8.self)
    }

    private func file(_ path: FilePath) throws -> OpenFile {
        if let file = open.withLock({ $0[path] }) { return file }
        let file = try OpenFile.reading(path)
        open.withLock { open in
            if open.count >= Self.openLimit { open.removeAll() }
            open[path] = file
        }
        return file
    }
}
