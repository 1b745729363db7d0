import Diagnostics
import Firmware
import Storage
import SystemPackage
import Tools

/// Logs in to a machine with OpenSSH's client, as one user, through a port of the host's loopback address.
struct SSHClient: RootShell {
    let user: String
    let password: String
    let port: UInt16
    /// The private key's file.
    let key: FilePath
    /// A folder for the host keys that were seen, and for the connection that commands share.
    let folder: FilePath
    let machine: String
    var tools = ToolRunner()

    /// Makes a key pair for one proof.
    ///
    /// - Returns: the private key's path and the public half as one line.
    static func makeKey(in folder: FilePath, tools: ToolRunner) async throws -> (path: FilePath, publicKey: String) {
        let path = folder.appending("proof-key")
        try await tools.run(
            .sshKeygen, ["-q", "-t", "ed25519", "-N", "", "-C", "piforge-proof", "-f", path.string], place: "ssh-keygen"
        )
        let line = try readFile(folder.appending("proof-key.pub"), limit: 4096)
        return (path, String(decoding: line, as: UTF8.self).trimmed)
    }

    private var common: [String] {
        [
            "-F", "/dev/null", "-p", "\(port)", "-o", "UserKnownHostsFile=\(folder.string)/known-hosts",
            "-o", "StrictHostKeyChecking=no", "-o", "ConnectTimeout=60", "-o", "LogLevel=ERROR",
        ]
    }

    private var withKey: [String] {
        common + [
            "-i", key.string, "-o", "IdentitiesOnly=yes", "-o", "PreferredAuthentications=publickey", "-o",
            "BatchMode=yes",
        ] + sharing
    }

    /// Commands share one connection: under emulation the key exchange costs more than most commands. A socket's path
    /// has room for about a hundred bytes (unix(7)); where the folder's is longer, each command connects anew.
    private var sharing: [String] {
        let socket = folder.appending("ssh")
        guard socket.string.utf8.count < 80 else { return [] }
        return ["-o", "ControlMaster=auto", "-o", "ControlPath=\(socket)", "-o", "ControlPersist=120"]
    }

    /// Runs a command as the user, with the key.
    func plain(_ command: String, input: [UInt8] = [], within limit: Duration) async throws -> CommandResult {
        let result = try await bounded(limit, "ssh: \(command)") {
            try await tools.result(.ssh, withKey + ["\(user)@127.0.0.1", command], input: input, limit: 16 << 20)
        }
        return CommandResult(status: result.status, output: (result.text + result.errors).trimmed)
    }

    func run(_ command: String, within limit: Duration) async throws -> CommandResult {
        let quoted = command.shellQuoted
        if user == "root" { return try await plain("exec 2>&1; sh -c \(quoted) </dev/null", within: limit) }
        // -k: the password is asked for every time, so it never stays in the command's own input.
        return try await plain(
            "exec 2>&1; sudo -k -S -p '' sh -c \(quoted)", input: Array("\(password)\n".utf8), within: limit)
    }

    func upload(_ bytes: [UInt8], to path: String, within limit: Duration) async throws {
        let result = try await plain("cat > \(path) && chmod 755 \(path)", input: bytes, within: limit)
        guard result.status == 0 else {
            throw Failure(at: machine, "the file did not arrive over SSH", found: result.output)
        }
    }

    /// Tries to log in with the user's valid password and no key.
    ///
    /// - Returns: whether it worked, and what the server said.
    func logInWithPassword(within limit: Duration) async throws -> CommandResult {
        let answer = folder.appending("answer-password")
        if !exists(answer) {
            try writeAtomically(
                to: answer, mode: 0o700, bytes: Array("#!/bin/sh\nprintf '%s\\n' \"$PROOF_PASSWORD\"\n".utf8))
        }
        var asking = tools
        asking.environment["SSH_ASKPASS"] = answer.string
        asking.environment["SSH_ASKPASS_REQUIRE"] = "force"
        asking.environment["PROOF_PASSWORD"] = password
        let runner = asking
        let arguments =
            common + [
                "-o", "PubkeyAuthentication=no", "-o", "PreferredAuthentications=password,keyboard-interactive",
                "-o", "NumberOfPasswordPrompts=1", "\(user)@127.0.0.1", "echo logged in",
            ]
        let result = try await bounded(limit, "ssh with a password") {
            try await runner.result(.ssh, arguments, limit: 1 << 20)
        }
        return CommandResult(status: result.status, output: (result.text + result.errors).trimmed)
    }

    private func bounded<Value: Sendable>(
        _ limit: Duration, _ what: String, _ body: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        try await withThrowingTaskGroup(of: Value?.self) { group in
            group.addTask { try await body() }
            group.addTask {
                try await Task.sleep(for: limit)
                return nil
            }
            defer { group.cancelAll() }
            guard let first = try await group.next(), let value = first else {
                throw Failure(at: machine, "no answer within \(limit.components.seconds) s", found: what)
            }
            return value
        }
    }
}
