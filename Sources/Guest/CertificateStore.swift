import Diagnostics
import Foundation
import Layers
import Storage
import SystemPackage
import Tools

/// Makes /etc/ssl/certs on the host, as Debian's update-ca-certificates would in the guest, where it takes 40 seconds.
///
///     NAME.pem             link to /usr/share/ca-certificates/…/NAME.crt
///     XXXXXXXX.N           link to NAME.pem, by the hash of the certificate's subject (openssl-rehash(1))
///     ca-certificates.crt  all of them, in the order of /etc/ca-certificates.conf
enum CertificateStore {
    private static let list: EntryPath = "etc/ca-certificates.conf"
    private static let folder: EntryPath = "etc/ssl/certs"
    private static let source: EntryPath = "usr/share/ca-certificates"
    private static let localSource: EntryPath = "usr/local/share/ca-certificates"
    private static let hooks: EntryPath = "etc/ca-certificates/update.d"

    /// Whether the host can do all that the script does: the package is there, and neither hooks nor certificates of
    /// the administrator's are.
    static func canBeMade(for tree: Tree) -> Bool {
        guard tree.lookup("usr/sbin/update-ca-certificates") != nil else { return false }
        return [hooks, localSource, folder].allSatisfy {
            tree.resolve($0).map { tree.children(of: $0).isEmpty } ?? true
        }
    }

    /// Whether the host can make the folder anew for a tree in which it is made: no hook is there that only the image could run.
    static func canBeRemade(in tree: Tree) -> Bool {
        guard tree.lookup("usr/sbin/update-ca-certificates") != nil else { return false }
        return tree.resolve(hooks).map { tree.children(of: $0).isEmpty } ?? true
    }

    /// Adds the folder's files to the layer in which the guest has left the list.
    ///
    /// - Throws: `Failure` when openssl is missing or refuses a certificate.
    static func add(to layer: inout Layer, over tree: Tree, epoch: Int64, work: FilePath) async throws {
        var result = tree
        try result.apply(layer)
        layer.entries += try await entries(for: result, epoch: epoch, work: work)
    }

    /// The folder as it has to be for this tree: what is no longer meant goes, what is new comes.
    ///
    /// - Throws: `Failure` when openssl is missing or refuses a certificate.
    static func layer(for tree: Tree, epoch: Int64, work: FilePath) async throws -> Layer {
        var layer = Layer(name: "certificates")
        layer.entries = try await entries(for: tree, epoch: epoch, work: work)
        let names = Set(layer.entries.map(\.path))
        // Links to certificates, by name and by hash; those whose certificate is gone lead nowhere.
        layer.whiteouts = tree.children(of: folder).filter { path in
            guard !names.contains(path), case .symlink = tree[path]?.kind else { return false }
            return tree.resolve(path).map { to in [source, localSource].contains { to.isInside($0) } } ?? true
        }
        layer.entries.removeAll { entry in
            tree[entry.path].map { $0.kind == entry.kind } ?? false
        }
        return layer
    }

    private static func entries(for tree: Tree, epoch: Int64, work: FilePath) async throws -> [Entry] {
        guard let listing = tree.content(list) else { return [] }
        let reader = ContentReader()
        let time = Timestamp(seconds: epoch)
        let attributes = Attributes(mode: 0o777, mtime: time)
        var layer = Layer(name: "certificates")
        var bundle: [UInt8] = []
        let scratch = try TemporaryFolder(in: work, name: "certificates")
        var names: [String] = []
        let listed = try reader.text(of: listing).splitLines().filter { !$0.hasPrefix("#") && !$0.hasPrefix("!") }
        let files =
            try listed.map { try EntryPath(validating: "\(source)/\($0)") }
            + tree.contents(of: tree.resolve(localSource) ?? localSource).filter {
                $0.name.suffix(4).elementsEqual(".crt".utf8)
            }
        for file in files {
            guard let content = tree.content(file) else { continue }
            var bytes = try reader.bytes(of: content, limit: 1 << 20)
            if let last = bytes.last, last != UInt8(ascii: "\n") { bytes.append(UInt8(ascii: "\n")) }
            bundle += bytes
            let name = linkName(of: "\(file)")
            try writeAtomically(to: scratch.path.appending(name), bytes: bytes)
            names.append(name)
            layer.addSymlink(folder.appending(name), to: "\(file)", attributes)
        }
        guard !names.isEmpty else { return [] }
        try await ToolRunner().run(.openssl, ["rehash", scratch.path.string], place: "\(folder)")
        let made = try FileManager.default.contentsOfDirectory(atPath: scratch.path.string).sorted()
        for name in made where !names.contains(name) {
            let target = try FileManager.default.destinationOfSymbolicLink(atPath: scratch.path.appending(name).string)
            layer.addSymlink(folder.appending(name), to: target, attributes)
        }
        let mode = Attributes(mode: 0o644, mtime: time)
        layer.entries.append(Entry(folder.appending("ca-certificates.crt"), mode, .regular(Content(bundle))))
        return layer.entries
    }

    /// `mozilla/A (B),C.crt` is `A_=B=_C.pem`: blanks and commas become `_`, parentheses `=`.
    static func linkName(of certificate: String) -> String {
        var name = certificate.split(separator: "/").last.map(String.init) ?? certificate
        if name.hasSuffix(".crt") { name.removeLast(4) }
        let mapped = name.map { character -> Character in
            switch character {
            case " ", ",": "_"
            case "(", ")": "="
            default: character
            }
        }
        return String(mapped) + ".pem"
    }
}
