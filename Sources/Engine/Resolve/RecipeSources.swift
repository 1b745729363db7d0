import Debian
import Diagnostics
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

    /// What a source's Release files are signed with; nil for Debian's own keyring on this machine.
    func keyring(of source: PackageSource) -> Keyring? {
        // A stock image need not have Debian's keys, and those of this machine must not decide its bytes.
        source.keyring ?? (stock != nil && source.onBoard ? Keyring.package("debian-archive-keyring") : nil)
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
}

/// Whose apt reads the pins.
enum PinReader {
    /// The one that chooses the image's packages.
    case build
    /// The board's own, which has not all sources, and not by the same URIs.
    case board
}

/// What tells apt which packages come from which source.
struct SourcePins {
    /// apt_preferences(5): the recipe's own pins, then those of each source's `only`.
    var text = ""
    /// What each source with `only` is known by, by its name.
    var bySource: [String: [ArchivePin]] = [:]
}

extension Recipe {
    /// The recipe's pins, and what keeps each source to its `only`.
    ///
    /// - Parameter mirrors: where Debian's own packages come from for that apt; asked for only where a source has `only`.
    /// - Throws: `Failure` for a source with `only` that apt cannot tell from another one.
    func sourcePins(for reader: PinReader, mirrors: @autoclosure () throws -> ArchiveMirrors) throws -> SourcePins {
        var stanzas = packages.preferences.map { ($0.package, $0.pin, $0.priority) }
        var pins = SourcePins()
        let mirrors = try hasLimitedSources ? mirrors() : nil
        let sources = allSources.compactMap { source in mirrors.flatMap { PinnedSource(source, for: reader, $0) } }
        for source in sources where !source.only.isEmpty {
            let own = try source.pins(besides: sources.filter { $0.name != source.name }, for: reader)
            pins.bySource[source.name] = own
            for pin in own.flatMap(\.texts) {
                stanzas.append((source.only.joined(separator: " "), pin, 990))
                stanzas.append(("*", pin, -10))
            }
        }
        pins.text = stanzas.map { "Package: \($0)\nPin: \($1)\nPin-Priority: \($2)\n" }.joined(separator: "\n")
        return pins
    }

    private var hasLimitedSources: Bool { allSources.contains { !$0.only.isEmpty } }

    /// What of the preferences is the recipe's own, for the request, which must not hang on a machine's mirrors; nil where all of them are.
    var preferencesKey: String? {
        guard hasLimitedSources else { return nil }
        let own = packages.preferences.map { "\($0.package): \($0.pin): \($0.priority)" }
        let limits = allSources.filter { !$0.only.isEmpty }.map { "only \($0.name): \($0.only.joined(separator: " "))" }
        return (own + limits).joined(separator: "\n")
    }
}

/// A source as one apt sees it.
private struct PinnedSource {
    var name: String
    var suites: [String]
    var only: [String]
    /// Of the URI that is used, in lower case, as apt compares it; nil for Debian's mirrors, which differ from machine to machine.
    var host: String?
    /// All that its packages come from.
    var hosts: Set<String>

    /// nil for a source that this apt does not get.
    init?(_ source: Recipe.PackageSource, for reader: PinReader, _ mirrors: ArchiveMirrors) {
        var uris = source.uris
        if reader == .board {
            guard source.onBoard else { return nil }
            uris = source.boardURIs
            guard source.uris.isEmpty || !uris.isEmpty else { return nil }
        }
        name = source.name
        suites = source.suites
        only = source.only
        // Each apt gets the first URI alone.
        host = uris.first.flatMap { Recipe.PackageSource.host(of: $0)?.lowercased() }
        let debian = [mirrors.debian.first, mirrors.security.first].compactMap(\.self)
        hosts =
            source.uris.isEmpty
            ? Set(debian.compactMap { Recipe.PackageSource.host(of: $0)?.lowercased() })
            : Set([host].compactMap(\.self))
    }

    /// What the source's packages alone are known by.
    ///
    /// The host is certain before any index is read. A suite's name is what the Release file says of itself: it serves for Debian's
    /// mirrors, and where another source has the same host; the solver holds it against the Release files (``PackageRequest/pins``).
    func pins(besides others: [PinnedSource], for reader: PinReader) throws -> [ArchivePin] {
        let sameHost = host.flatMap { host in others.first { $0.hosts.contains(host) } }
        if let host, sameHost == nil { return [.origin(host)] }
        let names = Set(suites.map { $0.lowercased() })
        let sameSuite = others.first { !names.isDisjoint(with: $0.suites.map { $0.lowercased() }) }
        // Debian's releases are called so, too, whichever it is at the time.
        let isAnyones =
            host != nil && names.contains { name in Self.moving.contains { name == $0 || name.hasPrefix("\($0)-") } }
        if sameSuite == nil, !isAnyones, !suites.contains(where: { $0.contains("/") }) {
            return suites.map { .release($0) }
        }
        let other = sameHost ?? sameSuite
        throw ArchivePin.refusal(
            of: name,
            "\(reader == .board ? "the board's apt" : "apt") cannot tell the source's packages from those of "
                + "\(other.map { "'\($0.name)'" } ?? "Debian's mirrors")",
            expected: isAnyones
                ? "a host that no other source has, or suites that are not called as Debian's are (stable, testing and so on)"
                : "a host that no other source has, or suites with names of their own",
            found: host.map { $0.isEmpty ? "both are folders of this machine" : "both come from \($0)" }
                ?? suites.joined(separator: ", "), isOfBoard: reader == .board)
    }

    private static let moving = ["oldoldstable", "oldstable", "stable", "testing", "unstable", "experimental"]
}
