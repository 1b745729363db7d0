import Records
import Diagnostics
import Recipe
import Storage
import SystemPackage

/// The secrets of a recipe, read from where it says they are. Only a build needs them; a plan takes those that it can read.
struct Secrets: Sendable {
    /// What opens each account whose password the recipe does not give as a hash, by the user's name.
    private(set) var passwords: [String: String] = [:]
    /// The wireless network's pass phrase; nil for a recipe without one, or with its key.
    private(set) var passphrase: String?
    /// Users whose password was made up in this run, with it.
    private(set) var generated: [(user: String, password: String)] = []
    /// Passwords that were made up in this run or an earlier one.
    private var credentials: Credentials
    /// Why some could not be read, where none is needed, by the step that wants them; something else stands for them then.
    private(set) var missing: [String: String] = [:]

    /// - Parameters:
    ///   - kept: the file with passwords made up by earlier builds; there need be none.
    ///   - environment: the caller's, for `{env: NAME}`.
    ///   - isNeeded: whether one that cannot be read is an error.
    /// - Throws: `Failure` naming the key, and the file or variable that has no secret.
    init(
        opening recipe: Recipe, _ kept: FilePath, _ environment: [String: String], isNeeded: Bool = true
    ) throws {
        let accounts = [("root", recipe.accounts.root.password)] + recipe.accounts.users.map { ($0.name, $0.password) }
        // A password that is no longer made up here must not be taken for the account's.
        let made = accounts.filter { $0.1 == .generate }.map(\.0)
        let credentials: Credentials
        do { credentials = try Credentials.read(kept) } catch let failure as Failure where !isNeeded {
            credentials = Credentials()
            if !made.isEmpty { missing["accounts"] = failure.message }
        }
        self.credentials = Credentials(passwords: credentials.passwords.filter { made.contains($0.key) })
        let places = Places(environment: environment)
        func open(_ place: Place, for key: String, step: String) throws -> String {
            do { return try places.read(place, for: key) } catch let failure as Failure where !isNeeded {
                missing[step] = missing[step] ?? failure.message
                return "not known"
            }
        }
        for (user, source) in accounts {
            switch source {
            case nil, .hash: continue
            case .file(let path):
                passwords[user] = try open(.file(path.path), for: "accounts: \(user)", step: "accounts")
            case .environment(let name):
                passwords[user] = try open(.variable(name), for: "accounts: \(user)", step: "accounts")
            case .generate:
                let isNew = self.credentials.passwords[user] == nil
                guard isNeeded || !isNew else {
                    missing["accounts"] = missing["accounts"] ?? "the build makes up a password"
                    passwords[user] = "not known"
                    continue
                }
                var generator = SystemRandomNumberGenerator()
                let password = self.credentials.password(of: user, using: &generator)
                if isNew { generated.append((user, password)) }
                passwords[user] = password
            }
        }
        switch recipe.system.wifi?.passphrase {
        case nil, .psk: break
        case .file(let path):
            passphrase = try open(.file(path.path), for: "system.wifi.passphrase", step: "network")
        case .environment(let name):
            passphrase = try open(.variable(name), for: "system.wifi.passphrase", step: "network")
        }
    }

    /// Whether there are passwords that were made up.
    var areKept: Bool { !credentials.passwords.isEmpty }

    /// Writes the passwords that were made up, where there are any.
    ///
    /// - Returns: what takes the file away again where it was not there before.
    func keep(at path: FilePath) throws -> () -> Void {
        guard areKept else { return {} }
        let isNew = !exists(path)
        try credentials.write(to: path)
        return { if isNew { removeTree(path) } }
    }

    private enum Place {
        case file(FilePath)
        case variable(String)
    }

    private struct Places {
        let environment: [String: String]

        func read(_ place: Place, for key: String) throws -> String {
            switch place {
            case .file(let path):
                return try secretText(readFile(path, limit: 1 << 16), at: key, from: "the file \(path)")
            case .variable(let name):
                guard let value = environment[name], !value.isEmpty else {
                    throw Failure(
                        .usage, at: key, "the environment variable \(name) is not set",
                        next: "set it in this shell: read -rs \(name) && export \(name)")
                }
                return try secretText(value.utf8, at: key, from: "the environment variable \(name)")
            }
        }
    }
}
