import Diagnostics
import Digests
import Layers

/// dpkg's database (/var/lib/dpkg), written without dpkg.
package enum DpkgDatabase {
    /// The version of what ``layer(for:epoch:)`` writes, for cache keys.
    package static let formatVersion = 1

    /// The database in which every package is unpacked and none is configured: what `dpkg --unpack` leaves, save that
    /// conffiles lie in place already. `dpkg --configure -a` goes on from there.
    ///
    /// - Parameters:
    ///   - packages: in installation order.
    ///   - epoch: the time of the files that no package brings.
    /// - Throws: `Failure` naming the package, for a control file that dpkg could not use either.
    package static func layer(for packages: [PlacedPackage], epoch: Timestamp) throws -> Layer {
        let root: EntryPath = "var/lib/dpkg"
        let info = root.appending("info")
        let triggers = root.appending("triggers")
        let folder = Attributes(mode: 0o755, mtime: epoch)
        let file = Attributes(mode: 0o644, mtime: epoch)
        var layer = Layer(name: "dpkg database")
        for name in ["alternatives", "info", "parts", "triggers", "updates"] {
            layer.addDirectory(root.appending(name), folder)
        }
        var files = TriggerFiles()
        for placed in packages { try files.add(placed.package) }
        let sorted = packages.sorted { $0.package.identity < $1.package.identity }
        let status = try sorted.map { try DpkgStatus.paragraph(of: $0).text + "\n" }
        layer.addFile(root.appending("status"), file, text: status.joined())
        // dpkg's postinst makes the latter two; the first is for dselect.
        for name in ["available", "diversions", "statoverride"] {
            layer.addFile(root.appending(name), file, text: "")
        }
        for name in ["lock", "lock-frontend"] {
            layer.addFile(root.appending(name), Attributes(mode: 0o640, mtime: epoch), text: "")
        }
        // Version 1: information files carry the architecture where Multi-Arch is `same` (dpkg, lib/dpkg/db-ctrl-format.c).
        layer.addFile(info.appending("format"), file, text: "1\n")
        for placed in sorted { try addInformation(of: placed, in: info, file, to: &layer) }
        layer.addFile(triggers.appending("Lock"), Attributes(mode: 0o600, mtime: epoch), text: "")
        for (name, text) in files.files { layer.addFile(triggers.appending(name), file, text: text) }
        return layer
    }

    /// Adds `info/NAME.list` and a file for each control file but `control` itself, which is in the status file. Where the
    /// package brings no `md5sums`, dpkg makes one.
    private static func addInformation(
        of placed: PlacedPackage, in info: EntryPath, _ file: Attributes, to layer: inout Layer
    ) throws {
        let name = placed.package.databaseName
        var files: [(EntryPath, Attributes, EntryKind)] = []
        for entry in placed.package.controlFiles.entries where entry.path != "control" {
            files.append((info.appending(Array("\(name).".utf8) + entry.path.bytes), entry.attributes, entry.kind))
        }
        files.append((info.appending("\(name).list"), file, .regular(Content(list(placed.paths)))))
        if placed.package.controlFile("md5sums") == nil {
            let sums = try md5sums(placed)
            files.append((info.appending("\(name).md5sums"), file, .regular(Content(sums))))
        }
        for (path, attributes, kind) in files.sorted(by: { $0.0 < $1.0 }) {
            layer.entries.append(Entry(path, attributes, kind))
        }
    }

    /// As md5sum(1) writes them, for all plain files; paths without the leading slash.
    private static func md5sums(_ placed: PlacedPackage) throws -> [UInt8] {
        let reader = ContentReader()
        let contents = placed.package.contents
        var bytes: [UInt8] = []
        for path in placed.paths {
            guard let content = contents[path] else { continue }
            let hasher = MD5Hasher()
            try reader.forEachChunk(of: content) { hasher.update($0) }
            bytes += Array("\(hasher.finalize())  ".utf8) + path.bytes + [UInt8(ascii: "\n")]
        }
        return bytes
    }

    /// One path a line; the root is `/.`.
    private static func list(_ paths: [EntryPath]) -> [UInt8] {
        var bytes: [UInt8] = []
        for path in paths {
            bytes += path.isRoot ? Array("/.".utf8) : [UInt8(ascii: "/")] + path.bytes
            bytes.append(UInt8(ascii: "\n"))
        }
        return bytes
    }
}
