import Diagnostics
import Foundation
import Kernel
import Storage
import SystemPackage
import TestSupport
import Testing
import Tools

/// Why a line did not take, in the words that a person sees.
@Suite struct KconfigFactsTests {
    /// Kconfiglib, fetched once; kept under `.build/test-inputs`.
    private static let engine = KconfigEngine(
        folder:
            repository
            .appending(".build").appending("test-inputs").appending("kconfiglib"), offline: false,
        tools: ToolRunner(
            environment: ProcessInfo.processInfo.environment.filter {
                $0.key.hasPrefix("PIP_") || ["SSL_CERT_FILE", "https_proxy", "http_proxy", "no_proxy"].contains($0.key)
            }))

    private func facts(_ questions: [KconfigEngine.Question], config: String = SmallKernel.config) async throws
        -> (facts: [KconfigFacts], tree: KconfigTree, folder: TemporaryFolder)
    {
        let folder = try TemporaryFolder(in: "/tmp", name: "piforge-facts")
        let root = folder.path.appending("tree")
        try SmallKernel.write(to: root)
        let tree = try KconfigTree(root: root, place: "small")
        let path = folder.path.appending("config")
        try writeAtomically(to: path, bytes: Array(config.utf8))
        return (try await Self.engine.facts(questions, tree: tree, config: path), tree, folder)
    }

    /// Lines that a small Kconfig does not let take, and what is said of each.
    @Test func everyLineThatDoesNotTakeIsExplained() async throws {
        let net = "depends on NET, which is n"
        let table: [(line: String, message: String, next: String?)] = [
            ("CONFIG_VSOCKETS=m", "CONFIG_VSOCKETS=m did not take (it is n): \(net)", "add CONFIG_NET=y"),
            (
                "CONFIG_VHOST_VSOCK=m",
                "CONFIG_VHOST_VSOCK=m did not take (it is n): depends on VSOCKETS, which is n",
                "add CONFIG_NET=y, CONFIG_VSOCKETS=m"
            ),
            (
                "CONFIG_BRIDGE_FILTER=y|m",
                "CONFIG_BRIDGE_FILTER=y|m did not take (it is n): depends on BRIDGE, which is n",
                "add CONFIG_NET=y, CONFIG_BRIDGE=y"
            ),
            ("CONFIG_NET=m", "CONFIG_NET=m did not take (it is n): it is a bool, y or n, and never a module", nil),
            (
                "CONFIG_VHOST=y",
                "CONFIG_VHOST=y did not take (it is n): it has no prompt, so that no line sets it; "
                    + "nothing selects it; these could: VHOST_VSOCK, which is n",
                "add CONFIG_NET=y, CONFIG_VSOCKETS=y, CONFIG_VHOST_VSOCK=y"
            ),
            (
                "# CONFIG_NEEDED is not set",
                "# CONFIG_NEEDED is not set did not take (it is y): selected by NEEDS, which is y", nil
            ),
            (
                "CONFIG_PAGES_64K=y",
                "CONFIG_PAGES_64K=y did not take (it is n): it is one of a choice, of which CONFIG_PAGES_4K is taken",
                nil
            ),
            ("CONFIG_LOG_SHIFT=99", "CONFIG_LOG_SHIFT=99 did not take (it is 17): it takes 12 to 25", nil),
            ("CONFIG_CMDLINE=y", "CONFIG_CMDLINE=y did not take (it is \"\"): it is a string", nil),
            (
                "CONFIG_VHOST_VSOK=m",
                "CONFIG_VHOST_VSOK=m did not take (it is n): Linux 6.12.9 has no such symbol; near: CONFIG_VHOST_VSOCK",
                nil
            ),
            ("CONFIG_X86=y", "CONFIG_X86=y did not take (it is n): Linux 6.12.9 has no such symbol", nil),
        ]
        let text = table.map(\.line).joined(separator: "\n")
        let fragment = try ConfigFragment.parse(text, file: "x.config")
        let config = try KernelConfig(Array(SmallKernel.config.utf8), at: "config")
        let found = try await facts(
            fragment.lines.map {
                .init(name: String($0.option.dropFirst("CONFIG_".count)), wanted: $0.values.first)
            })
        let symbols = try found.tree.symbols()
        for (index, (line, fact)) in zip(fragment.lines, found.facts).enumerated() {
            let failure = fact.failure(
                line, found: config[line.option], version: found.tree.version, symbols: symbols)
            #expect(
                failure
                    == Failure(
                        at: "kernel", "\(table[index].message). Fragment x.config:\(index + 1)", next: table[index].next
                    ))
        }
        #expect(found.facts.count == table.count)
    }

    @Test func aSymbolIsExplainedWithoutALine() async throws {
        let found = try await facts([
            .init(name: "VHOST_VSOCK", wanted: nil), .init(name: "NEEDED", wanted: nil),
            .init(name: "NET", wanted: nil),
            .init(name: "NIX", wanted: nil),
        ])
        let reasons = found.facts.map { $0.reasons(wanted: nil, version: found.tree.version, symbols: ["NET"]) }
        #expect(
            reasons == [
                ["depends on VSOCKETS, which is n"], ["selected by NEEDS, which is y"],
                ["its prompt is shown, and nothing forbids another value"], ["Linux 6.12.9 has no such symbol"],
            ])
        #expect(found.facts[0].next == "add CONFIG_NET=y, CONFIG_VSOCKETS=y")
        #expect(found.facts[0].defined == ["Kconfig:20"])
    }

    /// A condition of several symbols is told with the value of each.
    @Test func aConditionIsToldWithItsSymbols() async throws {
        let config = SmallKernel.config.replacing("# CONFIG_NET is not set", with: "CONFIG_NET=y\nCONFIG_VSOCKETS=m")
            .replacing("CONFIG_EVENTFD=y", with: "# CONFIG_EVENTFD is not set")
        let found = try await facts([.init(name: "VHOST_VSOCK", wanted: .yes)], config: config)
        #expect(
            found.facts[0].reasons(wanted: .yes, version: found.tree.version, symbols: []) == [
                "depends on VSOCKETS, which is m", "depends on EVENTFD || !NET, which is n (EVENTFD is n, NET is y)",
            ])
    }

    @Test func withoutANetworkAndAnEnvironmentItSaysSo() async throws {
        let folder = try TemporaryFolder(in: "/tmp", name: "piforge-facts")
        let root = folder.path.appending("tree")
        try SmallKernel.write(to: root)
        let engine = KconfigEngine(folder: folder.path.appending("none"), offline: true)
        let tree = try KconfigTree(root: root, place: "small")
        let failure = await failure {
            try await engine.facts([.init(name: "NET", wanted: nil)], tree: tree, config: "/nowhere")
        }
        #expect(failure?.message == "kconfiglib==14.1.0 is not in the cache")
        #expect(failure?.next == "run once without --offline")
    }
}
