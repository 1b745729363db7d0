import Debian
import Foundation
import Recipe
import Steps

/// A source of the recipe with its keyring at hand.
struct OpenedSource {
    var source: Recipe.PackageSource
    /// nil: Debian's own.
    var keyring: InputFetcher.Fetched?
}

extension Recipe {
    /// The recipe's sources: those that it names, or Debian's where others are added; then the added ones, Docker's own among them where
    /// the recipe takes Docker from there. Empty where Debian's are all.
    var allSources: [PackageSource] {
        let added = packages.extraSources + (docker.origin == .docker ? [dockerSource] : [])
        guard packages.sources.isEmpty, !added.isEmpty else { return packages.sources + added }
        // What suites and components say, as a source.
        var debian = PackageSource()
        debian.name = "debian"
        debian.suites = packages.suites
        debian.components = packages.components
        debian.keyring = .file(packages.keyring)
        return [debian] + added
    }

    /// Docker's archive has a suite for each release of a distribution, by its code name.
    private var dockerSource: PackageSource {
        var source = PackageSource()
        source.name = "docker"
        switch base {
        case .debian(let suite):
            source.uris = ["https://download.docker.com/linux/debian"]
            source.suites = [suite]
        case .image:
            let isDebian = packages.sources.first?.uris.isEmpty ?? false
            source.uris = ["https://download.docker.com/linux/\(isDebian ? "debian" : "ubuntu")"]
            source.suites = [packages.sources.first?.suites.first ?? ""]
        }
        source.components = ["stable"]
        source.keyring = .url(
            "\(source.uris[0])/gpg", keys: ["9DC858229FC7DD38854AE2D88D81803C0EBFCD88"])
        return source
    }

    /// The packages of Docker that `docker.from` stands for.
    ///
    /// Where the kernel has AppArmor, the engine starts no container without its parser; the package only recommends it.
    var dockerPackages: [String] {
        switch docker.origin {
        case nil: []
        case .distribution?:
            // Debian 13 has the client in a package of its own.
            ["docker.io", "iptables", "apparmor"]
                + ([.debian(suite: "bullseye"), .debian(suite: "bookworm")].contains(base) || stock != nil
                    ? [] : ["docker-cli"])
        case .docker?: ["docker-ce", "docker-ce-cli", "containerd.io", "iptables", "apparmor"]
        }
    }

    /// apt_preferences(5) of the recipe's pins, and of what is taken from each source.
    var preferencesText: String {
        var stanzas = packages.preferences.map { ($0.package, $0.pin, $0.priority) }
        let sources = allSources
        for source in sources where !source.only.isEmpty {
            let others = Set(sources.filter { $0.name != source.name }.flatMap(\.suites))
            for pin in source.pins(besides: others) {
                stanzas.append((source.only.joined(separator: " "), pin, 990))
                stanzas.append(("*", pin, -10))
            }
        }
        return stanzas.map { "Package: \($0)\nPin: \($1)\nPin-Priority: \($2)\n" }.joined(separator: "\n")
    }
}

extension Recipe.PackageSource {
    /// What apt's pins know the source's packages by (apt_preferences(5), "DETERMINATION OF PACKAGE VERSION AND DISTRIBUTION PROPERTIES").
    ///
    /// A bare name is a release's suite or its code name: Debian's bookworm-updates is a code name, and Ubuntu's bionic-updates a suite.
    /// Where that is no name (a path) or another source's, too, the archive's host tells them apart; a folder of this machine has the
    /// empty one.
    ///
    /// - Parameter others: the suites of the other sources.
    fileprivate func pins(besides others: Set<String>) -> [String] {
        let isNamed = suites.allSatisfy { !$0.contains("/") && !others.contains($0) }
        guard !isNamed, let uri = uris.first else { return suites.map { "release \($0)" } }
        guard !Self.isLocal(uri), let host = URL(string: uri)?.host() else { return ["origin \"\""] }
        return ["origin \"\(host)\""]
    }
}
