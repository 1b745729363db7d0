import Digests
import Foundation
import Pack
import Storage
import SystemPackage
import Testing

/// nabla and hvt from release files to containers in the booted board. The files have the real ones' names and layout and
/// come from a loopback server; what is in them are stand-ins of ours (Runtimes/*.c): tenders that really use KVM and
/// seccomp, a runtime with runc's command line, and a shim that is containerd's own.
@Suite(.serialized) struct RuntimeTests {
    private static let sources = Program.repository.pushing("Tests/AcceptanceTests/Runtimes")
    private static let release = "FC-v1.7.0_S5-v0.9.3_VFS_-v1.13.0_QM-v10.1.1-9a44e"

    private let folder: TemporaryFolder
    private var root: FilePath { folder.path }

    init() throws { folder = try TemporaryFolder(in: "/var/tmp", name: "piforge-runtimes") }

    @Test func unikernelsRunAsContainers() async throws {
        let site = root.appending("site")
        try publish(in: site)
        try compileGuests()
        for monitor in ["hvt", "spt"] { try packImage(monitor) }
        let server = try await StockServer(folder: site)
        try writeRecipe(base: server.base)
        let arguments = [
            root.appending("recipe.yaml").string, "--cache", root.appending("cache").string, "-o",
            root.appending("out").string,
        ]

        // Nobody vouches for these files: the build stops at each of them until it is accepted.
        var accepted: [String] = []
        var built = try Program.piforge(["build"] + arguments)
        while built.status != 0, accepted.count < 3, let words = built.nextCommand,
            words.prefix(3) == ["piforge", "lock", "accept"]
        {
            let (name, sum) = (words[words.count - 2], words[words.count - 1])
            #expect(built.errors.contains("nothing vouches for this file but you"), "\(built.errors)")
            #expect(try digests(below: site).contains(sum), "\(name) has another sum than was served")
            let outcome = try Program.piforge(["lock", "accept", arguments[0], name, sum] + arguments.dropFirst())
            #expect(outcome.status == 0, "\(outcome.errors)")
            accepted.append(name)
            built = try Program.piforge(["build"] + arguments)
        }
        try #require(built.status == 0, "\(built.errors)")
        #expect(accepted.count == 3, "\(accepted)")
        let manifest = try Manifest.read(root.appending("out").appending("unikernels.manifest.json"))
        #expect(manifest.expectations.runtimes.compactMap(\.docker).sorted() == ["hvt", "nabla"])

        let image = root.appending("out").appending("unikernels.img.xz").string
        let proof = try Program.piforge(
            [
                "prove", image, "--machine", "virt", "--json", "--cache", root.appending("cache").string, "--log",
                root.string,
            ])
        let rows = try report(proof.output).rows
        #expect(proof.status == 0, "\(proof.output)\n\(proof.errors)")
        #expect(rows.filter { !$0.passed }.map { "\($0.check): \($0.seen)" } == [])
        let checks = rows.map(\.check)
        for row in ["runtime hvt", "runtime nabla"] {
            #expect(checks.filter { $0 == row }.count == 1)
            #expect(checks.filter { $0.hasPrefix("\(row): ") }.count == 4)
        }
        #expect(checks.contains("docker run -m 32m"))
        #expect(checks.filter { $0.hasPrefix("runtime preloaded images: preloaded:") }.count == 2)
    }

    // MARK: The publisher

    private func compile(_ output: FilePath, _ sources: [String], _ flags: [String]) throws {
        let common = ["-std=gnu11", "-D_GNU_SOURCE", "-static", "-s", "-Wall", "-Wextra", "-Werror"]
        let outcome = try Program.run(
            ["aarch64-linux-gnu-gcc"] + common + flags + ["-o", output.string] + sources, directory: Self.sources)
        try #require(outcome.status == 0, "\(outcome.errors)")
    }

