import Diagnostics
import Prove
import Synchronization
import TestSupport
import Testing

/// What was waited for is not in the board's script.
struct NothingCame: Error {}

/// A board that is made up: it answers what is sent with a script of its own, between other messages.
final class MadeUpBoard: Console {
    private struct State {
        var unread = ""
        var sent: [String] = []
    }

    private let state = Mutex(State())
    private let answer: @Sendable (String) -> String

    init(first: String = "", _ answer: @escaping @Sendable (String) -> String) {
        self.answer = answer
        state.withLock { $0.unread = first }
    }

    var sent: [String] { state.withLock { $0.sent } }

    func send(_ text: String) {
        state.withLock { state in
            state.sent.append(text)
            state.unread += answer(text)
        }
    }

    func wait(for texts: [String], within limit: Duration) async throws -> (index: Int, before: String) {
        try state.withLock { state in
            let found = texts.enumerated().compactMap { index, text in
                state.unread.range(of: text).map { (index: index, range: $0) }
            }
            guard let first = found.min(by: { $0.range.lowerBound < $1.range.lowerBound }) else {
                throw NothingCame()
            }
            let before = String(state.unread[..<first.range.lowerBound])
            state.unread.removeSubrange(..<first.range.upperBound)
            return (first.index, before)
        }
    }

    func lastLines(_ count: Int) -> [String] { ["the last line"] }
}

/// A root shell's answers: `outputs` by the command, framed as the shell on the board does.
func answers(_ outputs: @escaping @Sendable (String) -> (String, Int)) -> @Sendable (String) -> String {
    { line in
        if line.hasPrefix("exec sudo") { return "sudo-asks" }
        if line.contains("shell ready") { return "pi@board:~$ shell-ready\r\n" }
        if line == "secret\r" { return "\r\nroot-ready\r\n" }
        guard line.hasPrefix("printf '<%s-%d>' proof "), let open = line.range(of: "; { "),
            let close = line.range(of: "\r} </dev/null")
        else { return "" }
        let number = line.dropFirst("printf '<%s-%d>' proof ".count).prefix { $0.isNumber }
        let (output, status) = outputs(String(line[open.upperBound..<close.lowerBound]))
        return "[ 12.3] audit: noise\r\n<proof-\(number)>\(output)<proof-\(number):\(status)>\r\n"
    }
}

@Suite struct SerialShellTests {
    @Test func outputAndStatusComeFromBetweenTheMarks() async throws {
        let board = MadeUpBoard(answers { $0 == "uname -r" ? ("6.12\r\n", 0) : ("sh: no\r\n", 127) })
        let shell = try await SerialShell.asRoot(
            on: board, user: "pi", password: "secret", machine: "raspi4b", within: .seconds(1))
        #expect(try await shell.run("uname -r", within: .seconds(1)) == CommandResult(status: 0, output: "6.12"))
        #expect(try await shell.run("nothing", within: .seconds(1)) == CommandResult(status: 127, output: "sh: no"))
        #expect(board.sent.contains("secret\r"))
    }

    @Test func refusedSudoIsNamed() async {
        let board = MadeUpBoard { line in
            if line.hasPrefix("exec sudo") { return "sudo-asks" }
            if line.contains("shell ready") { return "shell-ready\r\n" }
            return line == "secret\r" ? "pi is not in the sudoers file.\r\n" : ""
        }
        let failure = await failure {
            _ = try await SerialShell.asRoot(
                on: board, user: "pi", password: "secret", machine: "virt", within: .seconds(1))
        }
        #expect(
            failure?.description == """
                virt: pi may not become root with sudo; the proof's checks run as root
                  found:    the last line
                """)
    }

    @Test func uploadArrivesWholeOrIsRefused() async throws {
        let board = MadeUpBoard(answers { $0.contains("sha256sum") ? ("0123  /var/tmp/x", 0) : ("", 0) })
        let shell = try await SerialShell.asRoot(
            on: board, user: "root", password: "", machine: "raspi4b", within: .seconds(1))
        let failure = await failure {
            try await shell.upload([UInt8](repeating: 1, count: 3000), to: "/var/tmp/x", within: .seconds(1))
        }
        #expect(failure?.message == "the file did not arrive whole over the console")
        #expect(board.sent.allSatisfy { $0.split(separator: "\r").allSatisfy { $0.utf8.count <= 768 } })
    }
}

/// A board on which the second answer to the question for a new password opens the shell.
struct TwiceAsked: Console {
    let board: MadeUpBoard

    func send(_ text: String) {
        let again = text == "second\r" && board.sent.contains("second\r")
        board.send(again ? "done\r" : text)
    }

    func wait(for texts: [String], within limit: Duration) async throws -> (index: Int, before: String) {
        if board.sent.last == "done\r", let prompt = texts.firstIndex(of: "$ ") { return (prompt, "") }
        return try await board.wait(for: texts, within: limit)
    }

    func lastLines(_ count: Int) -> [String] { board.lastLines(count) }
}
