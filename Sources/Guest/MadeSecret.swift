import Diagnostics
import Foundation
import Layers
import Packages

/// A secret that a maintainer script made: of its kind no two boards may have the same one, and no image may hold one.
package struct MadeSecret: Sendable, Equatable, Codable {
    /// How a package's postinst makes it when it is missing (Debian Policy 6.5).
    package enum Means: String, Sendable, Codable {
        /// `postinst configure VERSION`, as after an upgrade.
        case again
        /// `postinst configure`, as on a first installation.
        case fresh
    }

    /// Where it lies, without a leading slash.
    package var path: String
    /// In a few words: `a private key (PEM)`.
    package var what: String
    /// The package whose script made it; nil where that is not known.
    package var package: String?
    /// Its version, for the postinst.
    package var version: String
    /// The package as dpkg names its scripts: with its architecture for `Multi-Arch: same`.
    package var qualified: String
    /// The package's architecture; empty where the package is not known.
    package var architecture: String
    /// The package's own means of making it; nil where it has none, as it was tried.
    package var means: Means?
    /// What belongs to it and is of no use without it: certificates, public keys, links to them.
    package var companions: [String]

    package init(
        path: String, what: String, package: String?, version: String, qualified: String, architecture: String,
        means: Means?, companions: [String]
    ) {
        self.path = path
        self.what = what
        self.package = package
        self.version = version
        self.qualified = qualified
        self.architecture = architecture
        self.means = means
        self.companions = companions
    }
}

/// Finds the secrets among what maintainer scripts changed.
struct SecretFinder {
    /// All that changed, with the times at which it did, and before any rule.
    let changes: Layer
    /// What was there before.
    let tree: Tree
    let packages: [PackageIdentity]
    /// The runs of postinst scripts.
    private let runs: [Run]
    private let after: Tree

    /// When a package's script ran, by the guest's clock, in seconds.
    private struct Run {
        let package: String
        let seconds: ClosedRange<Int64>
    }

    /// - Throws: `Failure` when dpkg's log cannot be read.
    init(_ changes: Layer, over tree: Tree, packages: [PackageIdentity]) throws {
        self.changes = changes
        self.tree = tree
        self.packages = packages
        var after = tree
        try after.apply(changes)
        self.after = after
        let log = try after.content("var/log/dpkg.log").map { try ContentReader().text(of: $0, limit: 64 << 20) }
        runs = Self.runs(in: log ?? "")
    }

    /// The secrets, in the order of their paths, each with who may have made it, the likeliest first.
    ///
    /// - Throws: `Failure` when a file cannot be read.
    func find() throws -> [(secret: MadeSecret, makers: [PackageIdentity])] {
        let reader = ContentReader()
        var found: [(entry: Entry, what: String)] = []
        var halves: [Entry] = []
        for entry in changes.entries {
            guard case .regular(let content) = entry.kind, content.size > 0, isMade(entry, content) else { continue }
            let bytes = try reader.bytes(of: content, prefix: SecretContent.limit)
            switch SecretContent(bytes, isReadableByAll: isReadableByAll(entry)) {
            case .privateKey(let form): found.append((entry, "a private key (\(form))"))
            case .randomSecret: found.append((entry, "a random secret"))
            case .publicHalf: halves.append(entry)
            case nil: break
            }
        }
        return found.map { entry, what in
            let makers = self.makers(of: entry)
            // By the likeliest maker: others may have run in the same second.
            let maker = makers.first?.name
            let along = halves.filter { maker != nil && self.makers(of: $0).first?.name == maker }.map(\.path)
            let gone = Set(along + [entry.path])
            let links = changes.entries.compactMap { link -> EntryPath? in
                guard case .symlink = link.kind, let end = after.resolve(link.path), gone.contains(end) else {
                    return nil
                }
                return link.path
            }
            let secret = MadeSecret(
                path: Self.text(entry.path), what: what, package: makers.first?.name,
                version: makers.first?.version ?? "", qualified: makers.first?.name ?? "",
                architecture: makers.first?.architecture ?? "", means: nil,
                companions: (along + links).map(Self.text))
            return (secret, makers)
        }
    }

