import Diagnostics
import Storage
import SystemPackage
import Tools

/// A key that signs a list of sums.
package struct SigningKey: Sendable, Equatable {
    /// Which program makes the signature.
    package enum Kind: String, CaseIterable, Sendable {
        /// A key of the user's GnuPG, signing as gpg does.
        case openPGP
        /// An SSH key, signing as `ssh-keygen -Y sign` does.
        case ssh

        /// What the signature's name has behind the list's.
        package var suffix: String {
            switch self {
            case .openPGP: ".gpg"
            case .ssh: ".sig"
            }
        }
    }

    /// Told by the text: the path of a file is an SSH key.
    package let kind: Kind
    /// A user ID or fingerprint, or the absolute path of an SSH key.
    package let text: String

    /// - Parameters:
    ///   - text: as the user named the key: the path of an SSH key (a private one, or the public one of a key that the agent has),
    ///     else what gpg knows a key by.
    ///   - path: the text as an absolute path.
    /// - Throws: `Failure` (usage) when it is the path of another file.
    package init(_ text: String, path: FilePath) throws {
        guard exists(path) else {
            guard !text.isEmpty, !text.contains("/"), !text.hasPrefix("-") else {
                throw Failure(
                    .usage, at: "--sign", "there is no such key: '\(text)'",
                    expected: "the path of an SSH key, or a key of gpg's")
            }
            kind = .openPGP
            self.text = text
            return
        }
        let start = String(decoding: (try? readFile(path, limit: 1 << 16))?.prefix(64) ?? [], as: UTF8.self)
        let isPrivate = start.hasPrefix("-----BEGIN ") && start.contains("PRIVATE KEY-----")
        guard isPrivate || ["ssh-", "ecdsa-", "sk-"].contains(where: start.hasPrefix) else {
            throw Failure(
                .usage, at: "--sign", "the file is not an SSH key",
                expected: "a private key, or the public one of an agent's", found: path.string)
        }
        kind = .ssh
        self.text = path.string
    }
}

/// Signs lists of sums. A signature bears its time, and is no part of what is the same in every build.
package struct SumsSigner: Sendable {
    /// What an SSH signature says that it is over (OpenSSH, PROTOCOL.sshsig).
    package static let namespace = "file"

    /// Whether the key is there shows in ``check()``.
    package let key: SigningKey
    private let tools: ToolRunner

    /// - Parameter environment: the caller's: where the keys and their agents are.
    package init(key: SigningKey, environment: [String: String]) {
        self.key = key
        let wanted = [
            "HOME", "GNUPGHOME", "GPG_TTY", "GPG_AGENT_INFO", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS", "DISPLAY",
            "WAYLAND_DISPLAY", "XAUTHORITY", "TERM", "SSH_AUTH_SOCK", "SSH_ASKPASS",
        ]
        var passed = environment.filter { wanted.contains($0.key) }
        // ssh-keygen would wait for a terminal that it does not have.
        passed["SSH_ASKPASS_REQUIRE"] = "force"
        if passed["SSH_ASKPASS"] == nil { passed["SSH_ASKPASS"] = "/bin/false" }
        tools = ToolRunner(environment: passed)
    }

    /// Finds out, before any long work, whether the key is there.
    ///
    /// - Throws: `Failure` (usage) when it is not.
    package func check() async throws {
        switch key.kind {
        case .openPGP:
            let result = try await tools.result(.gpg, ["--batch", "--list-secret-keys", "--", key.text])
            guard result.status == 0 else {
                throw Failure(
                    .usage, at: "--sign", "gpg has no secret key '\(key.text)'", found: Self.lastLine(result.errors),
                    next: "gpg --list-secret-keys")
            }
        case .ssh:
            guard ToolRunner.locate(.sshKeygen) != nil else {
                _ = try await tools.result(.sshKeygen, [])
                return
            }
        }
    }

    /// Signs a list; the signature lies beside it.
    ///
    /// - Returns: the signature's path.
    /// - Throws: `Failure` with what the program said.
    package func sign(_ list: FilePath) async throws -> FilePath {
        let signature = FilePath(list.string + key.kind.suffix)
        let result: ToolResult
        switch key.kind {
        case .openPGP:
            result = try await tools.result(
                .gpg,
                [
                    "--batch", "--no-armor", "--digest-algo", "SHA256", "--local-user", key.text, "--output", "-",
                    "--detach-sign", "--", list.string,
                ])
        case .ssh:
            result = try await tools.result(
                .sshKeygen, ["-Y", "sign", "-q", "-f", key.text, "-n", Self.namespace], input: try readFile(list))
        }
        guard result.status == 0, !result.output.isEmpty else {
            throw Failure(
                at: list.string, "the list of sums could not be signed with \(key.text)",
                found: Self.lastLine(result.errors),
                next: key.kind == .ssh ? "for a key with a pass phrase: ssh-add \(key.text)" : "gpg --list-secret-keys")
        }
        try writeAtomically(to: signature, bytes: result.output)
        return signature
    }

    private static func lastLine(_ text: String) -> String? {
        text.split(whereSeparator: \.isNewline).last.map(String.init)
    }
}
