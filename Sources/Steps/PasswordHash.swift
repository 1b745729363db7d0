import CCrypt
import Diagnostics
import Digests

#if canImport(Glibc)
    import Glibc
#endif

/// Hashes passwords through libcrypt, as crypt(5) describes.
package enum PasswordHash {
    /// Which method of crypt(5) a hash is made with.
    package enum Method: String, Sendable {
        /// Debian's default since 11.
        case yescrypt = "$y$"
        /// For older userlands: SHA-512 with libcrypt's default of 5,000 rounds.
        case sha512 = "$6$"
    }

    /// The `/etc/shadow` form of a password.
    ///
    /// The salt must be the same in every build of the same inputs, differ between users and images, and tell nothing of
    /// the password that costs less to guess than the hash itself. So it is a digest of a first hash, which has a salt
    /// made of the image's seed and the user's name: each guess costs two hashes.
    ///
    /// - Throws: `Failure` when libcrypt cannot hash it (an empty password, or one longer than 512 bytes).
    package static func make(
        password: String, user: String, seed: String, method: Method = .yescrypt
    ) throws -> String {
        guard !password.isEmpty, password.utf8.count <= 512 else {
            throw Failure(
                .usage, at: "accounts: \(user)", "the password cannot be hashed", expected: "1 to 512 bytes",
                found: "\(password.utf8.count) bytes")
        }
        let first = KeyHasher(purpose: "password salt of user and image")
        first.add(seed)
        first.add(user)
        let inner = try hash(password, salt: first.finalize(), user, method)
        let second = KeyHasher(purpose: "password salt")
        second.add(inner)
        return try hash(password, salt: second.finalize(), user, method)
    }

    private static func hash(
        _ password: String, salt: SHA256Digest, _ user: String, _ method: Method
    ) throws -> String {
        let salt = Array(salt.bytes.prefix(16)).map { CChar(bitPattern: $0) }
        var setting = [CChar](repeating: 0, count: Int(CRYPT_GENSALT_OUTPUT_SIZE))
        guard crypt_gensalt_rn(method.rawValue, 0, salt, CInt(salt.count), &setting, CInt(setting.count)) != nil else {
            throw Failure(at: "accounts: \(user)", "libcrypt does not know the method \(method.rawValue)")
        }
        var data: UnsafeMutableRawPointer?
        var size: CInt = 0
        defer { free(data) }
        guard let hash = crypt_ra(password, setting, &data, &size) else {
            throw Failure(at: "accounts: \(user)", "libcrypt could not hash the password")
        }
        return String(cString: hash)
    }

    /// Whether a password is the one a hash was made from.
    package static func verify(password: String, hash: String) -> Bool {
        var data: UnsafeMutableRawPointer?
        var size: CInt = 0
        defer { free(data) }
        guard let computed = crypt_ra(password, hash, &data, &size) else { return false }
        return String(cString: computed) == hash
    }
}
