import Digests

/// Password hashes that a recipe may hold (crypt(5), "Available hashing methods").
enum PasswordHash {
    private static let yescrypt = "\\$y\\$[./A-Za-z0-9]+\\$[./A-Za-z0-9]{1,86}\\$[./A-Za-z0-9]{43}"
    private static let sha512 = "\\$6\\$(rounds=[1-9][0-9]{3,8}\\$)?[^$:\\n\\x00-\\x20]{1,16}\\$[./A-Za-z0-9]{86}"

    /// Prefixes people have hashes with, and what they are.
    private static let weak = [
        ("$1$", "MD5"), ("$5$", "SHA-256"), ("$2", "bcrypt"), ("$7$", "scrypt"), ("$3$", "NT"), ("$md5", "Sun MD5"),
        ("$sha1", "SHA-1"), ("_", "BSDi DES"),
    ]

    private static let next = "make one with: mkpasswd -m yescrypt"

    /// The hash itself never reaches a message, a manifest or a log: it is printed as its method and its own digest.
    static let shape = Shape<String>(
        summary: "yescrypt or SHA-512 hash",
        schema: .members(["type": .string("string"), "pattern": .string("^(\(yescrypt)|\(sha512))$")]),
        decode: { node, path, decoding in
            guard let text = scalarText(node) else {
                decoding.refuse(path, at: node.place, "not a password hash", found: node.kind, next: next)
                return nil
            }
            if matches(text, yescrypt) || matches(text, sha512) { return text }
            let message: String
            if text.hasPrefix("$y$") || text.hasPrefix("$6$") {
                message = "the hash is not whole"
            } else if let (_, method) = weak.first(where: { text.hasPrefix($0.0) }) {
                message = "\(method) hashes are not accepted"
            } else {
                message = "not a password hash"
            }
            decoding.refuse(
                path, at: node.place, message, expected: "a yescrypt ($y$…) or SHA-512 ($6$…) hash in single quotes",
                next: next)
            return nil
        },
        encode: { hash in
            .members(["method": .string(String(hash.prefix(3))), "sha256": .string(SHA256Digest.of(hash).hex)])
        })
}