    /// Makes the release files, with their real names and layout.
    private func publish(in site: FilePath) throws {
        let urunc = site.appending("v0.7.0")
        let monitors = site.appending(Self.release)
        let bin = root.appending("monitors").pushing("opt/urunc/bin")
        for folder in [urunc, monitors, bin] { try createFolder(folder) }
        try compile(urunc.appending("urunc_static_arm64"), ["urunc.c", "bundle.c", "json.c"], ["-O2"])
        try compile(
            urunc.appending("containerd-shim-urunc-v2_static_arm64"), ["containerd-shim-urunc-v2.c"], ["-O2"])
        try compile(bin.appending("solo5-hvt"), ["solo5-hvt.c", "tender.c"], ["-O2"])
        try compile(bin.appending("solo5-spt"), ["solo5-spt.c", "tender.c"], ["-O2"])
        let packed = try Program.run([
            "tar", "-C", root.appending("monitors").string, "-czf",
            monitors.appending("release-arm64-\(Self.release).tar.gz").string, "opt",
        ])
        try #require(packed.status == 0, "\(packed.errors)")
    }

    /// Makes what becomes an image for each tender: the guest, and what urunc reads of it, its values in base64.
    private func compileGuests() throws {
        let flags = [
            "-nostdlib", "-ffreestanding", "-fno-pie", "-no-pie", "-Os", "-fno-stack-protector", "-mgeneral-regs-only",
            "-mstrict-align", "-Wl,--build-id=none,-z,max-page-size=4096,-e,start",
        ]
        for (monitor, address, define) in [("hvt", "0x100000", "-DHVT"), ("spt", "0x400100000", "-DSPT")] {
            let folder = root.appending("guests").appending(monitor)
            try createFolder(folder)
            try compile(folder.appending("unikernel"), ["guest.c"], flags + [define, "-Wl,-Ttext=\(address)"])
            let values = [
                "unikernelType": "mirage", "unikernelVersion": "1", "hypervisor": monitor, "binary": "/unikernel",
            ]
            let members = values.sorted { $0.key < $1.key }.map { key, value in
                "\"com.urunc.unikernel.\(key)\": \"\(Data(value.utf8).base64EncodedString())\""
            }
            try writeAtomically(
                to: folder.appending("urunc.json"), bytes: Array("{\(members.joined(separator: ", "))}\n".utf8))
        }
        try FileManager.default.copyItem(
            atPath: Self.sources.appending("lifecycle").string,
            toPath: root.appending("guests").appending("lifecycle").string)
    }

    /// Packs a guest as `docker save` does, for the image to have it from the first boot.
    private func packImage(_ monitor: String) throws {
        let folder = root.appending("saved").appending(monitor)
        try createFolder(folder)
        let layer = folder.appending("layer.tar")
        let guest = root.appending("guests").appending(monitor).string
        try #require(try Program.run(["tar", "-C", guest, "-cf", layer.string, "."]).status == 0)
        let digest = SHA256Digest.of(try readFile(layer)).hex
        let config =
            #"{"architecture":"arm64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":["sha256:\#(digest)"]}}"#
        let name = "\(SHA256Digest.of(config).hex).json"
        try writeAtomically(to: folder.appending(name), bytes: Array(config.utf8))
        let list = #"[{"Config":"\#(name)","RepoTags":["preloaded:\#(monitor)"],"Layers":["layer.tar"]}]"#
        try writeAtomically(to: folder.appending("manifest.json"), bytes: Array(list.utf8))
        let packed = try Program.run([
            "tar", "-C", folder.string, "-cf", root.appending("\(monitor).tar").string, "manifest.json", name,
            "layer.tar",
        ])
        try #require(packed.status == 0, "\(packed.errors)")
    }

    // MARK: The recipe

