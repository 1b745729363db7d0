import Diagnostics
import Digests
import Layers
import Storage
import SystemPackage
import Tools

#if canImport(Glibc)
    import Glibc
#endif

/// Makes a kernel's module indexes (`modules.dep.bin` and the like) on the host.
///
/// depmod reads ELF files of any architecture, and the binary indexes have one format, version 2.1
/// (kmod, libkmod/libkmod-index.c, INDEX_VERSION), so what the host's depmod writes the target's kmod reads.
package enum Depmod {
    /// The most bytes of module files that are looked at.
    private static let sizeLimit: UInt64 = 4 << 30

    /// Runs depmod over the modules of one release.
    ///
    /// System.map is not looked at: Debian's is a stub, and missing symbols are the kernel package's affair.
    ///
    /// - Parameters:
    ///   - work: a folder of the host for the modules' copies; nothing is left there.
    ///   - time: the indexes' modification time.
    /// - Returns: a layer of `modules.dep`, `modules.alias`… and their binary forms, owned by root.
    /// - Throws: `Failure` when depmod is missing, fails, or cannot read a module; `CancellationError`.
    package static func layer(
        _ release: KernelRelease, in tree: Tree, runner: ToolRunner, work: FilePath, time: Timestamp
    ) async throws -> Layer {
        let place = "kernel \(release.name)"
        let scratch = try TemporaryFolder(in: work, name: "depmod")
        // kmod looks in lib/modules up to version 32 and wherever it was configured from 33 on: serve both.
        let folder = scratch.path.appending("lib/modules").appending(release.name)
        try createFolder(folder)
        guard symlink(".", scratch.path.appending("usr").string) == 0 else {
            throw Failure(at: place, "could not make a link in \(scratch.path)")
        }
        let inputs = try extract(release, from: tree, to: folder, place)
        // A kernel without modules brings no list of their order, and depmod misses it.
        let order = folder.appending("modules.order")
        if inputs.isSubset(of: lists), !exists(order) { try writeAtomically(to: order, bytes: []) }
        // In place of the host's own /etc/depmod.d, whose rules must not reach the image.
        let rules = scratch.path.appending("depmod.conf")
        try writeAtomically(to: rules, bytes: [])
        let result = try await runner.run(
            .depmod, ["-C", rules.string, "-b", scratch.path.string, release.name], place: place)
        // depmod ends with 0 after an unreadable module.
        if let line = result.errors.splitLines().first(where: { !$0.isEmpty }) {
            throw Failure(at: place, "depmod complained", expected: "no message", found: String(line))
        }
        return try collect(release, from: folder, except: inputs, time, place)
    }

    /// A digest of all that the indexes are made of: the modules, and what the kernel's build says of them.
    package static func inputsDigest(_ release: KernelRelease, in tree: Tree) -> SHA256Digest {
        let hasher = KeyHasher(purpose: "depmod inputs")
        for (path, content) in modules(below: release.modules, in: tree) {
            hasher.add("\(path)")
            hasher.add(content.digest)
        }
        return hasher.finalize()
    }

    /// Copies the release's regular files out; links (`build`, `source`) lead elsewhere and stay behind.
    private static func extract(
        _ release: KernelRelease, from tree: Tree, to folder: FilePath, _ place: String
    ) throws -> Set<String> {
        let reader = ContentReader()
        var names: Set<String> = []
        var total: UInt64 = 0
        for (path, content) in modules(below: release.modules, in: tree) {
            try Task.checkCancellation()
            total += content.size
            guard total <= sizeLimit else {
                throw Failure(at: place, "the modules are too large", expected: "at most \(sizeLimit) bytes")
            }
            guard let text = path.relative(to: release.modules).map({ String(decoding: $0.bytes, as: UTF8.self) })
            else {
                continue
            }
            names.insert(text)
            let target = folder.appending(text)
            try createFolder(target.removingLastComponent())
            let file = try OpenFile.creating(target)
            var offset: UInt64 = 0
            try reader.forEachChunk(of: content) { piece in
                try file.write(at: offset, piece)
                offset += UInt64(piece.count)
            }
        }
        // A kernel that has all it needs built in lists that, and has no module.
        guard !names.subtracting(lists).isEmpty || names.contains("modules.builtin") else {
            throw Failure(at: place, "\(release.modules) holds no modules")
        }
        return names
    }

    private static func modules(below folder: EntryPath, in tree: Tree) -> [(EntryPath, Content)] {
        tree.children(of: folder).flatMap { path -> [(EntryPath, Content)] in
            switch tree[path]?.kind {
            case .directory: modules(below: path, in: tree)
            case .regular(let content) where isInput(path): [(path, content)]
            default: []
            }
        }
    }

    /// What depmod reads: modules, and the three lists that the kernel's build leaves.
    private static let lists: Set<String> = ["modules.order", "modules.builtin", "modules.builtin.modinfo"]

    private static func isInput(_ path: EntryPath) -> Bool {
        let name = String(decoding: path.name, as: UTF8.self)
        return lists.contains(name) || [".ko", ".ko.xz", ".ko.zst", ".ko.gz"].contains { name.hasSuffix($0) }
    }

    private static func collect(
        _ release: KernelRelease, from folder: FilePath, except inputs: Set<String>, _ time: Timestamp, _ place: String
    ) throws -> Layer {
        let names = [
            "modules.alias", "modules.alias.bin", "modules.builtin.alias.bin", "modules.builtin.bin", "modules.dep",
            "modules.dep.bin", "modules.devname", "modules.softdep", "modules.symbols", "modules.symbols.bin",
            // kmod 31 and newer.
            "modules.weakdep",
        ]
        var layer = Layer(name: "depmod \(release.name)")
        for name in names where exists(folder.appending(name)) {
            let bytes = try readFile(folder.appending(name))
            layer.entries.append(
                Entry(
                    release.modules.appending(name), Attributes(mode: 0o644, mtime: time), .regular(Content(bytes))))
        }
        guard layer.entries.contains(where: { $0.path.name.elementsEqual("modules.dep.bin".utf8) }) else {
            throw Failure(at: place, "depmod wrote no modules.dep.bin")
        }
        return layer
    }
}
