import Diagnostics
import Layers

/// What depmod knows of a kernel's modules: their files, what each needs, and their aliases.
///
/// Read from `modules.dep`, `modules.softdep`, `modules.alias` and `modules.builtin` (modules.dep(5)), so the tree must
/// have been through ``Depmod``.
package struct ModuleIndex: Sendable {
    /// The kernel whose modules these are.
    package let release: KernelRelease
    /// Each module's file, below the module folder.
    private var files: [String: EntryPath] = [:]
    /// Each module's needs; depmod lists all of them, those needed first at the end.
    private var needs: [String: [String]] = [:]
    /// What each module wants loaded before it, where that exists.
    private var softNeeds: [String: [String]] = [:]
    private var builtIn: Set<String> = []
    /// Pattern and module, in depmod's order.
    private var aliases: [(pattern: String, module: String)] = []

    /// - Throws: `Failure` when the tree has no `modules.dep` for the release, or one that names a missing file.
    package init(_ release: KernelRelease, in tree: Tree) throws {
        self.release = release
        let reader = ContentReader()
        // By bytes: modules.alias has tens of thousands of lines.
        func lines(_ name: String) throws -> [String] {
            guard let content = tree.content(release.modules.appending(name)) else { return [] }
            return try reader.bytes(of: content).split(separator: UInt8(ascii: "\n"))
                .filter { $0.first != UInt8(ascii: "#") }.map { String(decoding: $0, as: UTF8.self) }
        }
        let place = "\(release.modules.appending("modules.dep"))"
        let dependencies = try lines("modules.dep")
        for line in try lines("modules.builtin") { builtIn.insert(Self.name(ofFile: line)) }
        // Without one module the file is there, and empty.
        let hasRun = tree.content(release.modules.appending("modules.dep")) != nil
        guard !dependencies.isEmpty || (hasRun && !builtIn.isEmpty) else {
            throw Failure(at: place, "the file is missing or empty: depmod has not run")
        }
        for line in dependencies {
            guard let colon = line.firstIndex(of: ":") else {
                throw Failure(at: place, "the line has no colon: \(line)")
            }
            let file = try EntryPath(validating: String(line[..<colon]))
            guard tree.content(release.modules.appending(file.bytes)) != nil else {
                throw Failure(at: place, "the module \(file) is listed but not in the tree")
            }
            let name = Self.name(ofFile: line[..<colon])
            files[name] = file
            needs[name] = line[line.index(after: colon)...].split(separator: " ").map { Self.name(ofFile: $0) }
        }
        for line in try lines("modules.alias") {
            let words = line.utf8.split(separator: UInt8(ascii: " "))
            guard words.count == 3, let pattern = String(words[1]), let module = String(words[2]) else { continue }
            aliases.append((pattern, module))
        }
        for line in try lines("modules.softdep") {
            var words = line.split(separator: " ").dropFirst()
            guard let module = words.popFirst() else { continue }
            // "pre: a b post: c"; words before the first keyword count for nothing (modprobe.d(5)).
            let pre = words.drop { $0 != "pre:" }.dropFirst().prefix { $0 != "post:" }
            softNeeds[Self.canonical(module), default: []] += pre.map(Self.canonical)
        }
    }

    /// Whether the kernel has the module built in.
    package func isBuiltIn(_ name: String) -> Bool { builtIn.contains(Self.canonical(name)) }

    /// Whether the module is there as a file.
    package func isLoadable(_ name: String) -> Bool { files[Self.canonical(name)] != nil }

    /// The module's file, in the tree.
    package func path(of name: String) -> EntryPath? {
        files[Self.canonical(name)].map { release.modules.appending($0.bytes) }
    }

    /// These modules and all they need, each after what it needs: an order to load them in. Built-in ones are left
    /// out; names may be spelt with `-` or `_`.
    ///
    /// - Throws: `Failure` naming the modules that the kernel has neither built in nor as a file.
    package func closure(of names: [String]) throws -> [String] {
        let missing = names.filter { !isBuiltIn($0) && !isLoadable($0) }
        guard missing.isEmpty else {
            throw Failure(
                at: "kernel \(release.name)", "the kernel lacks the modules \(missing.joined(separator: ", "))",
                expected: "each built in or as a module")
        }
        var exactAliases: [String: [String]] = [:]
        let wanted = Set(softNeeds.values.joined())
        for alias in aliases where alias.pattern.utf8.count < 64 {
            let pattern = Self.canonical(alias.pattern)
            if wanted.contains(pattern) { exactAliases[pattern, default: []].append(alias.module) }
        }
        var order: [String] = []
        var seen: Set<String> = []
        func visit(_ name: String) {
            guard files[name] != nil, seen.insert(name).inserted else { return }
            for soft in softNeeds[name, default: []] {
                visit(soft)
                for module in exactAliases[soft, default: []] { visit(module) }
            }
            for need in needs[name, default: []].reversed() { visit(need) }
            order.append(name)
        }
        for name in names { visit(Self.canonical(name)) }
        return order
    }

    /// The modules as an initramfs carries them: uncompressed files below `lib/modules/RELEASE`, with the
    /// `modules.dep` and `modules.alias` that busybox's modprobe reads.
    ///
    /// - Parameter modules: as ``closure(of:)`` gives them.
    /// - Throws: `Failure` when a module's file is damaged.
    package func entries(of modules: [String], from tree: Tree, time: Timestamp) throws -> [Entry] {
        let folder = EntryPath("lib/modules").appending(release.name)
        let file = Attributes(mode: 0o644, mtime: time)
        let reader = ContentReader()
        let chosen = Set(modules)
        var entries: [Entry] = []
        var dependencies = ""
        for name in modules {
            try Task.checkCancellation()
            guard let stored = files[name], let content = tree.content(release.modules.appending(stored.bytes)) else {
                continue
            }
            let bytes = try Decompression.bytes(of: reader.bytes(of: content), place: "\(stored)")
            let path = Self.uncompressed(stored)
            entries.append(Entry(folder.appending(path.bytes), file, .regular(Content(bytes))))
            let needed = needs[name, default: []].compactMap { files[$0] }.map { Self.relative(Self.uncompressed($0)) }
            dependencies += "\(Self.relative(path)): \(needed.joined(separator: " "))\n"
        }
        let kept = aliases.filter { chosen.contains($0.module) }
        let aliasText = kept.map { "alias \($0.pattern) \($0.module)\n" }.joined()
        entries.append(Entry(folder.appending("modules.dep"), file, .regular(Content(dependencies))))
        entries.append(Entry(folder.appending("modules.alias"), file, .regular(Content(aliasText))))
        return entries
    }

    /// The kernel's name for a module: `-` and `_` are the same to it.
    private static func canonical(_ name: some StringProtocol) -> String {
        String(name.map { $0 == "-" ? "_" : $0 })
    }

    /// `kernel/fs/ext4/ext4.ko.xz` is `ext4`.
    private static func name(ofFile path: some StringProtocol) -> String {
        let file = String(path).split(separator: "/").last ?? ""
        return canonical(file.prefix { $0 != "." })
    }

    private static func relative(_ path: EntryPath) -> String { String(decoding: path.bytes, as: UTF8.self) }

    private static func uncompressed(_ path: EntryPath) -> EntryPath {
        for suffix in [".xz", ".zst", ".gz"] where path.bytes.suffix(suffix.utf8.count).elementsEqual(suffix.utf8) {
            let stem = path.name.dropLast(suffix.utf8.count)
            return path.parent?.appending(stem) ?? path
        }
        return path
    }
}
