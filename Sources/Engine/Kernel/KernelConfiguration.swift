import Diagnostics
import Digests
import Kernel
import Layers
import Recipe
import Storage
import SystemPackage
import Tools

extension KernelFromSource {
    /// Configures the recipe's kernel from its source, and compares the result with the committed one.
    ///
    /// - Parameters:
    ///   - check: write nothing, and find fault with a committed configuration that is not the result.
    ///   - why: symbols to tell about, with or without `CONFIG_`.
    /// - Returns: what came of it; its `failures` are for the caller to throw. Nothing was written when there are any.
    /// - Throws: `Failure` for all that keeps the kernel from being configured; `CancellationError`.
    func configure(check: Bool, why: [String]) async throws -> KernelConfigReport {
        var made = try await madeConfiguration(writesLock: !check, why: why)
        judge(&made, check: check)
        let report = made.report
        if report.failures.isEmpty, !check, made.committed != made.bytes {
            try writeAtomically(to: FilePath(report.file), bytes: made.bytes)
            made.report.wrote = true
        }
        made.report.problems = report.failures.map(\.description)
        return made.report
    }

    /// A configuration, and what it was made of.
    struct MadeConfiguration {
        var report: KernelConfigReport
        var part: KernelSourceReader.Part
        var version: KernelVersion
        /// As the kernel's Kconfig wrote it.
        var config: [UInt8]
        /// As it is committed: with the digest of what it was made of.
        var bytes: [UInt8]
        var committed: [UInt8]?
        /// The committed one.
        var old: KernelConfig?
    }

    /// Makes the configuration; lines that did not take are the report's failures.
    func madeConfiguration(writesLock: Bool, why: [String]) async throws -> MadeConfiguration {
        try checkKernelFolder()
        let folder = kernelConfigs
        let fragment = try KernelContract(context).fragment()
        let patches = try source.patches.map { try Self.patch($0) }
        let reader = try reader(writesLock: writesLock)
        let part = try await reader.part(also: try patches.reduce(into: []) { $0.formUnion(try $1.files()) })

        let work = try TemporaryFolder(in: cache.work, name: "kconfig")
        defer { withExtendedLifetime(work) {} }
        let root = work.path.appending("source")
        try KconfigTree.write(part.layer, to: root)
        for patch in patches { try await patch.apply(to: root, tools: tools) }
        let tree = try KconfigTree(root: root, place: part.name)
        try await KernelToolchain.check(against: tree, tools: tools)
        let output = work.path.appending("output")
        try createFolder(output)
        progress.report(.started(step: "kconfig", detail: "Linux \(tree.version), \(source.defconfig)"))
        let made = try await KernelConfigurator(tree: tree, work: output, tools: tools)
            .configure(defconfig: source.defconfig, fragment)
        progress.report(.finished(step: "kconfig", detail: "\(made.count) bytes", cached: false))

        let file = folder.appending("generated").appending("\(recipe.name).config")
        let bytes = Self.header(try digest(part, tree.version, fragment)) + made
        let config = try KernelConfig(bytes, at: file.string)
        let committed = exists(file) ? try readFile(file, limit: KernelConfig.largest) : nil
        let old = try committed.map { try KernelConfig($0, at: file.string) }
        var report = KernelConfigReport(
            file: file.string, source: part.name, version: tree.version.description,
            toolchain: KernelConfigurator.toolchain(of: config),
            builtIn: config.options.count { config[$0] == .yes },
            modules: config.options.count { config[$0] == .module },
            lines: fragment.lines(for: tree.version).count,
            changes: old.map {
                ConfigChanges(from: $0, to: config, text: String(decoding: made, as: UTF8.self), fragment: fragment)
            }, wrote: false, note: nil, answers: [], problems: [])
        try await explain(&report, why, fragment, config, tree, output.appending(".config"))
        return MadeConfiguration(
            report: report, part: part, version: tree.version, config: made, bytes: bytes, committed: committed,
            old: old)
    }

    // MARK: What goes in

    /// The kernel's Makefile splits the path of its folder at blanks and colons.
    private func checkKernelFolder() throws {
        guard cache.root.string.contains(where: { $0.isWhitespace || $0 == ":" }) else { return }
        throw Failure(
            .usage, at: cache.root.string, "the kernel's own Makefile cannot work in such a folder",
            expected: "a path without blanks and colons", next: "choose another folder with --cache")
    }

    /// The folder `kernel-configs` beside the recipe's folder, or in it.
    private var kernelConfigs: FilePath {
        let folder = options.recipePath.removingLastComponent()
        let beside = folder.removingLastComponent().appending("kernel-configs")
        return exists(beside) ? beside : folder.appending("kernel-configs")
    }

    static func patch(_ patch: KernelSource.Patch) throws -> KernelPatch {
        let bytes = try readFile(patch.file.path)
        let digest = SHA256Digest.of(bytes)
        guard digest.hex == patch.sha256 else {
            throw Failure(
                at: patch.file.written, "the patch is not the one that the recipe names",
                expected: "sha256:\(patch.sha256)",
                found: "sha256:\(digest.hex)", next: "find out why it changed, then correct kernel.patches")
        }
        return KernelPatch(bytes, name: patch.file.written)
    }

