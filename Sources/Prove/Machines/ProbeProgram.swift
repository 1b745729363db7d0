import Diagnostics
import Digests
import Storage
import SystemPackage
import Tools

/// The program of Resources/kvm-probe.c, compiled for arm64.
enum ProbeProgram {
    static let flags = [
        // Without PIE there is no global offset table, and nothing to relocate.
        "-static", "-nostdlib", "-ffreestanding", "-fno-pie", "-no-pie", "-Os", "-fno-stack-protector", "-Wall",
        "-Wextra", "-Werror", "-Wl,--build-id=none,-z,noseparate-code,-z,max-page-size=4096", "-s",
    ]
    /// What it prints when the guest has run to its end.
    static let success = "kvm-probe: guest computed 5050, powered off"

    /// The program's bytes; compiled once, then taken from the cache.
    static func executable(cache: FilePath, tools: ToolRunner) async throws -> [UInt8] {
        let key = KeyHasher(purpose: "proof probe program 2")
        key.add(PackageResources.kvm_probe_c)
        for flag in flags { key.add(flag) }
        let path = cache.appending("proof").appending("kvm-probe-\(key.finalize().hex.prefix(16))")
        // The program, and its digest: a proof must not fail for a damaged cache.
        if UseGate(cache).use(path), let stored = try? readFile(path, limit: 1 << 20), stored.count > 32,
            SHA256Digest.of(Array(stored.dropLast(32))).bytes == Array(stored.suffix(32))
        {
            return Array(stored.dropLast(32))
        }
        try createFolder(path.removingLastComponent())
        let work = try TemporaryFolder(in: path.removingLastComponent(), name: "compile")
        let source = work.path.appending("kvm-probe.c")
        let output = work.path.appending("kvm-probe")
        try writeAtomically(to: source, bytes: PackageResources.kvm_probe_c)
        try await tools.run(.arm64GCC, flags + ["-o", output.string, source.string], place: "kvm-probe.c")
        let program = try readFile(output, limit: 1 << 20)
        try writeAtomically(to: path, bytes: program + SHA256Digest.of(program).bytes)
        return program
    }
}
