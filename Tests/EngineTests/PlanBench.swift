import Debian
import Diagnostics
import Digests
import Engine
import Foundation
import Recipe
import Storage
import SystemPackage
import TestSupport
import Testing

/// A recipe with an input of every kind, in a folder of its own. No package is ever fetched: a lock answers the request.
final class PlanBench {
    let folder: TemporaryFolder
    /// What of the recipe's text is another text.
    var replaced: [(String, String)] = []
    var programs = ["openssl": "3.0", "depmod": "30", "libarchive": "3.6", "mke2fs": "1.47", "mkfs.fat": "4.2"]
    var formatVersion = Plan.formatVersion
    var mirror = "http://127.0.0.1:1/debian"
    var passphrase = "correct horse"
    var jobs = 1
    private var packages: [LockedPackage] = []

    static let recipe = """
        name: pi
        epoch: 2026-11-01
        base: {debian: trixie}
        packages: {install: [sudo, tzdata, wpasupplicant, wireless-regdb, firmware-brcm80211]}
        kernel: {fragments: [./mine.config]}
        docker: {from: distribution, log: {max_size: 10m, max_file: 3}}
        runtimes: [mine]
        memory: {limit: 1G}
        overlays: [{path: files}]
        accounts:
          users:
            - {name: pi, sudo: nopasswd, ssh_keys: [{file: ./pi.pub}]}
        system:
          hostname: pi
          timezone: UTC
          ssh: {enable: false}
          wifi: {country: DE, ssid: home, passphrase: {env: WIFI}}
          services: {enable: [fstrim.timer]}
        disk: {free_space: 512M}
        output: {compression: {preset: 6, block_size: 8M}}
        """

    init() async throws {
        folder = try TemporaryFolder(in: "/tmp", name: "piforge-plan")
        try write("overlays/files/etc/motd", "welcome\n")
        try write("overlays/files/usr/local/bin/hello", "#!/bin/sh\n")
        symlink("motd", path("overlays/files/etc/issue").string)
        try write("mine.config", "CONFIG_KVM=y\n")
        try write("pi.pub", Self.key(0))
        try write("runtimes/mine.yaml", Self.runtime(kernel: "CONFIG_TUN=y|m", path: "/usr/bin/mine"))
        try setPackages([("docker.io", "26.1.5+dfsg1-9", "docker"), ("sudo", "1.9.16", "sudo")])
        // The request that a lock has to answer is what the refusal of another one names.
        do {
            _ = try await builder().planned()
            Issue.record("a lock for another request was taken")
        } catch let failure as Failure {
            let request = (failure.expected ?? "").dropFirst("request sha256:".count)
            self.request = try #require(SHA256Digest(hex: String(request)), "\(failure)")
        }
        try writeLock()
    }

    private var request = SHA256Digest.of("another")

    func path(_ name: String) -> FilePath { folder.path.pushing(FilePath(name)) }

    func write(_ name: String, _ text: String) throws {
        try createFolder(path(name).removingLastComponent())
        try writeAtomically(to: path(name), bytes: Array(text.utf8))
    }

    /// An SSH key; another number is another key.
    static func key(_ number: UInt8) -> String {
        let blob =
            [0, 0, 0, 11] + Array("ssh-ed25519".utf8) + [0, 0, 0, 32] + [UInt8](repeating: number, count: 32)
        return "ssh-ed25519 \(Data(blob).base64EncodedString()) ada\n"
    }

    static func runtime(kernel: String, path: String) -> String {
        "summary: mine\npackages: [crun]\nkernel: [\(kernel)]\ndocker: [{name: mine, path: \(path)}]\n"
    }

    /// Writes the lock.
    ///
    /// - Parameter packages: name, version, and what stands for the bytes.
    func setPackages(_ packages: [(String, String, String)]) throws {
        self.packages = try packages.map { name, version, bytes in
            try LockedPackage(
                .init(name: name, version: version, architecture: "arm64"), size: 1, sha256: .of(bytes),
                path: "pool/main/x/\(name)/\(name)_1_arm64.deb", archive: .init(rawValue: "debian"), source: name,
                sourceVersion: version)
        }
        try writeLock()
    }

    private func writeLock() throws {
        try PackageLock(request: request, packages: packages).write(to: path("pi.lock"))
    }

    /// - Parameters:
    ///   - place: the recipe's folder, from the bench's own.
    ///   - share: the folder with what comes with piforge.
    func builder(in place: String = "", share: FilePath? = nil) throws -> ImageBuilder {
        let recipe = path(place).appending("pi.yaml")
        var text = Self.recipe
        for (old, new) in replaced {
            try #require(text.contains(old), "the recipe has no '\(old)'")
            text = text.replacing(old, with: new)
        }
        try createFolder(recipe.removingLastComponent())
        try writeAtomically(to: recipe, bytes: Array(text.utf8))
        var options = BuildOptions(
            recipePath: recipe, output: path("out"), locked: true, mirror: mirror,
            securityMirror: "http://127.0.0.1:1/security", jobs: jobs,
            environment: passphrase.isEmpty ? [:] : ["WIFI": passphrase])
        options.programVersions = programs
        options.formatVersion = formatVersion
        return ImageBuilder(
            recipe: try Recipe.load(path: recipe, share: share), options: options,
            cache: try Cache(root: path("cache")),
            progress: SilentProgress())
    }

    /// Notes the plan as that of the last build.
    func remember() async throws {
        let builder = try builder()
        try PlanRecord(try await builder.planned(), image: .of("image")).write(to: builder.recordPath)
    }

    /// The steps with another key than in the plan that was remembered, with why.
    func running() async throws -> [String: String] {
        let builder = try builder()
        let (plan, record) = (try await builder.planned(), PlanRecord.read(builder.recordPath))
        return Dictionary(
            uniqueKeysWithValues: plan.steps.compactMap { step in
                record.reason(for: step, in: plan).map { (step.name, $0) }
            })
    }
}
