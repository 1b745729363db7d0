import Diagnostics
import Digests
import Firmware
import Foundation
import Guest
import Synchronization

/// Runs commands over a serial console: each one between two marks that no other output holds, so that messages of
/// the kernel and of services around it do no harm.
package final class SerialShell: RootShell {
    private let console: any Console
    private let machine: String
    private let count = Mutex(0)

    /// A terminal takes lines of up to 4095 bytes (termios(3), canonical mode); emulated UARTs lose less in short ones.
    private static let lineLimit = 768

    private init(_ console: any Console, machine: String) {
        self.console = console
        self.machine = machine
    }

    /// Turns the login shell that has just started into one without prompts and echo, and then into root's.
    ///
    /// - Parameters:
    ///   - password: the user's, for sudo.
    ///   - limit: for each answer.
    /// - Throws: `Failure` when the user may not become root; `ConsoleTimeout`.
    package static func asRoot(
        on console: any Console, user: String, password: String, machine: String, within limit: Duration
    ) async throws -> SerialShell {
        let shell = SerialShell(console, machine: machine)
        try await shell.replaceLoginShell(within: limit)
        if user != "root" { try await shell.becomeRoot(user, password, within: limit) }
        // Kernel and systemd keep to their logs from here on (proc(5), printk; systemd(1), SIGRTMIN+21; dash knows
        // it only by its number).
        _ = try await shell.run("dmesg -n 1; kill -55 1", within: limit)
        return shell
    }

    /// A shell without a line editor, prompts and echo, which says when it is there. One line: what is typed while
    /// programs take the terminal over may be dropped.
    private static func plainShell(_ name: String) -> String {
        "env PS1= PS2= TERM=dumb sh -c 'stty -echo; printf \"%s-%s\\n\" \(name) ready; exec sh'\r"
    }

    private func replaceLoginShell(within limit: Duration) async throws {
        let deadline = ContinuousClock.now + limit
        while true {
            console.send("exec " + Self.plainShell("shell"))
            do {
                _ = try await console.wait(for: ["shell-ready"], within: min(limit, .seconds(30)))
                return
            } catch let error as ConsoleTimeout {
                // The prompt that was seen was none, and nobody read the line.
                if ContinuousClock.now >= deadline { throw error }
            }
        }
    }

    private func becomeRoot(_ user: String, _ password: String, within limit: Duration) async throws {
        console.send("exec sudo -k -S -p 'sudo''-asks' " + Self.plainShell("root"))
        let asked = try await console.wait(for: ["sudo-asks", "root-ready", "not found"], within: limit)
        if asked.index == 1 { return }
        guard asked.index == 0 else {
            throw Failure(at: machine, "sudo is not installed; the proof's checks run as root")
        }
        console.send("\(password)\r")
        let answers = ["root-ready", "is not in the sudoers", "may not run", "sudo-asks"]
        guard try await console.wait(for: answers, within: limit).index == 0 else {
            throw Failure(
                at: machine, "\(user) may not become root with sudo; the proof's checks run as root",
                found: console.lastLines(3).joined(separator: "\n"))
        }
    }

    /// Runs a command whose standard input is empty.
    ///
    /// - Parameter limit: for its start, and again for its end.
    /// - Throws: as `RootShell.run`; `Failure` where a line of it takes more than 768 bytes with its marks, and for a damaged answer.
    package func run(_ command: String, within limit: Duration) async throws -> CommandResult {
        let number = count.withLock { number in
            number += 1
            return number
        }
        let start = "<proof-\(number)>"
        let end = "<proof-\(number):"
        // The marks are put together by printf, so that an echo of the command would not look like them.
        var lines = "printf '<%s-%d>' proof \(number); { \(command)\n} </dev/null 2>&1; "
        lines += "printf '<%s-%d:%d>\\n' proof \(number) $?\r"
        guard lines.splitLines().allSatisfy({ $0.utf8.count <= Self.lineLimit }) else {
            throw Failure(at: machine, "a command is too long for the console's lines", found: command)
        }
        console.send(lines.replacing("\n", with: "\r"))
        _ = try await console.wait(for: [start], within: limit)
        let output = try await console.wait(for: [end], within: limit).before
        let status = try await console.wait(for: [">"], within: limit).before
        guard let status = Int32(status.trimmed) else {
            throw Failure(at: machine, "the console's answer to a command is damaged", found: status)
        }
        return CommandResult(status: status, output: output.replacing("\r", with: "").trimmed)
    }

    /// Sends the bytes as base 64, and compares their SHA-256.
    ///
    /// - Parameters:
    ///   - path: it is not quoted for the shell.
    ///   - limit: for each command; one takes 640 characters of base 64.
    /// - Throws: as ``run(_:within:)``; `Failure` where the file did not arrive whole.
    package func upload(_ bytes: [UInt8], to path: String, within limit: Duration) async throws {
        let text = Data(bytes).base64EncodedString()
        _ = try await run(": > \(path).base64", within: limit)
        var rest = text[...]
        while !rest.isEmpty {
            let piece = rest.prefix(Self.lineLimit - 128)
            rest = rest.dropFirst(piece.count)
            _ = try await run("printf %s '\(piece)' >> \(path).base64", within: limit)
        }
        let done = try await run(
            "base64 -d \(path).base64 > \(path) && rm \(path).base64 && chmod 755 \(path) && sha256sum \(path)",
            within: limit)
        let digest = SHA256Digest.of(bytes).hex
        guard done.status == 0, done.output.contains(digest) else {
            throw Failure(
                at: machine, "the file did not arrive whole over the console", expected: digest, found: done.output)
        }
    }
}
