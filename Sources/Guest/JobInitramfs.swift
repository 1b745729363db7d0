import Diagnostics
import Foundation
import Layers
import Packages

/// The initramfs that carries the micro-VM's work: busybox, `init.sh`, the modules and the job's lists.
struct JobInitramfs {
    /// `Resources/init.sh`.
    static let initScript = String(decoding: PackageResources.init_sh, as: UTF8.self)

    /// Packages whose programs other packages' scripts use before dpkg's order has come to them: all that
    /// `Essential: yes` lets them take for granted (Debian Policy 3.8), in an order that works, a group at a time.
    static let first = [
        [
            "libgcc-s1", "libc6", "libcrypt1", "base-passwd", "base-files", "mawk", "gawk", "original-awk",
            "debianutils",
        ],
        ["libpcre2-8-0", "libselinux1", "debconf", "perl-base", "dash"],
    ]

    let entries: [Entry]

    /// - Throws: `Failure` for a package name that cannot be one.
    init(_ request: ConfigureRequest) throws {
        var layer = Layer(name: "job")
        let time = Timestamp(seconds: 0)
        let file = Attributes(mode: 0o644, mtime: time)
        let program = Attributes(mode: 0o755, mtime: time)
        for folder: EntryPath in ["bin", "job", "job/bin", "modules"] { layer.addDirectory(folder, program) }
        layer.entries.append(Entry("bin/busybox", program, .regular(request.busybox)))
        layer.addFile("init", program, text: Self.initScript)
        for module in request.kernel.modules {
            let path = EntryPath("modules").appending("\(module.name).ko")
            layer.entries.append(Entry(path, file, .regular(module.content)))
        }
        layer.addFile("job/modules", file, text: request.kernel.modules.map { "\($0.name).ko\n" }.joined())
        layer.addFile("job/clock", file, text: "\(request.clock)\n")
        layer.addFile("job/preinst", file, text: try Self.preinstLines(request))
        let known = Set(request.packages.map(\.name))
        let groups = Self.first.map { $0.filter(known.contains) }.filter { !$0.isEmpty }
        layer.addFile("job/first", file, text: groups.map { $0.joined(separator: " ") + "\n" }.joined())
        layer.addFile("job/dpkg-version", file, text: Self.dpkgVersion(request) + "\n")
        layer.addFile("job/remove", file, text: try Self.names(request.removed).map { "\($0)\n" }.joined())
        layer.addFile("job/triggers", file, text: try Self.paths(request.work.triggers))
        layer.addFile("job/programs", file, text: try Self.paths(request.work.programs))
        layer.addFile("job/makers", file, text: try Self.makerLines(request))
        layer.addFile(
            "job/secrets", file, text: request.trials.enumerated().map { "\($0.offset) \($0.element.path)\n" }.joined())
        for standIn in request.standIns {
            layer.addFile(EntryPath("job/bin").appending(standIn.command), program, text: standIn.script)
        }
        layer.addFile(
            "job/unpack", file,
            text: request.archives.indices.map { "\(Self.archiveName($0)) \(request.archives[$0].name)\n" }
                .joined())
        if !request.archives.isEmpty { layer.addDirectory("job/debs", program) }
        for (index, archive) in request.archives.enumerated() {
            let path = EntryPath("job/debs").appending(Self.archiveName(index))
            layer.entries.append(Entry(path, file, .regular(archive.content)))
        }
        entries = layer.entries
    }

    private static func archiveName(_ index: Int) -> String { "\(index).deb" }

    /// Lines of "PACKAGE QUALIFIED-NAME ARCHITECTURE" for the packages that have a preinst script. dpkg names the files of
    /// `Multi-Arch: same` packages NAME:ARCHITECTURE.
    private static func preinstLines(_ request: ConfigureRequest) throws -> String {
        let folder = EntryPath("var/lib/dpkg/info")
        var lines = ""
        for package in request.packages {
            try names([package.name, package.architecture])
            for qualified in [package.name, "\(package.name):\(package.architecture)"]
            where request.tree.content(folder.appending("\(qualified).preinst")) != nil {
                lines += "\(package.name) \(qualified) \(package.architecture)\n"
            }
        }
        return lines
    }

    /// Lines of "PACKAGE QUALIFIED-NAME ARCHITECTURE VERSION", each once.
    private static func makerLines(_ request: ConfigureRequest) throws -> String {
        var lines: [String] = []
        for maker in request.trials.flatMap(\.makers) {
            try names([maker.name, maker.architecture])
            guard let qualified = SecretFinder.qualifiedName(of: maker, "postinst", in: request.tree),
                maker.version.utf8.allSatisfy({ 0x21...0x7e ~= $0 })
            else { continue }
            let line = "\(maker.name) \(qualified) \(maker.architecture) \(maker.version)\n"
            if !lines.contains(line) { lines.append(line) }
        }
        return lines.joined()
    }

    /// The words, which go into scripts.
    ///
    /// - Throws: `Failure` for one that is no name.
    @discardableResult
    private static func names(_ words: [String]) throws -> [String] {
        for word in words where !word.utf8.allSatisfy(isNameByte) || word.isEmpty {
            throw Failure(at: word, "not a name of a package or an architecture")
        }
        return words
    }

    /// A line for each, which goes into scripts.
    ///
    /// - Throws: `Failure` for one that is neither a path nor a name of a trigger (deb-triggers(5): printable ASCII without blanks).
    private static func paths(_ words: [String]) throws -> String {
        for word in words where word.isEmpty || word.hasPrefix("-") || !word.utf8.allSatisfy({ 0x21...0x7e ~= $0 }) {
            throw Failure(at: "var/lib/dpkg/triggers", "not a name of a trigger", found: word)
        }
        return words.map { "\($0)\n" }.joined()
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
        default: "+-.".utf8.contains(byte)
        }
    }

    private static func dpkgVersion(_ request: ConfigureRequest) -> String {
        request.dpkgVersion ?? request.packages.first { $0.name == "dpkg" }?.version ?? "1"
    }
}

extension PackageFile {
    /// The whole .deb.
    fileprivate var content: Content { Content(size: size, digest: sha256, source: .file(path, offset: 0)) }
}
