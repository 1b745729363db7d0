import CCrypto
import Diagnostics

/// The hash functions in which publishers give sums. MD5 and SHA-1 are broken against a forger who makes both files;
/// they are for comparison only, where a publisher gives nothing better.
package enum ChecksumAlgorithm: String, Sendable, Hashable, CaseIterable {
    case md5, sha1, sha256, sha512

    /// Bytes of a digest.
    package var length: Int {
        switch self {
        case .md5: 16
        case .sha1: 20
        case .sha256: 32
        case .sha512: 64
        }
    }

    /// Whether nobody is known to be able to make two files with the same digest.
    package var isStrong: Bool { self == .sha256 || self == .sha512 }

    /// The function's name as people write it: `SHA-256`.
    package var title: String {
        switch self {
        case .md5: "MD5"
        case .sha1: "SHA-1"
        case .sha256: "SHA-256"
        case .sha512: "SHA-512"
        }
    }

    fileprivate var function: OpaquePointer? {
        switch self {
        case .md5: EVP_md5()
        case .sha1: EVP_sha1()
        case .sha256: EVP_sha256()
        case .sha512: EVP_sha512()
        }
    }
}

/// A digest together with the function that made it; as text `sha1:` and lower-case hex digits.
package struct Checksum: Sendable, Hashable {
    /// What made the digest; it decides how many ``bytes`` there are.
    package let algorithm: ChecksumAlgorithm
    /// As many bytes as the algorithm's digests have.
    package let bytes: [UInt8]

    /// - Returns: nil unless there are as many bytes as the algorithm's digests have.
    package init?(_ algorithm: ChecksumAlgorithm, bytes: [UInt8]) {
        guard bytes.count == algorithm.length else { return nil }
        self.algorithm = algorithm
        self.bytes = bytes
    }

    /// - Parameter hex: as many hex digits, of either case, as the algorithm's digests have.
    package init?(_ algorithm: ChecksumAlgorithm, hex: some StringProtocol) {
        guard let bytes = decodeHex(hex) else { return nil }
        self.init(algorithm, bytes: bytes)
    }

    /// A SHA-256 as a checksum.
    package init(_ digest: SHA256Digest) {
        algorithm = .sha256
        bytes = digest.bytes
    }

    /// Parses `ALGORITHM:HEX`, such as `sha1:1b96a6be…`.
    ///
    /// - Parameter place: where the text stands, for the error.
    /// - Throws: `Failure` (usage) when the algorithm is unknown or the digits are not as many as it has.
    package init(parsing text: String, at place: String) throws {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, let algorithm = ChecksumAlgorithm(rawValue: parts[0].lowercased()) else {
            let known = ChecksumAlgorithm.allCases.map { "\($0.rawValue):HEX" }.joined(separator: ", ")
            throw Failure(.usage, at: place, "this is not a checksum", expected: known, found: text)
        }
        guard let sum = Checksum(algorithm, hex: parts[1]) else {
            throw Failure(
                .usage, at: place, "the checksum is not one of \(algorithm.title)",
                expected: "\(algorithm.length * 2) hex digits", found: String(parts[1]))
        }
        self = sum
    }

    /// Lower-case hex digits.
    package var hex: String { encodeHex(bytes) }

    /// The digest, where it is a SHA-256.
    package var sha256: SHA256Digest? { algorithm == .sha256 ? SHA256Digest(bytes: bytes) : nil }
}

extension Checksum: CustomStringConvertible {
    package var description: String { "\(algorithm.rawValue):\(hex)" }
}

/// Computes a digest of any of the algorithms from bytes that arrive in pieces (libcrypto).
///
/// Not `Sendable`: one hasher belongs to one task.
package final class ChecksumHasher {
    /// What ``finalize()`` computes.
    package let algorithm: ChecksumAlgorithm
    private let context: OpaquePointer

    /// Begins a digest. Ends the process where libcrypto lacks the algorithm, or has no memory left.
    package init(_ algorithm: ChecksumAlgorithm) {
        guard let context = EVP_MD_CTX_new(), EVP_DigestInit_ex(context, algorithm.function, nil) == 1 else {
            preconditionFailure("libcrypto has no \(algorithm.title), or no memory left")
        }
        self.algorithm = algorithm
        self.context = context
    }

    deinit { EVP_MD_CTX_free(context) }

    /// Adds bytes; an empty buffer adds nothing.
    package func update(_ bytes: UnsafeRawBufferPointer) {
        guard let base = bytes.baseAddress, !bytes.isEmpty else { return }
        EVP_DigestUpdate(context, base, bytes.count)
    }

    /// Adds bytes at hand.
    package func update(_ bytes: [UInt8]) { bytes.withUnsafeBytes { update($0) } }

    /// The digest's bytes. The hasher starts afresh afterwards.
    package func finalize() -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: algorithm.length)
        var length: UInt32 = 0
        EVP_DigestFinal_ex(context, &bytes, &length)
        EVP_DigestInit_ex(context, algorithm.function, nil)
        return bytes
    }
}

extension Checksum {
    /// The checksum of bytes at hand.
    package static func of(_ bytes: [UInt8], _ algorithm: ChecksumAlgorithm) -> Checksum {
        let hasher = ChecksumHasher(algorithm)
        hasher.update(bytes)
        return Checksum(finished: hasher)
    }

    /// What a hasher has computed; it starts afresh afterwards.
    package init(finished hasher: ChecksumHasher) {
        algorithm = hasher.algorithm
        bytes = hasher.finalize()
    }
}
