import Layers

/// Lets the board keep itself up to date: apt's sources and pins, and which packages came along only because others need
/// them, so that `apt autoremove` takes old kernels away.
package struct AptStep: Step {
    /// One stanza of sources.list(5): suites of one archive.
    package struct Source: Sendable, Equatable {
        /// The archive's base URI.
        package var uri: String
        /// For a flat archive the path from ``uri`` to its indices, which ends in a slash.
        package var suites: [String]
        /// Empty for a flat archive.
        package var components: [String]
        /// The keyring's path in the image.
        package var keyring: String
        /// The keyring itself, where no package of the image brings it.
        package var keys: Content?

        package init(uri: String, suites: [String], components: [String], keyring: String, keys: Content? = nil) {
            self.uri = uri
            self.suites = suites
            self.components = components
            self.keyring = keyring
            self.keys = keys
        }
    }

    package let name = "apt"
    /// Empty adds no file of sources.
    package var sources: [Source]
    /// apt_preferences(5); empty for none.
    package var preferences: String
    /// Packages that nobody asked for: name and architecture.
    package var automatic: [(name: String, architecture: String)]
    /// The file of the sources, in /etc/apt/sources.list.d.
    package var fileName: String

    package init(
        sources: [Source], preferences: String, automatic: [(name: String, architecture: String)],
        fileName: String = "debian.sources"
    ) {
        self.sources = sources
        self.preferences = preferences
        self.automatic = automatic
        self.fileName = fileName
    }

    package var summary: String { "\(sources.count) sources, \(automatic.count) packages marked automatic" }

    /// The sources as their file has them, and the digest of each keyring that comes with them.
    package var inputs: [StepInput] {
        [
            StepInput("apt sources", sourcesText), StepInput("packages.preferences", preferences),
            StepInput("automatic packages", automatic.map { "\($0.name):\($0.architecture)" }.joined(separator: " ")),
        ] + sources.compactMap { source in source.keys.map { StepInput(source.keyring, $0.digest.hex) } }
    }

    package func key(of path: EntryPath) -> String {
        path.isInside("etc/apt/preferences.d") ? "packages.preferences" : "packages.sources"
    }

    /// Nothing where the tree has no apt-get. Packages that a stock image brings are not marked as automatic: what it notes stays.
    ///
    /// - Throws: `Failure` when the tree's list of automatic packages has more than 16 MiB; `DamagedContent`.
    package func apply(to tree: Tree, _ facts: SystemFacts, epoch: Int64) throws -> Layer {
        var layer = Layer(name: name)
        guard tree.content("usr/bin/apt-get") != nil else { return layer }
        if !sources.isEmpty {
            layer.addText(
                try EntryPath(validating: "etc/apt/sources.list.d/\(fileName)"), sourcesText, epoch: epoch)
        }
        for source in sources {
            guard let keys = source.keys else { continue }
            layer.entries.append(
                Entry(try EntryPath(validating: source.keyring), .root(0o644, epoch: epoch), .regular(keys)))
        }
        if !preferences.isEmpty { layer.addText("etc/apt/preferences.d/50-piforge", preferences, epoch: epoch) }
        // The boot settings are conffiles that piforge wrote: an upgrade must neither ask about them nor undo them.
        layer.addText(
            "etc/apt/apt.conf.d/50piforge",
            """
            // Written by piforge: settings that were changed stay as they are when their package is upgraded.
            Dpkg::Options { "--force-confdef"; "--force-confold"; };

            """, epoch: epoch)
        // What a stock image notes of its packages stays.
        let states: EntryPath = "var/lib/apt/extended_states"
        let before = try tree.content(states).map { try ContentReader().text(of: $0, limit: 16 << 20) } ?? ""
        // An empty line ends a stanza.
        let separator =
            before.isEmpty || before.hasSuffix("\n\n") ? "" : before.hasSuffix("\n") ? "\n" : "\n\n"
        layer.addText(
            states,
            before + separator
                + automatic.filter { !facts.stockPackages.contains($0.name) }.map {
                    "Package: \($0.name)\nArchitecture: \($0.architecture)\nAuto-Installed: 1\n\n"
                }.joined(),
            epoch: epoch)
        return layer
    }

    private var sourcesText: String {
        sources.map { source in
            """
            Types: deb
            URIs: \(source.uri)
            Suites: \(source.suites.joined(separator: " "))
            \(source.components.isEmpty ? "" : "Components: \(source.components.joined(separator: " "))\n")\
            Signed-By: \(source.keyring)

            """
        }.joined(separator: "\n")
    }
}
