import Diagnostics
import Foundation
import SystemPackage

/// An SSH public key as a line of authorized_keys has it (sshd(8), "AUTHORIZED_KEYS FILE FORMAT").
package struct AuthorizedKey: Sendable, Hashable {
    /// `restrict,command="backup"`; empty for a key without any.
    package let options: String
    /// `ssh-ed25519`, `ecdsa-sha2-nistp256`, `ssh-rsa`, …
    package let type: String
    /// The key in base64.
    package let base64: String
    /// What stands behind the key, without control characters; empty for none.
    package let comment: String

    /// The line for authorized_keys.
    package var line: String { [options, type, base64, comment].filter { !$0.isEmpty }.joined(separator: " ") }

    /// Fields of the decoded key behind its type (RFC 4253, section 6.6; RFC 5656, section 3.1; RFC 8709, section 4; OpenSSH's
    /// PROTOCOL.u2f), with the check of each.
    private static let types: [(name: String, check: @Sendable ([ArraySlice<UInt8>]) -> String?)] = [
        ("ssh-ed25519", { $0.count == 1 && $0[0].count == 32 ? nil : "its body is not 32 bytes" }),
        ("ecdsa-sha2-nistp256", { checkPoint($0, curve: "nistp256", size: 65) }),
        ("ecdsa-sha2-nistp384", { checkPoint($0, curve: "nistp384", size: 97) }),
        ("ecdsa-sha2-nistp521", { checkPoint($0, curve: "nistp521", size: 133) }),
        ("sk-ssh-ed25519@openssh.com", { $0.count == 2 && $0[0].count == 32 ? nil : "its body is not 32 bytes" }),
        ("sk-ecdsa-sha2-nistp256@openssh.com", { checkPoint(Array($0.dropLast()), curve: "nistp256", size: 65) }),
        (
            "ssh-rsa",
            { fields in
                guard fields.count == 2 else { return "it has not two numbers" }
                let modulus = fields[1].drop { $0 == 0 }
                let bits = modulus.count * 8 - (modulus.first?.leadingZeroBitCount ?? 0)
                return bits >= 2048 ? nil : "it has \(bits) bits, and RSA keys need at least 2048"
            }
        ),
    ]

    private static func checkPoint(_ fields: [ArraySlice<UInt8>], curve: String, size: Int) -> String? {
        guard fields.count == 2, fields[0].elementsEqual(curve.utf8) else { return "it is not on the curve \(curve)" }
        return fields[1].count == size && fields[1].first == 4 ? nil : "its point is not \(size) bytes"
    }

    /// Parses `[options] type base64 [comment]`.
    ///
    /// - Throws: `Refusal` for what sshd would not accept, and for keys that are too weak.
    package init(parsing line: String) throws {
        let names = Self.types.map(\.name)
        if line.contains("PRIVATE KEY") {
            throw Refusal(
                "this is a private key, and it must never leave its machine",
                next: "use the public key, the file that ends in .pub; replace this one if others have seen it")
        }
        let (options, key) = try Self.splitOptions(
            line.trimmingCharacters(in: .whitespaces), before: names + ["ssh-dss"])
        let fields = key.split(
            maxSplits: 2, whereSeparator: { $0 == " " || $0 == "\t" }
        ).map(String.init)
        guard let type = fields.first, let known = Self.types.first(where: { $0.name == type }) else {
            let type = fields.first ?? ""
            throw Refusal(
                type == "ssh-dss"
                    ? "DSA keys are not accepted" : "unknown key type '\(type.prefix(60))'\(didYouMean(type, names))",
                expected: "a line of a .pub file, such as: ssh-ed25519 AAAA… name",
                next: "make one with: ssh-keygen -t ed25519")
        }
        guard fields.count >= 2, let bytes = decodeBase64(fields[1]), !bytes.isEmpty else {
            throw Refusal("the key is not base64; was it cut off?", expected: "a whole line of a .pub file")
        }
        guard let parts = Self.fields(of: bytes), let inner = parts.first else {
            throw Refusal("the key was cut off", expected: "a whole line of a .pub file")
        }
        guard inner.elementsEqual(type.utf8) else {
            throw Refusal(
                "the line says \(type), but the key in it is \(String(decoding: inner.prefix(40), as: UTF8.self))")
        }
        if let reason = known.check(Array(parts.dropFirst())) { throw Refusal("the \(type) key is refused: \(reason)") }
        let comment = fields.count == 3 ? String(fields[2].drop { $0 == " " }) : ""
        guard comment.unicodeScalars.allSatisfy({ $0.value >= 32 && $0.value != 127 }) else {
            throw Refusal("the key's comment has control characters in it")
        }
        self.options = options
        self.type = type
        self.base64 = fields[1]
        self.comment = comment
    }

    /// Splits a key into its fields: each a 32-bit big-endian length and that many bytes (RFC 4251, section 5, "string").
    private static func fields(of bytes: [UInt8]) -> [ArraySlice<UInt8>]? {
        var fields: [ArraySlice<UInt8>] = []
        var rest = bytes[...]
        while !rest.isEmpty {
            guard rest.count >= 4 else { return nil }
            let length = rest.prefix(4).reduce(0) { $0 << 8 | Int($1) }
            rest = rest.dropFirst(4)
            guard rest.count >= length else { return nil }
            fields.append(rest.prefix(length))
            rest = rest.dropFirst(length)
        }
        return fields
    }

    // MARK: Options

    /// sshd(8), "AUTHORIZED_KEYS FILE FORMAT"; whether each takes a value in quotes.
    private static let knownOptions: [String: Bool] = [
        "agent-forwarding": false, "cert-authority": false, "command": true, "environment": true, "expiry-time": true,
        "from": true, "no-agent-forwarding": false, "no-port-forwarding": false, "no-pty": false,
        "no-touch-required": false, "no-user-rc": false, "no-x11-forwarding": false, "permitlisten": true,
        "permitopen": true, "port-forwarding": false, "principals": true, "pty": false, "restrict": false,
        "tunnel": true, "user-rc": false, "verify-required": false, "x11-forwarding": false,
    ]

    /// Splits a line at the first blank outside of quotes, where it does not begin with a key's type.
    ///
    /// - Throws: `Refusal` for an option that sshd would not know, or quotes that do not end.
    private static func splitOptions(_ line: String, before types: [String]) throws -> (options: String, key: Substring)
    {
        let first = line.prefix { $0 != " " && $0 != "\t" }
        // Without a quote, a comma or a known option's name it is a wrong type of key, and is called that.
        let isOption =
            first.contains("\"") || first.contains(",") || knownOptions[first.lowercased()] != nil
        guard !types.contains(String(first)), isOption else { return ("", line[...]) }
        var quoted = false
        var escaped = false
        var options: [String] = [""]
        var end = line.endIndex
        for index in line.indices {
            let letter = line[index]
            if !quoted, letter == " " || letter == "\t" {
                end = index
                break
            }
            if letter == "\"", !escaped { quoted.toggle() }
            escaped = quoted && letter == "\\" && !escaped
            if letter == ",", !quoted { options.append("") } else { options[options.count - 1].append(letter) }
        }
        guard !quoted else { throw Refusal("the quotes of the key's options do not end") }
        for option in options {
            let parts = option.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let name = (parts.first ?? "").lowercased()
            guard let takesValue = knownOptions[name] else {
                throw Refusal(
                    "unknown option '\(name.prefix(40))' of a key\(didYouMean(name, knownOptions.keys.sorted()))",
                    expected: "options of sshd(8), such as restrict or from=\"192.168.1.*\"")
            }
            let value = parts.count > 1 ? parts[1] : nil
            let hasValue = value.map { $0.count >= 2 && $0.first == "\"" && $0.last == "\"" } ?? false
            guard takesValue ? hasValue : value == nil else {
                throw Refusal(
                    "the option '\(name)' of the key " + (takesValue ? "needs a value in quotes" : "takes no value"),
                    expected: takesValue ? "\(name)=\"…\"" : name)
            }
        }
        return (String(line[..<end]), line[end...].drop { $0 == " " || $0 == "\t" })
    }

    // MARK: Files

    /// The keys of a .pub or authorized_keys file: a key a line, empty lines and comments passed over; or one key in the form that
    /// `ssh-keygen -e` and PuTTY write (RFC 4716).
    static func keys(inFile text: String, named path: String) throws -> [AuthorizedKey] {
        let lines = text.splitLines().map(String.init)
        if text.contains("PRIVATE KEY") { _ = try AuthorizedKey(parsing: "PRIVATE KEY") }
        if lines.first?.hasPrefix("---- BEGIN SSH2 PUBLIC KEY") == true {
            return [try AuthorizedKey(fromRFC4716: lines, named: path)]
        }
        let keys = try lines.filter { !$0.hasPrefix("#") && !$0.allSatisfy(\.isWhitespace) }.map(
            AuthorizedKey.init(parsing:))
        guard !keys.isEmpty else { throw Refusal("'\(path)' has no key in it") }
        return keys
    }

    /// Converts a file of RFC 4716: header lines (`Comment: …`, going on behind a backslash), then base64.
    private init(fromRFC4716 lines: [String], named path: String) throws {
        guard let end = lines.firstIndex(where: { $0.hasPrefix("---- END SSH2 PUBLIC KEY") }) else {
            throw Refusal("'\(path)' was cut off", expected: "a line ---- END SSH2 PUBLIC KEY ----")
        }
        var comment = ""
        var body = ""
        var continues = false
        for line in lines[1..<end] {
            if continues || line.contains(":") {
                if !continues, line.lowercased().hasPrefix("comment:") {
                    comment = line.dropFirst("comment:".count).trimmingCharacters(in: CharacterSet(charactersIn: " \""))
                }
                continues = line.hasSuffix("\\")
            } else {
                body += line.trimmingCharacters(in: .whitespaces)
            }
        }
        guard let bytes = decodeBase64(body), let type = Self.fields(of: bytes)?.first else {
            throw Refusal("the key of '\(path)' is not base64; was it cut off?", expected: "RFC 4716")
        }
        try self.init(parsing: "\(String(decoding: type, as: UTF8.self)) \(body) \(comment)")
    }
}

