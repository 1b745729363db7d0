import Diagnostics
import Storage
import SystemPackage

/// Who may log in on the board's console: the build's `NAME.credentials`, one `user:password` a line.
public struct Credentials: Sendable, Equatable {
    public struct Login: Sendable, Equatable {
        public var user: String
        public var password: String

        public init(user: String, password: String) {
            self.user = user
            self.password = password
        }
    }

    public var logins: [Login]

    public init(_ logins: [Login]) { self.logins = logins }

    /// - Throws: `Failure`, with the line's number but never its text, when a line is no `user:password`.
    public init(parsing text: String, at place: String) throws {
        var logins: [Login] = []
        for (index, line) in text.withoutByteOrderMark.splitLines(keepingEmpty: true).enumerated() {
            if line.allSatisfy(\.isWhitespace) || line.hasPrefix("#") { continue }
            guard let colon = line.firstIndex(of: ":"), colon != line.startIndex,
                line.index(after: colon) != line.endIndex
            else {
                throw Failure(
                    .usage, at: "\(place):\(index + 1)", "the line is no user name and password",
                    expected: "user:password")
            }
            let password = try secretText(
                line[line.index(after: colon)...].utf8, at: "\(place):\(index + 1)", from: "the line")
            logins.append(Login(user: String(line[..<colon]), password: password))
        }
        guard !logins.isEmpty else {
            throw Failure(.usage, at: place, "the credentials name no user", expected: "user:password, one a line")
        }
        self.init(logins)
    }

    /// Reads a credentials file.
    public static func read(_ path: FilePath) throws -> Credentials {
        let bytes = try readFile(path, limit: 1 << 20)
        return try Credentials(parsing: String(decoding: bytes, as: UTF8.self), at: path.string)
    }
}
