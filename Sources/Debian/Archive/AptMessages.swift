import Diagnostics

/// Turns what apt-get prints into errors of one shape.
///
/// The texts are those of apt 2.6 to 3.0 in the C locale (apt-pkg/acquire-item.cc, methods/gpgv.cc,
/// methods/connect.cc, apt-pkg/algorithms.cc). What is not recognised is shown as apt says it.
enum AptMessages {
    /// Why `apt-get update` failed.
    static func updateFailure(_ result: String, mirrors: ArchiveMirrors) -> Failure {
        let lines = result.splitLines().map(String.init)
        func line(_ texts: String...) -> String? {
            // Each text in turn: the first is the most telling.
            for text in texts { if let hit = lines.first(where: { $0.contains(text) }) { return hit } }
            return nil
        }
        let otherMirror = "name another mirror with --mirror URL (or --security-mirror URL)"
        func failure(_ line: String, _ message: String, expected: String? = nil, next: String) -> Failure {
            Failure(at: place(line, mirrors), message, expected: expected, found: tidy(line), next: next)
        }
        if let line = line("NO_PUBKEY", "Missing key") {
            return failure(
                line, "the archive's signature is by a key that is not in the keyring",
                expected: "a signature by a key of the keyring",
                next: "sudo apt-get install --only-upgrade debian-archive-keyring, or " + otherMirror)
        }
        if let line = line("EXPKEYSIG", "EXPSIG", "REVKEYSIG") {
            return failure(
                line, "the archive's signature is by a key that has expired or was revoked",
                next: "sudo apt-get install --only-upgrade debian-archive-keyring, or " + otherMirror)
        }
        if let line = line("BADSIG", "signatures were invalid", "bad signature", "Bad signature") {
            return failure(line, "the archive's signature is wrong", next: otherMirror)
        }
        if let line = line("is expired (invalid since") {
            return failure(
                line, "the archive's Release file has expired", next: "check this machine's clock, or " + otherMirror)
        }
        if let line = line("is not valid yet") {
            return failure(
                line, "the archive's Release file is not valid yet",
                next: "check this machine's clock, or " + otherMirror)
        }
        if let line = line("Could not resolve", "Temporary failure resolving", "Something wicked happened resolving") {
            return failure(
                line, "the mirror's host name could not be resolved",
                next: "check the network connection, or build from what is stored with --offline")
        }
        if let line = line(
            "Could not connect", "Unable to connect", "Connection failed", "Connection timed out", "Connection refused")
        {
            return failure(line, "the mirror could not be reached", next: "try again later, or " + otherMirror)
        }
        if let line = line("Hash Sum mismatch", "unexpected size") {
            return failure(
                line, "an index does not match the signed Release file",
                next: "the mirror may be in the middle of an update: try again later, or " + otherMirror)
        }
        if let line = line("Clearsigned file isn't valid") {
            return failure(
                line, "the answer is not an archive's InRelease file",
                next: "log in where the network asks for it, or " + otherMirror)
        }
        if let line = line("doesn't have the component") {
            return failure(
                line, "the archive has no such component", next: "correct the recipe's packages.components")
        }
        if let line = line("doesn't support architecture") {
            return failure(line, "the archive has no packages for this architecture", next: otherMirror)
        }
        if let line = line("does not have a Release file") {
            // A flat archive's suite ends in a slash; `/` itself is shown as nothing.
            if line.contains("/ Release'") || line.contains("  Release'") {
                return failure(
                    line, "the flat archive has no signed Release file", expected: "InRelease beside its Packages",
                    next: "make and sign it (apt-ftparchive release, gpg --clearsign), or correct uris and suites")
            }
            return failure(
                line, "the mirror does not have this suite", next: "correct the suite's name, or " + otherMirror)
        }
        if let line = line("is not signed") {
            return failure(line, "the archive is not signed", next: otherMirror)
        }
        if let line = line("No space left on device") {
            return failure(line, "the disk is full", next: "free space, or choose another folder with --cache")
        }
        return Failure(
            at: "apt-get update", "the package indices could not be updated", found: errors(lines), next: otherMirror)
    }

    /// Whether a successful update still left out something that was asked for.
    static func isIncomplete(_ result: String) -> Bool {
        result.contains("doesn't have the component") || result.contains("doesn't support architecture")
    }

    /// Why `apt-get install` found no solution.
    static func solveFailure(_ result: String) -> Failure {
        let lines = result.splitLines().map(String.init)
        if let line = lines.first(where: { $0.contains("preferences file") }) {
            let reason = line.split(separator: ",").last.map { $0.drop { $0 == " " } } ?? ""
            return Failure(
                .usage, at: "packages.preferences", "apt does not understand the preferences: \(reason)",
                next: "correct them as apt_preferences(5) has it")
        }
        let heads = ["The following packages have unmet dependencies:", "Unsatisfied dependencies:"]
        if let start = lines.firstIndex(where: { heads.contains($0) }) {
            let reasons = lines[(start + 1)...].prefix { $0.hasPrefix(" ") }.map { line in
                line.split(separator: " ").joined(separator: " ")
            }
            return Failure(
                at: "packages", "the packages cannot be installed together",
                expected: "dependencies that can all be met",
                found: reasons.prefix(12).joined(separator: "\n            "),
                next: "take one of them out of the recipe's packages, or correct packages.preferences")
        }
        if let line = lines.first(where: { $0.hasSuffix("has no installation candidate") }) {
            let name = line.split(separator: "'").dropFirst().first.map(String.init) ?? "packages"
            let providers = lines.drop { !$0.contains("is a virtual package provided by:") }.dropFirst()
                .prefix { $0.hasPrefix("  ") }.compactMap { $0.split(separator: " ").first }
            guard providers.isEmpty else {
                return Failure(
                    .usage, at: name, "this is a virtual package that several packages provide",
                    found: providers.sorted().joined(separator: ", "), next: "name one of them in the recipe's packages"
                )
            }
            return Failure(
                .usage, at: name, "the package has no version that may be installed",
                next: "correct the recipe's packages.preferences, which rule it out")
        }
        return Failure(
            at: "apt-get install", "apt found no solution", found: errors(lines), next: "change the recipe's packages")
    }

    /// apt's own errors, without its marks.
    private static func errors(_ lines: [String]) -> String {
        let errors = lines.filter { $0.hasPrefix("E: ") || $0.hasPrefix("Error: ") || $0.hasPrefix("Err:") }
        return (errors.isEmpty ? lines : errors).suffix(8).map(tidy).joined(separator: "\n            ")
    }

    private static func tidy(_ line: String) -> String {
        var line = line.drop { $0 == " " }
        for mark in ["E: ", "W: ", "Error: ", "Warning: ", "Err:"] where line.hasPrefix(mark) {
            line = line.dropFirst(mark.count)
        }
        return String(line)
    }

    /// The first URI in a line; the first mirror's where there is none.
    private static func place(_ line: String, _ mirrors: ArchiveMirrors) -> String {
        for word in line.split(whereSeparator: { " '".contains($0) }) {
            if ArchiveMirrors.schemes.contains(where: { word.hasPrefix($0) }) {
                return word.hasSuffix(":") ? String(word.dropLast()) : String(word)
            }
        }
        return mirrors.debian.first ?? "apt-get update"
    }
}