extension AuthorizedKey {
    /// A list of keys; a file stands for all the keys in it. They are read while the recipe is loaded, so that a recipe's
    /// digest depends on the keys and a bad key is a mistake of the recipe.
    static let listShape = Shape<[[AuthorizedKey]]>.list(
        of: .oneOf(
            "a public key",
            [
                .key(
                    "file", fileShape, "A file of public keys, such as `~/.ssh/id_ed25519.pub`.",
                    make: { $0 }, part: { _ in nil }),
                .scalar(
                    Shape<String>.text("a public key", pattern: "[^\\n]+", limit: 16_384).mapped(
                        { line, _ in [try AuthorizedKey(parsing: line)] }, back: { $0.map(\.line).joined() }
                    ), "A line of a .pub file.", make: { $0 }, part: { $0 }),
            ]), called: "list of public keys (`ssh-ed25519 AAAA… name`) or `{file: …}`", limit: 100
    ).mapped({ groups, _ in groups.flatMap { $0 } }, back: { $0.map { [$0] } })

    private static let fileShape = Shape<HostPath>.existing(.file).mapped(
        { path, _ in
            do {
                return try keys(
                    inFile: try readText(path.path, limit: 64 << 10), named: path.written)
            } catch let failure as Failure {
                throw Refusal(failure.message, expected: failure.expected, next: failure.next)
            }
        }, back: { (_: [AuthorizedKey]) in HostPath(path: "", written: "") })
}