    static func text(_ path: EntryPath) -> String { String(path.description.drop { $0 == "/" }) }

    /// Whether a script made the file, and no rule takes it out of the image already. What a package brought and a script wrote anew is made,
    /// too; a script that only changes its owner makes nothing.
    private func isMade(_ entry: Entry, _ content: Content) -> Bool {
        guard !NormalisationRule.all.contains(where: { $0.matches(entry.path, entry.kind) }) else { return false }
        return tree.content(entry.path)?.digest != content.digest
    }

    /// Whether anybody may read the file, all folders on the way considered.
    private func isReadableByAll(_ entry: Entry) -> Bool {
        var folder = entry.path.parent
        while let path = folder, !path.isRoot {
            guard let mode = after[path]?.attributes.mode, mode & 0o001 != 0 else { return false }
            folder = path.parent
        }
        return entry.attributes.mode & 0o004 != 0
    }

    /// The packages whose scripts ran when the file was written; those whose scripts name it, or its folder, come first.
    private func makers(of entry: Entry) -> [PackageIdentity] {
        let time = entry.attributes.mtime.seconds
        let names = Set(runs.filter { $0.seconds.contains(time) }.map(\.package))
        let candidates = packages.filter { names.contains($0.name) }
        let path = Self.text(entry.path)
        let folder = entry.path.parent.flatMap { $0.components.count > 1 ? Self.text($0) : nil }
        func distance(_ package: PackageIdentity) -> Int {
            let script = script(of: package)
            return script.contains(path) ? 0 : folder.map(script.contains) ?? false ? 1 : 2
        }
        return candidates.enumerated().map { (rank: distance($0.element), index: $0.offset, package: $0.element) }
            .sorted { ($0.rank, $0.index) < ($1.rank, $1.index) }.map(\.package)
    }

    private func script(of package: PackageIdentity) -> String {
        ["postinst", "config"].compactMap { kind in
            Self.qualifiedName(of: package, kind, in: after)
                .flatMap { after.content(EntryPath("var/lib/dpkg/info").appending("\($0).\(kind)")) }
                .flatMap { try? ContentReader().text(of: $0, limit: 4 << 20) }
        }.joined()
    }

    /// The package as dpkg names its script of this kind; nil where it has none.
    static func qualifiedName(of package: PackageIdentity, _ kind: String, in tree: Tree) -> String? {
        [package.name, "\(package.name):\(package.architecture)"].first {
            tree.content(EntryPath("var/lib/dpkg/info").appending("\($0).\(kind)")) != nil
        }
    }

    /// The runs that dpkg's log tells of: from `DATE TIME configure PACKAGE:ARCH …` to the next `status installed`.
    private static func runs(in log: String) -> [Run] {
        var current: (package: String, start: Int64)?
        var runs: [Run] = []
        for line in log.splitLines() {
            let words = line.split(separator: " ")
            guard words.count >= 4, let time = calendarSeconds(date: words[0], time: words[1]) else { continue }
            func name(_ word: Substring) -> String { String(word.prefix { $0 != ":" }) }
            switch words[2] {
            case "configure", "trigproc":
                if let current {
                    runs.append(Run(package: current.package, seconds: current.start...max(current.start, time)))
                }
                current = (name(words[3]), time)
            case "status"
            where words.count >= 5 && ["installed", "triggers-pending", "triggers-awaited"].contains(words[3]):
                guard let run = current, name(words[4]) == run.package else { break }
                runs.append(Run(package: run.package, seconds: run.start...max(run.start, time)))
                current = nil
            default: break
            }
        }
        if let current { runs.append(Run(package: current.package, seconds: current.start...Int64.max)) }
        return runs
    }
}
