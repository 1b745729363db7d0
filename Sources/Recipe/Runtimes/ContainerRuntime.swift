import Digests
import SystemPackage

/// A container runtime as its file describes it: what it brings into the image, how Docker knows it, what it needs of the kernel,
/// and what shows that it works.
public struct ContainerRuntime: Sendable, Equatable {
    /// The file's name without `.yaml`.
    public var name = ""
    /// The file as messages name it; nothing of the host's folders is in it.
    public var file: String { "\(name).yaml" }
    public var summary = ""
    /// What `{version}` stands for in the names and URLs of ``artefacts``; nil where they have no such place.
    public var version: String?
    /// The folder of this machine that a recipe takes the release files from; nil where it says nothing of one.
    var folder: FilePath?
    /// Debian packages.
    public var packages: [String] = []
    public var artefacts: [Artefact] = []
    public var files: [AddedFile] = []
    /// The names that Docker knows it by; none for what Docker does not run.
    public var docker: [Registration] = []
    /// What the kernel's configuration must have.
    public var kernel: [KernelLine] = []
    /// Words of the kernel's command line.
    public var cmdline: [String] = []
    public var checks: [Check] = []
    /// What the proof shows of it by containers; nil for nothing besides ``checks``.
    public var proof: Proof?
    /// Of the file's text; nil for a runtime without one.
    public var digest: SHA256Digest?

    public init() {}

    /// What stands in names and URLs of ``artefacts`` where the version belongs.
    static let versionPlace = "{version}"

    /// A release file: one file, or an archive and what is taken from it.
    public struct Artefact: Sendable, Equatable {
        /// Where it is, tried in this order: URLs, or absolute paths of this machine.
        public var urls: [String] = []
        /// 64 hex digits, lower case; nil for a file that a person has to accept once.
        public var sha256: String?
        /// Where the one file goes; nil for an archive.
        public var to: String?
        /// The mode of the one file.
        public var mode: UInt16 = 0o755
        /// What is taken from the archive, at least one; empty for one file.
        public var members: [Member] = []

        public init() {}

        /// What the recipe calls it; nil for ``fileName``.
        public var givenName: String?

        /// Whether its name or a URL has a place for the version.
        var namesVersion: Bool { (urls + [name]).contains { $0.contains(ContainerRuntime.versionPlace) } }

        /// What locks and messages call it.
        public var name: String { givenName ?? fileName }

        /// The last component of its first URL.
        public var fileName: String {
            String((urls.first ?? "").prefix { $0 != "?" && $0 != "#" }.split(separator: "/").last ?? "")
        }
    }

    /// A file of an archive, or all files of a folder in it.
    public struct Member: Sendable, Equatable {
        /// Its path in the archive; a folder's ends in a slash. `*/` at its start stands for any folders, or none.
        public var from = ""
        /// Its absolute path in the image; a folder's ends in a slash.
        public var to = ""
        /// A file's mode; in a folder, files are 0755 where their owner may run them, else 0644.
        public var mode: UInt16 = 0o755

        public init(from: String = "", to: String = "", mode: UInt16 = 0o755) {
            self.from = from
            self.to = to
            self.mode = mode
        }

        public var isFolder: Bool { from.hasSuffix("/") }
    }

    /// A file that the runtime file itself brings.
    public struct AddedFile: Sendable, Equatable {
        /// Its absolute path in the image.
        public var to = ""
        public var mode: UInt16 = 0o644
        /// Its text; nil where ``source`` has it.
        public var content: String?
        /// A file of this machine.
        public var source: HostPath?

        public init() {}
    }

    /// A name in the `runtimes` of Docker's daemon.json.
    public struct Registration: Sendable, Equatable {
        public var name = ""
        /// The runtime's program, called as runc is.
        public var path: String?
        /// What the program is called with before Docker's own arguments.
        public var arguments: [String] = []
        /// The containerd shim's name, such as `io.containerd.urunc.v2`.
        public var type: String?
        /// The shim's own options.
        public var options: JSON?
        public var engine: EngineVersion?

        public init() {}

        /// The first engine that knows the registration: `runtimeType` came with Docker 24 (moby change 45032).
        public var needed: EngineVersion? {
            guard type != nil else { return engine }
            let first = EngineVersion(numbers: [24])
            return engine.map { $0 < first ? first : $0 } ?? first
        }

        /// The name's value in daemon.json (dockerd(8), "Configure container runtimes").
        public var definition: JSON {
            .members([
                "options": options, "path": path.map { .string($0) },
                "runtimeArgs": arguments.isEmpty ? nil : .array(arguments.map { .string($0) }),
                "runtimeType": type.map { .string($0) },
            ])
        }
    }

    /// A version of Docker's engine.
    public struct EngineVersion: Sendable, Equatable, Comparable, CustomStringConvertible {
        /// Major, minor, patch, as far as they are given.
        public var numbers: [Int]

        public init(numbers: [Int]) { self.numbers = numbers }

        /// The numbers that a version begins with: `26.1.5+dfsg1`; nil for none.
        public init?(parsing text: String) {
            let start = text.prefix { $0 == "." || ("0"..."9").contains($0) }
            numbers = start.split(separator: ".").compactMap { Int($0) }
            guard !numbers.isEmpty else { return nil }
        }

        public static func < (a: EngineVersion, b: EngineVersion) -> Bool {
            a.numbers.lexicographicallyPrecedes(b.numbers)
        }

        public var description: String { numbers.map(String.init).joined(separator: ".") }
    }

    /// A line of kernel configuration, as a fragment has it.
    public struct KernelLine: Sendable, Equatable {
        public var text = ""
        /// The line of the runtime file that it stands on.
        public var line = 0
    }

    /// A command in the booted image, and what it must print.
    public struct Check: Sendable, Equatable {
        /// Who runs the command.
        public enum User: String, Sendable, CaseIterable {
            /// A user of the recipe who may use Docker; root where there is none.
            case recipe
            case root
        }

        public var name = ""
        /// The registration that is checked; nil for the first one.
        public var docker: String?
        public var setup: [String] = []
        public var run = ""
        public var user = User.recipe
        public var expect = ""
        public var cleanup: [String] = []

        public init() {}
    }
}
