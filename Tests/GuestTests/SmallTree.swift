import Digests
import Foundation
import Guest
import Kernel
import Layers
import Packages
import Storage
import SystemPackage
import TestSupport
import Testing
import Tools

/// The smallest tree that dpkg runs in: dpkg, tar, their libraries and busybox from Debian's archive for arm64, the
/// kernel to boot, and packages made by the tests. Downloads are kept in the build folder.
actor SmallTree {
    static let shared = SmallTree()

    struct Parts: Sendable {
        let tree: Tree
        let kernel: GuestKernel
        let busybox: Content
    }

    private var made: Task<Parts, any Error>?

    /// - Throws: what a program said that failed.
    func parts() async throws -> Parts {
        if let made { return try await made.value }
        let task = Task { try await Self.make() }
        made = task
        return try await task.value
    }

    private static let packages = [
        "busybox-static", "dpkg", "libacl1", "libbz2-1.0", "libc6", "liblzma5", "libmd0", "libpcre2-8-0", "libselinux1",
        "libzstd1", "tar", "zlib1g",
    ]
    /// Of the kernel's package, 4,000 modules are left behind.
    private static let kernelFiles = [
        "./boot/*", "*/modules.*", "*/virtio*", "*/fs/ext4/*", "*/fs/jbd2/*", "*/fs/mbcache*", "*/crc*", "*/libcrc32c*",
    ]
    private static func make() async throws -> Parts {
        let build =
            repository
            .appending(".build")
        let folder = try TemporaryFolder(in: "/tmp", name: "guest-tests")
        let root = folder.path.appending("root")
        // apt in folders of its own, with the host's sources; a copy under the final name appears when it is whole.
        let script = """
            set -e
            kept=\(build)/guest-tests
            if [ ! -d "$kept" ]; then
                work=$(mktemp -d \(build)/guest-tests.XXXXXX)
                trap 'rm -rf "$work"' EXIT
                cd "$work"
                mkdir -p state/lists/partial cache/archives/partial debs
                : >state/status
                set -- -q -o Dir::State="$work/state" -o Dir::State::status="$work/state/status" \\
                    -o Dir::Cache="$work/cache" -o APT::Architecture=arm64 -o APT::Architectures::=arm64 \\
                    -o Acquire::Languages=none -o Debug::NoLocking=1 -o APT::Sandbox::User=
                apt-get "$@" update >&2
                kernel=$(apt-cache "$@" show linux-image-arm64 | sed -n 's/^Depends: \\([^ ]*\\).*/\\1/p' | head -n 1)
                cd debs
                apt-get "$@" download "$kernel" \(packages.joined(separator: " ")) >&2
                rm -rf ../state ../cache
                mv "$work" "$kept"
            fi
            mkdir \(root)
            for deb in "$kept"/debs/*.deb; do
                case $deb in
                    */linux-image-*)
                        dpkg-deb --fsys-tarfile "$deb" \\
                            | tar -x -C \(root) --wildcards \(kernelFiles.map { "'\($0)'" }.joined(separator: " ")) ;;
                    *) dpkg-deb -x "$deb" \(root) ;;
                esac
            done
            """
        try await ToolRunner().run(Judge.sh, ["-c", script], place: "the tests' tree")
        var tree = try Tree([layer(of: root)])
        let release = try KernelRelease.find(in: tree)
        let time = Timestamp(seconds: 0)
        try tree.apply(await Depmod.layer(release, in: tree, runner: ToolRunner(), work: folder.path, time: time))
        let kernel = try GuestKernel(KernelRelease.find(in: tree), in: tree)
        let busybox = try #require(tree.content("bin/busybox") ?? tree.content("usr/bin/busybox"))
        return Parts(tree: try userland(tree, time), kernel: kernel, busybox: busybox)
    }

    /// The tree without its kernel, with busybox under the names that scripts and dpkg call.
    private static func userland(_ tree: Tree, _ time: Timestamp) throws -> Tree {
        var layer = Layer(name: "userland", whiteouts: ["boot", "lib/modules", "usr/lib/modules", "usr/share/doc"])
        let program = Attributes(mode: 0o755, mtime: time)
        for name in [
            "sh", "cat", "chmod", "date", "dd", "diff", "echo", "env", "mkdir", "printf", "rm", "sed", "sleep",
        ] {
            layer.addSymlink(EntryPath("bin").appending(name), to: "/bin/busybox", Attributes(mode: 0o777, mtime: time))
        }
        layer.addFile("sbin/ldconfig", program, text: "#!/bin/sh\n")
        for path: EntryPath in ["dev", "proc", "run", "sys", "tmp", "etc/ssh", "var/log", "var/tmp", "var/cache"] {
            layer.addDirectory(path, program)
        }
        var tree = tree
        if tree.content("bin/busybox") == nil { layer.addSymlink("bin/busybox", to: "/usr/bin/busybox", program) }
        try tree.apply(layer)
        return tree
    }

    /// A folder of the host as a layer: types, modes, content and link targets.
    private static func layer(of folder: FilePath) throws -> Layer {
        var layer = Layer(name: "unpacked")
        let files = FileManager.default
        for name in try files.subpathsOfDirectory(atPath: folder.string).sorted() {
            let path = try EntryPath(validating: name)
            let host = folder.appending(name)
            let facts = try files.attributesOfItem(atPath: host.string)
            let mode = (facts[.posixPermissions] as? Int).map { UInt16($0) } ?? 0o644
            let attributes = Attributes(mode: mode, mtime: Timestamp(seconds: 1_000_000_000))
            switch facts[.type] as? FileAttributeType {
            case .typeDirectory?: layer.addDirectory(path, attributes)
            case .typeSymbolicLink?:
                layer.addSymlink(path, to: try files.destinationOfSymbolicLink(atPath: host.string), attributes)
            default:
                // At hand, since the folder goes away: some 60 MB.
                layer.entries.append(Entry(path, attributes, .regular(Content(try readFile(host)))))
            }
        }
        return layer
    }
}