    /// A digest of all that shapes the configuration, but for the compiler.
    private func digest(
        _ part: KernelSourceReader.Part, _ version: KernelVersion, _ fragment: ConfigFragment
    ) throws -> SHA256Digest {
        let hasher = KeyHasher(purpose: "kernel configuration 1")
        hasher.add(part.identity)
        hasher.add(source.defconfig)
        hasher.add(source.patches.count)
        for patch in source.patches { hasher.add(patch.sha256) }
        for line in try fragment.settings(for: version) { hasher.add(line.text) }
        return hasher.finalize()
    }

    private static func header(_ inputs: SHA256Digest) -> [UInt8] {
        Array(
            "# Made by `piforge kernel config` from the recipe and its fragments: change those.\n# inputs sha256:\(inputs.hex)\n"
                .utf8)
    }

    private static func inputsLine(_ bytes: [UInt8]) -> ArraySlice<UInt8>? {
        bytes.split(separator: UInt8(ascii: "\n"), maxSplits: 2).first { $0.starts(with: "# inputs ".utf8) }
    }

    // MARK: What came out

    /// Finds the lines that did not take, and tells why; answers questions.
    private func explain(
        _ report: inout KernelConfigReport, _ why: [String], _ fragment: ConfigFragment, _ config: KernelConfig,
        _ tree: KconfigTree, _ path: FilePath
    ) async throws {
        let symbols = try tree.symbols()
        let violations = ConfigFragment.violations(of: fragment, in: config, version: tree.version)
        // `# CONFIG_X is not set` of a symbol that is not there takes, and is a mistake all the same.
        let unknown = fragment.lines(for: tree.version).filter {
            $0.values == [.notSet] && !symbols.contains(Self.symbol($0.option))
        }
        let lines = violations.map { ($0.line, $0.found) } + unknown.map { ($0, KernelOptionValue.notSet) }
        let questions =
            lines.map { KconfigEngine.Question(name: Self.symbol($0.0.option), wanted: $0.0.values.first) }
            + why.map { KconfigEngine.Question(name: Self.symbol($0), wanted: nil) }
        let engine = KconfigEngine(
            folder: cache.root.appending("python").appending("kconfiglib"), offline: options.offline,
            tools: ToolRunner(environment: pipEnvironment))
        let facts: [KconfigFacts]
        do {
            facts = try await engine.facts(questions, tree: tree, config: path)
        } catch let failure as Failure where why.isEmpty {
            // That a line did not take is worth more than why.
            report.failures = lines.map { line, found in
                Failure(
                    at: "kernel", "\(line.text) did not take (it is \(found)). Fragment \(line.place)",
                    found: "no explanation: \(failure.place): \(failure.message)", next: failure.next)
            }
            return
        }
        for (line, fact) in zip(lines, facts) {
            report.failures.append(fact.failure(line.0, found: line.1, version: tree.version, symbols: symbols))
        }
        let asked = fragment.lines(for: tree.version)
        report.answers = facts.dropFirst(lines.count).map { fact in
            let option = "CONFIG_\(fact.name)"
            let wishes = asked.filter { $0.option == option }.map { "\($0.place) asks for \($0.text)" }
            return KernelConfigReport.Answer(
                option: option, value: config[option].description,
                reasons: wishes + fact.reasons(wanted: nil, version: tree.version, symbols: symbols), next: fact.next,
                defined: fact.defined ?? [])
        }
    }

    private static func symbol(_ option: String) -> String {
        option.hasPrefix("CONFIG_") ? String(option.dropFirst("CONFIG_".count)) : option
    }

    /// What pip needs of the caller's environment: proxies, certificates, and its own settings.
    private var pipEnvironment: [String: String] {
        options.environment.filter { name, _ in
            name.hasPrefix("PIP_") || ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"].contains(name)
                || ["http_proxy", "https_proxy", "all_proxy", "no_proxy"].contains(name.lowercased())
        }
    }

    /// Compares with the committed configuration.
    private func judge(_ made: inout MadeConfiguration, check: Bool) {
        let next = options.command("kernel config")
        guard let committed = made.committed, let old = made.old else {
            if check {
                made.report.failures.append(
                    Failure(at: made.report.file, "there is no committed configuration", next: next))
            }
            return
        }
        let before = KernelConfigurator.toolchain(of: old)
        if before != made.report.toolchain {
            made.report.note =
                "the committed configuration was made with \(before); options that only the compiler decides may differ"
        }
        guard check, isStale(committed, made, before) else { return }
        let count = made.report.changes?.count ?? 0
        made.report.failures.append(
            Failure(
                at: made.report.file, "the committed configuration is stale",
                expected: "what \(made.report.source) and the fragments give",
                found: count == 0 ? "the same options, from other inputs" : "\(count) options that differ", next: next))
    }

    private func isStale(_ committed: [UInt8], _ made: MadeConfiguration, _ before: String) -> Bool {
        if committed == made.bytes { return false }
        return before == made.report.toolchain || Self.inputsLine(committed) != Self.inputsLine(made.bytes)
    }

    /// What a build should say of the committed configuration; nil where it is the one that is built.
    func remark(on made: MadeConfiguration) -> String? {
        guard let committed = made.committed, let old = made.old,
            isStale(committed, made, KernelConfigurator.toolchain(of: old))
        else { return nil }
        return "\(made.report.file) is stale; what is compiled is what the source and the fragments give now. "
            + "piforge kernel config \(options.recipePath) writes it"
    }
}
