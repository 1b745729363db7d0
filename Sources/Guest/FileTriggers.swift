import Diagnostics
import Layers
import SystemPackage

/// What packages compute from files of the tree, and so must compute anew when files come that are in no package: an overlay's
/// libraries, hardware data, fonts, schemas, certificates.
///
/// A package says which folders it watches (deb-triggers(5), `interest PATH`); dpkg keeps the list in
/// /var/lib/dpkg/triggers/File, a line "PATH PACKAGE" each. A few are set off by name alone; which files ask for those is said here.
package struct FileTriggers {
    /// What a set of files asks for.
    package struct Work: Sendable, Equatable {
        /// dpkg's triggers: names, and paths with their slash.
        package var triggers: [String] = []
        /// Programs of the tree that no trigger runs, as paths.
        package var programs: [String] = []
        /// Whether /etc/ssl/certs is to be made anew.
        package var certificates = false
        /// The files that ask for it.
        package var files: [EntryPath] = []

        /// Whether the micro-VM has anything to do.
        package var needsGuest: Bool { !triggers.isEmpty || !programs.isEmpty }
    }

    private let tree: Tree
    /// Watched paths, as they stand in the tree, with the text that dpkg knows them by.
    private let watched: [(path: EntryPath, text: String)]
    private static let folder: EntryPath = "var/lib/dpkg/triggers"

    /// What is computed of them is left out of an image (`NormalisationRule.caches`), so nothing need be computed.
    private static let unused: [EntryPath] = ["usr/share/man", "usr/local/share/man"]

    /// - Throws: `Failure` when dpkg's list cannot be read.
    package init(in tree: Tree) throws {
        self.tree = tree
        let list = try tree.content(Self.folder.appending("File")).map {
            try ContentReader().text(of: $0, limit: 4 << 20)
        }
        watched = (list ?? "").splitLines().compactMap { line in
            guard let text = line.split(separator: " ").first.map(String.init), text.hasPrefix("/"),
                let path = try? EntryPath(validating: text)
            else { return nil }
            return (tree.place(of: path) ?? path, text)
        }
    }

    /// Whether anything in an image could be computed of a file at this path: a first, cheap answer for who has no tree yet.
    package static func mayFeed(_ path: EntryPath) -> Bool {
        let folders: [EntryPath] = [
            "usr/lib", "usr/lib64", "usr/share", "usr/local/lib", "usr/local/share", "lib", "lib64", "etc/ld.so.conf",
            "etc/ld.so.conf.d", "etc/udev/hwdb.d", "etc/ca-certificates", "etc/ca-certificates.conf", "etc/locale.gen",
        ]
        return folders.contains { path.isInside($0) }
    }

    /// /etc/ssl/certs as it has to be for a tree (``Work/certificates``).
    ///
    /// - Throws: `Failure` when openssl is missing or refuses a certificate.
    package static func certificates(in tree: Tree, epoch: Int64, work: FilePath) async throws -> Layer {
        try await CertificateStore.layer(for: tree, epoch: epoch, work: work)
    }

    /// What these files ask for.
    ///
    /// - Parameter seen: the tree with them.
    package func work(for paths: [EntryPath], in seen: Tree) -> Work {
        var work = Work()
        var names: Set<String> = []
        for path in paths where !Self.unused.contains(where: { path.isInside($0) }) {
            var asks = watched.filter { path.isInside($0.path) && path != $0.path }.map(\.text)
            if isLibrary(path), has("ldconfig") { asks.append("ldconfig") }
            if path.isInside("etc/udev/hwdb.d"), let hardware = watched.first(where: { $0.text.hasSuffix("/hwdb.d") }) {
                asks.append(hardware.text)
            }
            let isCertificate = Self.certificates.contains { path.isInside($0) }
            let isLocaleList = path == "etc/locale.gen" && seen.content("usr/sbin/locale-gen") != nil
            if isLocaleList { work.programs = ["/usr/sbin/locale-gen"] }
            work.certificates = work.certificates || isCertificate
            if !asks.isEmpty || isCertificate || isLocaleList { work.files.append(path) }
            names.formUnion(asks)
        }
        if work.certificates, !CertificateStore.canBeRemade(in: seen) {
            names.insert("update-ca-certificates")
            work.certificates = false
        }
        work.triggers = names.sorted()
        return work
    }

    private static let certificates: [EntryPath] = [
        "usr/local/share/ca-certificates", "usr/share/ca-certificates", "etc/ca-certificates",
        "etc/ca-certificates.conf",
    ]

    private func has(_ trigger: String) -> Bool { tree.content(Self.folder.appending(trigger)) != nil }

    /// What ld.so looks for by its cache (ld.so(8), ldconfig(8)).
    private func isLibrary(_ path: EntryPath) -> Bool {
        if path.isInside("etc/ld.so.conf.d") || path == "etc/ld.so.conf" { return true }
        let name = String(decoding: path.name, as: UTF8.self)
        guard name.hasPrefix("lib") || name.hasPrefix("ld-"), name.hasSuffix(".so") || name.contains(".so.") else {
            return false
        }
        let folders: [EntryPath] = ["usr/lib", "usr/local/lib", "lib", "opt"]
        return folders.contains { path.isInside($0) }
    }
}
