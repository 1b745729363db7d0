import Diagnostics
import Digests
import Recipe
import Steps
import Storage
import SystemPackage

/// The secrets of a recipe, read from where it says they are.
struct Secrets {
    private let recipe: Recipe
    private let environment: [String: String]
    private(set) var credentials: Credentials
    /// Users whose password was made up in this run, with it.
    private(set) var generated: [(user: String, password: String)] = []
    /// Whether one that cannot be read is an error.
    private let isNeeded: Bool
    /// Why some could not be read, where none is needed, by the step that wants them; something else stands for them then.
    private(set) var missing: [String: String] = [:]

    /// - Parameters:
    ///   - environment: the caller's, for `{env: NAME}`.
    ///   - credentials: passwords made up by earlier builds.
    init(_ recipe: Recipe, environment: [String: String], credentials: Credentials, isNeeded: Bool = true) {
        self.isNeeded = isNeeded
        self.recipe = recipe
        self.environment = environment
        // A password that is no longer made up here must not be taken for the account's.
        let made =
            recipe.accounts.users.filter { $0.password == .generate }.map(\.name)
            + (recipe.accounts.root.password == .generate ? ["root"] : [])
        self.credentials = Credentials(passwords: credentials.passwords.filter { made.contains($0.key) })
    }

    /// The form a password has in the image; a password that is to be made up and is not yet is made up now.
    ///
    /// - Throws: `Failure` naming the user and the file or variable that has no password.
    mutating func password(_ source: Recipe.Password?, of user: String) throws -> UserAccount.Password {
        let plain: String
        switch source {
        case nil: return .locked
        case .hash(let hash): return .hash(hash)
        case .file(let path): plain = try secret(.file(path.path), for: "accounts: \(user)", step: "accounts")
        case .environment(let name): plain = try secret(.variable(name), for: "accounts: \(user)", step: "accounts")
        case .generate:
            let isNew = credentials.passwords[user] == nil
            var generator = SystemRandomNumberGenerator()
            plain = credentials.password(of: user, using: &generator)
            if isNew { generated.append((user, plain)) }
        }
        // Distributions before Debian 11 know no yescrypt, and no stock image says what it knows before it is read.
        return .hash(
            try PasswordHash.make(
                password: plain, user: user, seed: recipe.seed, method: recipe.stock == nil ? .yescrypt : .sha512))
    }

    /// The wireless network with its key.
    ///
    /// - Throws: `Failure` when the pass phrase is missing or is none of 8 to 63 characters (IEEE 802.11-2020, J.4.1).
    mutating func wireless() throws -> WirelessNetwork? {
        guard let wifi = recipe.system.wifi else { return nil }
        let phrase: String
        switch wifi.passphrase {
        case .psk(let key): return WirelessNetwork(country: wifi.country, ssid: wifi.ssid, key: key)
        case .file(let path):
            phrase = try secret(.file(path.path), for: "system.wifi.passphrase", step: "network")
        case .environment(let name):
            phrase = try secret(.variable(name), for: "system.wifi.passphrase", step: "network")
        }
        guard (8...63).contains(phrase.utf8.count) else {
            throw Failure(
                .usage, at: "system.wifi.passphrase", "the pass phrase has a length that WPA does not know",
                expected: "8 to 63 characters", found: "\(phrase.utf8.count)")
        }
        return WirelessNetwork(
            country: wifi.country, ssid: wifi.ssid, key: wirelessKey(passphrase: phrase, ssid: wifi.ssid))
    }

    private enum Place {
        case file(FilePath)
        case variable(String)
    }

    /// Reads a secret, or where none is needed, notes why it cannot be read.
    ///
    /// - Parameters:
    ///   - key: the recipe's key that asks for it.
    ///   - step: the one that wants it.
    private mutating func secret(_ place: Place, for key: String, step: String) throws -> String {
        do { return try read(place, for: key) } catch let failure as Failure where !isNeeded {
            missing[step] = missing[step] ?? failure.message
            return "not known"
        }
    }

    private func read(_ place: Place, for key: String) throws -> String {
        switch place {
        case .file(let path): return try secretText(readFile(path, limit: 1 << 16), at: key, from: "the file \(path)")
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
