import Diagnostics
import Prove
import Records
import TestSupport
import Testing

@Suite struct ConsoleLoginTests {
    let login = Credentials.Login(user: "pi", password: "first")

    @Test func expiredPasswordIsChanged() async throws {
        let board = MadeUpBoard(first: "board login: ") { line in
            switch line {
            case "pi\r": "pi\r\nPassword: "
            case "first\r": "\r\nYou are required to change your password immediately.\r\nNew password: "
            case "second\r": "\r\nRetype new password: "
            default: ""
            }
        }
        let console = TwiceAsked(board: board)
        let session = try await ConsoleLogin(console, machine: "raspi4b").logIn(
            as: login, newPassword: "second", within: .seconds(1))
        #expect(session.password == "second")
        #expect(session.changedPassword)
    }

    @Test func validPasswordIsKept() async throws {
        let board = MadeUpBoard { $0 == "pi\r" ? "Password: " : "\r\nLinux board\r\npi@board:~$ " }
        let session = try await ConsoleLogin(board, machine: "virt").logIn(
            as: login, newPassword: "second", within: .seconds(1))
        #expect(session.password == "first")
        #expect(!session.changedPassword)
    }

    @Test func wrongPasswordIsRefused() async {
        let board = MadeUpBoard { $0 == "pi\r" ? "Password: " : "\r\nLogin incorrect\r\nboard login: " }
        let failure = await failure {
            _ = try await ConsoleLogin(board, machine: "virt").logIn(
                as: login, newPassword: "second", within: .seconds(1))
        }
        #expect(
            failure?.description == """
                virt: the login of pi was refused
                  expected: a shell's prompt
                  found:    the last line
                  next:     check the credentials file; a proof never changes the image, so the first password is valid
                """)
    }

    @Test func panicEndsTheWait() async {
        let board = MadeUpBoard(first: "[ 5.0] Kernel panic - not syncing: VFS: Unable to mount root fs") { _ in "" }
        let failure = await failure {
            try await ConsoleLogin(board, machine: "raspi4b").waitForPrompt(within: .seconds(1))
        }
        #expect(failure?.message == "the boot ended before a login prompt")
        #expect(failure?.found == "the last line\nKernel panic - not syncing")
    }
}
