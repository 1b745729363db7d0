import Digests
import SystemPackage

/// A container runtime as its file describes it: what it brings into the image, how Docker knows it, what it needs of the kernel,
/// and what shows that it works.
package struct ContainerRuntime: Sendable, Equatable {
    /// The file's name without `.yaml`.
    package var name = ""
    /// The file as messages name it; nothing of the host's folders is in it.
    package var file: String { "\(name).yaml" }
    /// What it is, in a sentence: one line.
    package var summary = ""
    /// What `{version}` stands for in the names and URLs of ``artefacts``; nil where they have no such place.
    package var version: String?
    /// The folder of this machine that a recipe takes the release files from; nil where it says nothing of one.
    var folder: FilePath?
    /// Debian packages.
    package var packages: [String] = []
    /// What is fetched for it. In a loaded recipe `{version}` is filled in.
    package var artefacts: [Artefact] = []
    /// Files besides those of packages and artefacts, such as its configuration.
    package var files: [AddedFile] = []
    /// The names that Docker knows it by; none for what Docker does not run.
    package var docker: [Registration] = []
    /// What the kernel's configuration must have.
    package var kernel: [KernelLine] = []
    /// Words of the kernel's command line.
    package var cmdline: [String] = []
    /// Commands that `piforge prove` runs in the booted image, in this order; no name twice.
    package var checks: [Check] = []
    /// What the proof shows of it by containers; nil for nothing besides ``checks``.
    package var proof: Proof?
    /// Of the file's text; nil for a runtime without one.
    package var digest: SHA256Digest?

    package init() {}

    /// What stands in names and URLs of ``artefacts`` where the version belongs.
    static let versionPlace = "{version}"

    /// A release file: one file, or an archive and what is taken from it.
    package struct Artefact: Sendable, Equatable {
        /// Where it is, tried in this order: URLs, or absolute paths of this machine.
        package var urls: [String] = []
        /// 64 hex digits, lower case; nil for a file that a person has to accept once.
        package var sha256: String?
        /// Where the one file goes; nil for an archive.
        package var to: String?
        /// The mode of the one file.
        package var mode: UInt16 = 0o755
        /// What is taken from the archive, at least one; empty for one file.
        package var members: [Member] = []

        package init() {}

        /// What the recipe calls it; nil for ``fileName``.
        package var givenName: String?

        /// Whether its name or a URL has a place for the version.
        var namesVersion: Bool { (urls + [name]).contains { $0.contains(ContainerRuntime.versionPlace) } }

        /// What locks and messages call it.
        package var name: String { givenName ?? fileName }

        /// The last component of its first URL.
        package var fileName: String {
            String((urls.first ?? "").prefix { $0 != "?" && $0 != "#" }.split(separator: "/").last ?? "")
        }
    }

    /// A file of an archive, or all files of a folder in it.
    package struct Member: Sendable, Equatable {
        /// Its path in the archive; a folder's ends in a slash. `*/` at its start stands for any folders, or none.
        package var from = ""
        /// Its absolute path in the image; a folder's ends in a slash.
        package var to = ""
        /// A file's mode; in a folder, files are 0755 where their owner may run them, else 0644.
        package var mode: UInt16 = 0o755

        package init(from: String = "", to: String = "", mode: UInt16 = 0o755) {
            self.from = from
            self.to = to
            self.mode = mode
        }

        /// Whether it stands for all files of a folder.
        package var isFolder: Bool { from.hasSuffix("/") }
    }

    /// A file that the runtime file itself brings.
    package struct AddedFile: Sendable, Equatable {
        /// Its absolute path in the image.
        package var to = ""
        /// 0 to 0o7777.
        package var mode: UInt16 = 0o644
        /// Its text; nil where ``source`` has it.
        package var content: String?
        /// A file of this machine.
        package var source: HostPath?

        package init() {}
    }

    /// A name in the `runtimes` of Docker's daemon.json.
    package struct Registration: Sendable, Equatable {
        /// What `docker run --runtime` takes: letters, digits, `.`, `_` and `-`, at most 64; neither `runc` nor `io.containerd.…`.
        package var name = ""
        /// The runtime's program, called as runc is.
        package var path: String?
        /// What the program is called with before Docker's own arguments.
        package var arguments: [String] = []
        /// The containerd shim's name, such as `io.containerd.urunc.v2`.
        package var type: String?
        /// The shim's own options.
        package var options: JSON?
        /// The first engine that will do, as the file says; nil where it says nothing. ``needed`` is what counts.
        package var engine: EngineVersion?

        package init() {}

        /// The first engine that knows the registration: `runtimeType` came with Docker 24 (moby change 45032).
        package var needed: EngineVersion? {
            guard type != nil else { return engine }
            let first = EngineVersion(numbers: [24])
            return engine.map { $0 < first ? first : $0 } ?? first
        }

        /// The name's value in daemon.json (dockerd(8), "Configure container runtimes").
        package var definition: JSON {
            .members([
                "options": options, "path": path.map { .string($0) },
                "runtimeArgs": arguments.isEmpty ? nil : .array(arguments.map { .string($0) }),
                "runtimeType": type.map { .string($0) },
            ])
        }
    }

    /// A version of Docker's engine.
    package struct EngineVersion: Sendable, Equatable, Comparable, CustomStringConvertible {
        /// Major, minor, patch, as far as they are given.
        package var numbers: [Int]

        package init(numbers: [Int]) { self.numbers = numbers }

        /// The numbers that a version begins with: `26.1.5+dfsg1`; nil for none.
        package init?(parsing text: String) {
            let start = text.prefix { $0 == "." || ("0"..."9").contains($0) }
            numbers = start.split(separator: ".").compactMap { Int($0) }
            guard !numbers.isEmpty else { return nil }
        }

        package static func < (a: EngineVersion, b: EngineVersion) -> Bool {
            a.numbers.lexicographicallyPrecedes(b.numbers)
        }

        package var description: String { numbers.map(String.init).joined(separator: ".") }
    }

    /// A line of kernel configuration, as a fragment has it.
    package struct KernelLine: Sendable, Equatable {
        package var text = ""
        /// The line of the runtime file that it stands on.
        package var line = 0
    }

    /// A command in the booted image, and what it must print.
    package struct Check: Sendable, Equatable {
        /// Who runs the command.
        package enum User: String, Sendable, CaseIterable {
            /// A user of the recipe who may use Docker; root where there is none.
            case recipe
            case root
        }

        /// What the check shows, in a few words: at most 100 characters, no `|`.
        package var name = ""
        /// The registration that is checked; nil for the first one.
        package var docker: String?
        /// Lines for root's shell, run in this order before ``run``. Each must end with status 0: the check fails at the first that does not.
        package var setup: [String] = []
        /// One line for the shell of ``user``. It must end with status 0 and print ``expect``.
        package var run = ""
        /// Who runs ``run``; ``setup`` and ``cleanup`` are root's.
        package var user = User.recipe
        /// Text of one line that must stand somewhere in what ``run`` prints.
        package var expect = ""
        /// Lines that root's shell runs afterwards, however ``run`` ended. One that fails fails the check.
        package var cleanup: [String] = []

        package init() {}
    }
}
