import Layers

/// Lets the board keep itself up to date: apt's sources and pins, and which packages came along only because others need
/// them, so that `apt autoremove` takes old kernels away.
public struct AptStep: Step {
    /// One stanza of sources.list(5): suites of one archive.
    public struct Source: Sendable, Equatable {
        /// The archive's base URI.
        public var uri: String
        public var suites: [String]
        public var components: [String]
        /// The keyring's path in the image.
        public var keyring: String

        public init(uri: String, suites: [String], components: [String], keyring: String) {
            self.uri = uri
            self.suites = suites
            self.components = components
            self.keyring = keyring
        }
    }

    public let name = "apt"
    public var sources: [Source]
    /// apt_preferences(5); empty for none.
    public var preferences: String
    /// Packages that nobody asked for: name and architecture.
    public var automatic: [(name: String, architecture: String)]

    public init(sources: [Source], preferences: String, automatic: [(name: String, architecture: String)]) {
        self.sources = sources
        self.preferences = preferences
        self.automatic = automatic
    }

    public var summary: String { "\(sources.count) sources, \(automatic.count) packages marked automatic" }

    public var inputs: [StepInput] {
        [
            StepInput("apt sources", sourcesText), StepInput("packages.preferences", preferences),
            StepInput("automatic packages", automatic.map { "\($0.name):\($0.architecture)" }.joined(separator: " ")),
        ]
    }

    public func apply(to tree: Tree, epoch: Int64) throws -> Layer {
        var layer = Layer(name: name)
        guard tree.content("usr/bin/apt-get") != nil else { return layer }
        layer.addText("etc/apt/sources.list.d/debian.sources", sourcesText, epoch: epoch)
        if !preferences.isEmpty { layer.addText("etc/apt/preferences.d/50-piforge", preferences, epoch: epoch) }
        // The boot settings are conffiles that piforge wrote: an upgrade must neither ask about them nor undo them.
        layer.addText(
            "etc/apt/apt.conf.d/50piforge",
            """
            // Written by piforge: settings that were changed stay as they are when their package is upgraded.
            Dpkg::Options { "--force-confdef"; "--force-confold"; };

            """, epoch: epoch)
        layer.addText(
            "var/lib/apt/extended_states",
            automatic.map { "Package: \($0.name)\nArchitecture: \($0.architecture)\nAuto-Installed: 1\n\n" }.joined(),
            epoch: epoch)
        return layer
    }

    private var sourcesText: String {
        sources.map { source in
            """
            Types: deb
            URIs: \(source.uri)
            Suites: \(source.suites.joined(separator: " "))
            Components: \(source.components.joined(separator: " "))
            Signed-By: \(source.keyring)

            """
        }.joined(separator: "\n")
    }
}
