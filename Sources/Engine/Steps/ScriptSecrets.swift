import Records
import Diagnostics
import Guest
import Layers
import Recipe

/// What becomes of the secrets that packages' scripts made.
package struct ScriptSecrets {
    /// Left out of the image, and made by the board.
    package var left: [MadeSecret] = []
    /// In the image by the recipe's word.
    package var kept: [MadeSecret] = []
    /// Left out by the recipe's word, with nobody known who makes them.
    package var unmade: [MadeSecret] = []

    /// - Parameter choices: the recipe's `secrets`.
    /// - Throws: a `Failure` for each secret that nobody has decided on, or a choice for what is none.
    package init(_ secrets: [MadeSecret], choices: [String: Recipe.SecretChoice]) throws {
        var failures: [Failure] = []
        for secret in secrets {
            switch (choices["/\(secret.path)"], secret.means) {
            case (.keep, _): kept.append(secret)
            case (_, .some): left.append(secret)
            case (.firstBoot, nil): unmade.append(secret)
            case (nil, nil): failures.append(Self.undecided(secret))
            }
        }
        let known = Set(secrets.map { "/\($0.path)" })
        for path in choices.keys.sorted() where !known.contains(path) {
            failures.append(
                Failure(
                    .usage, at: "secrets: \(path)", "no package's script made a secret there",
                    expected: known.isEmpty
                        ? "no choice: the scripts made no secret" : known.sorted().joined(separator: ", "),
                    next: "take it out of secrets"))
        }
        if failures.count == 1 { throw failures[0] }
        if !failures.isEmpty { throw FailureList(failures) }
    }

    private static func undecided(_ secret: MadeSecret) -> Failure {
        let package = secret.package.map { "a script of \($0)" } ?? "a package's script"
        return Failure(
            .usage, at: "/\(secret.path)", "\(package) made \(secret.what), which every board would share",
            expected: "a secret that the package makes again at the board's first boot",
            found: "run again, its script does not make it",
            next:
                "decide in the recipe: secrets: {/\(secret.path): first_boot} leaves it out for something on the board to make, "
                + "keep puts it into every image")
    }

    /// For the manifest, by path.
    package var records: [Manifest.Secret] {
        func record(_ secret: MadeSecret, kept: Bool, made: Bool) -> Manifest.Secret {
            Manifest.Secret(path: "/\(secret.path)", package: secret.package, isKept: kept, isMadeAtFirstBoot: made)
        }
        return
            (left.map { record($0, kept: false, made: true) } + kept.map { record($0, kept: true, made: false) }
            + unmade.map { record($0, kept: false, made: false) }).sorted { $0.path < $1.path }
    }
}
