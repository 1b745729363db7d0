import Diagnostics
import Storage
import SystemPackage

/// The passwords of an image's accounts: `NAME.credentials` beside it, one `user:password` a line, mode 0600.
///
/// A build writes what it made up, and reads it again: a password that stands in the file stays, so that the same image comes
/// out. `prove` logs in with it.
package struct Credentials: Sendable, Equatable {
    /// A user with the password.
    package struct Login: Sendable, Equatable {
        /// What stands before the line's first colon.
        package var user: String
        /// In plain text: what stands behind that colon. It may hold more of them.
        package var password: String

        package init(user: String, password: String) {
            self.user = user
            self.password = password
        }
    }

    /// In the file's order, each user once.
    package private(set) var logins: [Login] = []

    /// By user name.
    package var passwords: [String: String] {
        Dictionary(logins.map { ($0.user, $0.password) }, uniquingKeysWith: { $1 })
    }

    /// - Parameter logins: of a user's several the last counts.
    package init(_ logins: [Login] = []) {
        for login in logins { set(login) }
    }

    /// - Parameter passwords: by user name; the logins are in the names' order.
    package init(passwords: [String: String]) {
        self.init(passwords.sorted { $0.key < $1.key }.map { Login(user: $0.key, password: $0.value) })
    }

    /// Reads the file's text. Empty lines and those that begin with `#` are passed over.
    ///
    /// - Parameter place: the file, for errors.
    /// - Throws: `Failure`, with the line's number but never its text, when a line is no `user:password`.
    package init(parsing text: String, at place: String) throws {
        for (index, line) in text.withoutByteOrderMark.splitLines(keepingEmpty: true).enumerated() {
            if line.allSatisfy(\.isWhitespace) || line.hasPrefix("#") { continue }
            let place = "\(place):\(index + 1)"
            guard let colon = line.firstIndex(of: ":"), colon != line.startIndex,
                line.index(after: colon) != line.endIndex
            else {
                throw Failure(
                    .usage, at: place, "the line is no user name and password", expected: "user:password",
                    next: "mend the line; where a build made the file, remove it to have new passwords made")
            }
            let password = try secretText(line[line.index(after: colon)...].utf8, at: place, from: "the line")
            set(Login(user: String(line[..<colon]), password: password))
        }
    }

    /// Reads a credentials file of at most 1 MiB; a missing one is empty.
    ///
    /// - Throws: as ``init(parsing:at:)``, and `Failure` when the file cannot be read.
    package static func read(_ path: FilePath) throws -> Credentials {
        guard exists(path) else { return Credentials() }
        return try Credentials(
            parsing: String(decoding: try readFile(path, limit: 1 << 20), as: UTF8.self), at: path.string)
    }

    private mutating func set(_ login: Login) {
        if let index = logins.firstIndex(where: { $0.user == login.user }) {
            logins[index] = login
        } else {
            logins.append(login)
        }
    }

    /// The user's password, made up where there is none yet: four groups of four of 31 letters and digits that are not
    /// mistaken for each other, 79 bits.
    ///
    /// - Parameter generator: where the randomness comes from; the system's own but in tests.
    package mutating func password(
        of user: String, using generator: inout some RandomNumberGenerator
    ) -> String {
        if let known = logins.first(where: { $0.user == user }) { return known.password }
        let alphabet = Array("abcdefghjkmnpqrstuvwxyz23456789")
        let groups = (0..<4).map { _ in
            String((0..<4).map { _ in alphabet[Int.random(in: 0..<alphabet.count, using: &generator)] })
        }
        let password = groups.joined(separator: "-")
        set(Login(user: user, password: password))
        return password
    }

    /// Writes the file, sorted by user, readable by its owner only.
    package func write(to path: FilePath) throws {
        let lines = logins.sorted { $0.user < $1.user }.map { "\($0.user):\($0.password)\n" }
        try writeAtomically(to: path, mode: 0o600, bytes: Array(lines.joined().utf8))
    }
}