/// A package made by a test.
struct SmallPackage {
    var name: String
    var version = "1.0"
    /// By path, without a leading slash.
    var files: [String: String] = [:]
    /// By name: `postinst`, `preinst`, `triggers`.
    var control: [String: String] = [:]
    /// What dpkg's database says of it.
    var state = "install ok unpacked"

    var package: PackageIdentity { .init(name: name, version: version, architecture: "all") }

    var fields: String {
        "Package: \(name)\nVersion: \(version)\nArchitecture: all\nMaintainer: Nobody <nobody@example.org>\n"
            + "Description: made by a test\n"
    }

    /// The package as a .deb, made by dpkg-deb.
    func archive(in folder: FilePath) async throws -> PackageFile {
        let root = folder.appending(name)
        try writeAtomically(to: root.appending("DEBIAN/control"), bytes: Array(fields.utf8))
        for (file, text) in control {
            try writeAtomically(to: root.appending("DEBIAN/\(file)"), mode: 0o755, bytes: Array(text.utf8))
        }
        for (file, text) in files { try writeAtomically(to: root.appending(file), bytes: Array(text.utf8)) }
        let deb = folder.appending("\(name).deb")
        try await ToolRunner().run(Judge.dpkgDeb, ["--root-owner-group", "-b", root.string, deb.string], place: name)
        let bytes = try readFile(deb)
        return PackageFile(package, size: UInt64(bytes.count), sha256: .of(bytes), path: deb)
    }

    /// The packages unpacked, with dpkg's database, as a layer.
    static func layer(of packages: [SmallPackage]) -> Layer {
        var layer = Layer(name: "packages")
        let file = Attributes(mode: 0o644, mtime: Timestamp(seconds: 1_000_000_000))
        let program = Attributes(mode: 0o755, mtime: Timestamp(seconds: 1_000_000_000))
        let database = EntryPath("var/lib/dpkg")
        var status = ""
        for package in packages {
            let record = package.fields.replacing("\nVersion", with: "\nStatus: \(package.state)\nVersion")
            status += record + "\n"
            var list = "/.\n"
            for (name, text) in package.files.sorted(by: { $0.key < $1.key }) {
                let path = EntryPath.root.appending(name)
                layer.addFile(path, file, text: text)
                list += "/\(name)\n"
            }
            let info = database.appending("info").appending(package.name)
            func path(_ suffix: String) -> EntryPath {
                info.parent?.appending(info.name + Array(".\(suffix)".utf8)) ?? info
            }
            layer.addFile(path("list"), file, text: list)
            layer.addFile(path("md5sums"), file, text: "")
            for (name, text) in package.control {
                layer.addFile(path(name), name == "triggers" ? file : program, text: text)
                for line in text.split(separator: "\n") where name == "triggers" && line.hasPrefix("interest ") {
                    layer.addFile(
                        database.appending("triggers").appending(String(line.dropFirst(9))), file,
                        text: "\(package.name)\n")
                }
            }
        }
        layer.addFile(database.appending("status"), file, text: status)
        layer.addFile(database.appending("info").appending("format"), file, text: "1\n")
        return layer
    }
}
