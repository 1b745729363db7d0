import Digests
import SystemPackage

extension SHA256Digest {
    /// The SHA-256 of a file of this machine.
    ///
    /// - Throws: `Failure` when it cannot be read; `CancellationError`.
    package static func of(file path: FilePath) throws -> SHA256Digest {
        let file = try OpenFile.reading(path)
        return try of(file, size: try file.size())
    }

    /// The SHA-256 of an open file's first bytes.
    ///
    /// - Parameter size: how many of them; the file has so many.
    package static func of(_ file: OpenFile, size: UInt64) throws -> SHA256Digest {
        let hasher = SHA256Hasher()
        try file.forEachPiece(of: 0..<size) { piece in
            try Task.checkCancellation()
            hasher.update(piece)
        }
        return hasher.finalize()
    }
}
