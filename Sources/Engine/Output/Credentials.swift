import Diagnostics
import Storage
import SystemPackage

/// The passwords piforge made up for a recipe's users: `out/NAME.credentials`, one `user:password` a line, mode 0600.
///
/// The file is an input of later builds: a password that stands in it stays, so that the same image comes out again.
public struct Credentials: Sendable, Equatable {
    /// By user name.
    public private(set) var passwords: [String: String]

    public init(passwords: [String: String] = [:]) { self.passwords = passwords }

    /// Reads the file; a missing one is empty.
    ///
    /// - Throws: `Failure` with the line that is not `user:password`.
    public static func read(_ path: FilePath) throws -> Credentials {
        guard exists(path) else { return Credentials() }
        var passwords: [String: String] = [:]
        let text = String(decoding: try readFile(path, limit: 1 << 20), as: UTF8.self)
        for (number, line) in text.withoutByteOrderMark.splitLines(keepingEmpty: true).enumerated() {
            if line.isEmpty || line.hasPrefix("#") { continue }
            guard let colon = line.firstIndex(of: ":"), colon != line.startIndex,
                line.index(after: colon) != line.endIndex
            else {
                throw Failure(
                    .usage, at: "\(path):\(number + 1)", "the line is not user:password",
                    next: "mend the line, or remove the file to have new passwords made")
            }
            passwords[String(line[..<colon])] = try secretText(
                line[line.index(after: colon)...].utf8, at: "\(path):\(number + 1)", from: "the line")
        }
        return Credentials(passwords: passwords)
    }

    /// The user's password, made up where there is none yet: four groups of four of 31 letters and digits that are not
    /// mistaken for each other, 79 bits.
    ///
    /// - Parameter generator: where the randomness comes from; the system's own but in tests.
    public mutating func password(
        of user: String, using generator: inout some RandomNumberGenerator
    ) -> String {
        if let known = passwords[user] { return known }
        let alphabet = Array("abcdefghjkmnpqrstuvwxyz23456789")
        let groups = (0..<4).map { _ in
            String((0..<4).map { _ in alphabet[Int.random(in: 0..<alphabet.count, using: &generator)] })
        }
        let password = groups.joined(separator: "-")
        passwords[user] = password
        return password
    }

    /// Writes the file, readable by its owner only.
    public func write(to path: FilePath) throws {
        let lines = passwords.sorted { $0.key < $1.key }.map { "\($0.key):\($0.value)\n" }
        try writeAtomically(to: path, mode: 0o600, bytes: Array(lines.joined().utf8))
    }
}
