import Records
import Diagnostics
import Guest

/// Logs in at the prompt of agetty and login(1), and through the change of an expired password that pam_unix asks for.
package struct ConsoleLogin: Sendable {
    /// What the login ended with.
    package struct Session: Sendable, Equatable {
        /// The password that is valid now.
        package var password: String
        /// Whether another password was asked for.
        package var changedPassword: Bool
    }

    let console: any Console
    let machine: String

    package init(_ console: any Console, machine: String) {
        self.console = console
        self.machine = machine
    }

    /// Waits for the login prompt, from power-on.
    ///
    /// - Throws: `Failure` for a kernel panic or a dropped boot; `ConsoleTimeout`.
    package func waitForPrompt(within limit: Duration) async throws {
        let ends = [
            "login: ", "Kernel panic - not syncing", "You are in emergency mode", "Cannot open access to console",
            "(initramfs)",
        ]
        let match = try await console.wait(for: ends, within: limit)
        guard match.index == 0 else {
            throw Failure(
                at: machine, "the boot ended before a login prompt", expected: "login:",
                found: (console.lastLines(15) + [ends[match.index]]).joined(separator: "\n"))
        }
    }

    /// Logs in; the prompt has been seen.
    ///
    /// - Parameters:
    ///   - newPassword: what an expired password is changed to.
    ///   - limit: for each answer of the system.
    /// - Throws: `Failure` when the password is refused, or the new one; `ConsoleTimeout`.
    package func logIn(
        as login: Credentials.Login, newPassword: String, within limit: Duration
    ) async throws -> Session {
        console.send(login.user + "\r")
        var session = Session(password: login.password, changedPassword: false)
        for _ in 0..<12 {
            let match = try await console.wait(for: Self.turns.map(\.text), within: limit)
            switch Self.turns[match.index].meaning {
            case .asksForNew:
                console.send(newPassword + "\r")
                session = Session(password: newPassword, changedPassword: true)
            case .asksForOld: console.send(login.password + "\r")
            case .refused:
                throw Failure(
                    at: machine, "the login of \(login.user) was refused", expected: "a shell's prompt",
                    found: console.lastLines(4).joined(separator: "\n"),
                    next: "check the credentials file; a proof never changes the image, so the first password is valid")
            // A "$ " inside the message of the day is no prompt; the shell's answer to a command decides.
            case .prompt: return session
            }
        }
        throw Failure(
            at: machine, "the login of \(login.user) goes round in circles",
            found: console.lastLines(6).joined(separator: "\n"))
    }

    private enum Meaning { case asksForNew, asksForOld, refused, prompt }

    /// What the system may say, whichever comes first: PAM's questions differ between versions.
    private static let turns: [(text: String, meaning: Meaning)] = [
        ("New password:", .asksForNew), ("Retype new password:", .asksForNew), ("new UNIX password:", .asksForNew),
        ("Current password:", .asksForOld), ("(current) UNIX password:", .asksForOld), ("Password:", .asksForOld),
        ("Login incorrect", .refused), ("Authentication token manipulation error", .refused),
        ("Maximum number of tries", .refused), ("BAD PASSWORD", .refused), ("You must choose", .refused),
        ("$ ", .prompt), ("# ", .prompt),
    ]
}
