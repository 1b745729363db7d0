import Diagnostics
import Digests
import Foundation
import Layers
import Storage
import SystemPackage

/// A kernel's source tree of this machine, which is only read: what is left out of a copy is git's own folder and what a compile
/// leaves in a tree, so that a tree that was built in counts for the same as one that was not.
package struct KernelTreeCopy: Sendable {
    private let root: FilePath

    /// - Parameter root: the tree's folder. Absolute.
    package init(_ root: FilePath) { self.root = root }

    /// A digest of the names, modes and contents of all that counts.
    ///
    /// - Throws: `Failure` when a file cannot be read; `CancellationError`.
    package func digest() throws -> SHA256Digest {
        let hasher = KeyHasher(purpose: "kernel tree")
        try forEach { path, kind in
            try Task.checkCancellation()
            hasher.add(path.bytes)
            switch kind {
            case .regular(let runs):
                hasher.add(runs ? "runs" : "file")
                hasher.add(SHA256Digest.of(try readFile(full(path), limit: Self.largestFile)))
            case .link(let target): hasher.add("link \(target)")
            }
        }
        return hasher.finalize()
    }

    /// Writes all that counts into an empty folder.
    ///
    /// - Throws: `Failure` when a file cannot be read or written; `CancellationError`.
    package func write(to folder: FilePath, progress: (Int) -> Void = { _ in }) throws {
        var count = 0
        try forEach { path, kind in
            try Task.checkCancellation()
            let target = folder.pushing(FilePath(String(decoding: path.bytes, as: UTF8.self)))
            try createFolder(target.removingLastComponent())
            switch kind {
            case .regular(let runs):
                let file = try OpenFile.creating(target, mode: runs ? 0o755 : 0o644)
                try file.write(at: 0, try readFile(full(path), limit: Self.largestFile))
            case .link(let text):
                try FileManager.default.createSymbolicLink(atPath: target.string, withDestinationPath: text)
            }
            count += 1
            progress(count)
        }
    }

    private static let largestFile = 512 << 20

    private enum Kind {
        case regular(runs: Bool)
        case link(String)
    }

    private func full(_ path: EntryPath) -> FilePath {
        root.pushing(FilePath(String(decoding: path.bytes, as: UTF8.self)))
    }

    /// In the order of the paths' bytes.
    private func forEach(_ body: (EntryPath, Kind) throws -> Void) throws {
        guard let names = FileManager.default.enumerator(atPath: root.string) else {
            throw Failure(at: root.string, "could not read the folder")
        }
        var found: [EntryPath] = []
        while let name = names.nextObject() as? String {
            if Self.leftFolders.contains(name) || name.hasSuffix("/.tmp_versions") { names.skipDescendants() }
            guard !Self.leftFolders.contains(name), let path = try? EntryPath(validating: name) else { continue }
            if !Self.isLeft(path) { found.append(path) }
        }
        for path in found.sorted() {
            let place = full(path)
            switch try fileKind(place) {
            case .regular(let runs): try body(path, .regular(runs: runs))
            case .symlink(let raw):
                // What a link leads to outside of the tree is of this machine alone.
                let target = String(decoding: raw, as: UTF8.self)
                guard KernelSourceArchive.staysInTree(target, at: path) else { continue }
                try body(path, .link(target))
            default: continue
            }
        }
    }

    /// Linux, .gitignore and the targets clean and mrproper of its Makefile.
    private static let leftFolders: Set<String> = [
        ".git", "include/config", "include/generated", "arch/arm64/include/generated", "debian", ".tmp_versions",
    ]
    private static let leftNames: Set<String> = [
        "vmlinux", "vmlinux.o", "vmlinux.a", "vmlinux.map", "vmlinux.symvers", "System.map", "Module.symvers",
        "modules.order",
        "modules.builtin", "modules.builtin.modinfo", "modules.nsdeps", "built-in.a", ".config", ".config.old",
        ".version",
        "compile_commands.json",
    ]
    private static let leftEndings = [
        ".o", ".a", ".ko", ".cmd", ".d", ".mod", ".mod.c", ".dtb", ".dtbo", ".lex.c", ".tab.c", ".tab.h", ".so",
        ".so.dbg", ".gcno",
        ".order", ".su", ".symtypes", ".i",
    ]

    private static func isLeft(_ path: EntryPath) -> Bool {
        let name = String(decoding: path.name, as: UTF8.self)
        if leftNames.contains(name) || name.hasPrefix(".tmp_") { return true }
        if path.isInside("arch/arm64/boot"), path.components.count == 4, name.hasPrefix("Image") { return true }
        // Linux 4.19 ships what its lexers were made to in no file of these names, and test data that end like objects.
        return leftEndings.contains { name.hasSuffix($0) } && !path.isInside("tools") && !path.isInside("Documentation")
    }
}