    /// The small recipe with Docker, and with the project's own files of the two runtimes: other URLs, and checks that
    /// the stand-ins' guests can pass.
    private func writeRecipe(base: String) throws {
        try createFolder(root.appending("runtimes"))
        for (name, monitor) in [("hvt", "hvt"), ("nabla", "spt")] {
            let path = Program.repository.pushing(FilePath("recipes/runtimes/\(name).yaml"))
            var text = String(decoding: try readFile(path), as: UTF8.self)
            for project in ["urunc", "monitors-build"] {
                text = text.replacing("https://github.com/urunc-dev/\(project)/releases/download", with: base)
            }
            #expect(!text.contains("https://"))
            let checks = try #require(text.range(of: "\nchecks:"))
            text.removeSubrange(checks.lowerBound...)
            text += Self.checks(name, monitor)
            try writeAtomically(to: root.appending("runtimes").appending("\(name).yaml"), bytes: Array(text.utf8))
        }
        let small = Program.repository.pushing("recipes/debian-13-small.yaml")
        var recipe = String(decoding: try readFile(small), as: UTF8.self)
        recipe = recipe.replacing("name: debian-13-small", with: "name: unikernels")
        let packages = "    - sudo\n    - docker.io\n    - docker-cli\n    - iptables\n"
        recipe = recipe.replacing("    - sudo\n", with: packages)
        recipe = recipe.replacing("      sudo: true\n", with: "      sudo: true\n      groups: [docker]\n")
        recipe += """

            docker: {from: distribution, preload: [./hvt.tar, ./spt.tar]}
            runtimes: [nabla, hvt]
            overlays:
              - {path: ./guests, to: /opt/guests}

            """
        try writeAtomically(to: root.appending("recipe.yaml"), bytes: Array(recipe.utf8))
    }

    private static func checks(_ runtime: String, _ monitor: String) -> String {
        let image = "guest:\(monitor)"
        // What its tender forbids ends a guest: hvt's in the tender, spt's in the kernel, with SIGSYS.
        let status = monitor == "hvt" ? 1 : 159
        return """

            checks:
              - name: arguments reach the guest
                setup: ["tar -C /opt/guests/\(monitor) -c . | docker import - \(image)"]
                run: docker run --rm --runtime \(runtime) \(image) one 'two  three' exit=0
                expect: "unikernel under \(monitor): one two  three exit=0"
              - name: a guest that does what it may not
                run: "docker run --rm --runtime \(runtime) \(image) forbidden; echo status $?"
                expect: "status \(status)"
              - name: an image is there from the first boot
                setup: ['test -z "$(ls -A /var/lib/piforge/images)"']
                run: docker run --rm --runtime \(runtime) preloaded:\(monitor) kept exit=0
                expect: "unikernel under \(monitor): kept exit=0"
              - name: lifecycle
                run: /opt/guests/lifecycle \(runtime) \(image) /opt/urunc/bin/solo5-\(monitor)
                expect: created, started, stopped, started, killed, deleted
                cleanup: ["docker rmi -f \(image)"]

            """
    }

    // MARK: Answers

    private struct Report: Decodable {
        struct Row: Decodable {
            var check: String
            var seen: String
            var passed: Bool
        }
        var rows: [Row]
    }

    /// The report is the last JSON line that has rows.
    private func report(_ output: String) throws -> Report {
        let found = output.split(separator: "\n").reversed().lazy.compactMap {
            try? JSONDecoder().decode(Report.self, from: Data($0.utf8))
        }.first
        return try #require(found, "\(output)")
    }

    private func digests(below folder: FilePath) throws -> [String] {
        try files(below: folder).filter { !$0.hasSuffix("v0.7.0") && $0 != Self.release }.map {
            SHA256Digest.of(try readFile(folder.pushing(FilePath($0)))).hex
        }
    }
}

extension Outcome {
    /// The words of the command that an error names as the next one.
    fileprivate var nextCommand: [String]? {
        let line = errors.split(separator: "\n").last { $0.trimmingCharacters(in: .whitespaces).hasPrefix("next:") }
        return line?.trimmingCharacters(in: .whitespaces).dropFirst("next:".count).split(separator: " ").map(
            String.init)
    }
}
