import Records
import Digests
import Foundation
import Storage
import SystemPackage
import Testing

/// nabla and hvt from release files to containers in the booted board, by the project's own runtime files. The release files have the
/// real ones' names and layout; what is in them are stand-ins of ours (Runtimes/*.c) that are as strict as what was seen of the real
/// ones (docs/runtimes.md): tenders that really use KVM and seccomp, a runtime that runs no prestart hook, and a shim that is
/// containerd's own.
@Suite(.serialized) struct RuntimeTests {
    private static let sources = Program.repository.pushing("Tests/AcceptanceTests/Runtimes")
    private static let release = "FC-v1.7.0_S5-v0.9.3_VFS_-v1.13.0_QM-v10.1.1-9a44e"

    private let folder: TemporaryFolder
    private var root: FilePath { folder.path }

    init() throws { folder = try TemporaryFolder(in: "/var/tmp", name: "piforge-runtimes") }

    @Test func unikernelsRunAsContainers() throws {
        let downloads = root.appending("downloads")
        try publish(in: downloads)
        try compileGuests()
        for monitor in ["hvt", "spt"] {
            try packImage("preloaded", of: monitor, in: "\(monitor).tar")
            try packImage("proof", of: "\(monitor)-net", in: "\(monitor)-proof.tar")
        }
        try writeRecipe()
        let arguments = [
            root.appending("recipe.yaml").string, "--cache", root.appending("cache").string, "-o",
            root.appending("out").string,
        ]

        // Nobody vouches for these files: one build lists them all, and one command accepts them.
        let stopped = try Program.piforge(["build"] + arguments)
        #expect(stopped.status == 1)
        for file in files(below: downloads) + ["hvt-proof.tar", "spt-proof.tar", "runnc.tar.gz"] {
            let path = exists(root.appending(file)) ? root.appending(file) : downloads.appending(file)
            let sum = SHA256Digest.of(try readFile(path)).hex
            #expect(stopped.errors.contains(sum), "\(file) is not listed: \(stopped.errors)")
        }
        let accepted = try Program.piforge(["lock", "accept", arguments[0], "--all", "--yes"] + arguments.dropFirst())
        try #require(accepted.status == 0, "\(accepted.errors)")
        let built = try Program.piforge(["build"] + arguments)
        try #require(built.status == 0, "\(built.errors)")
        let manifest = try Manifest.read(root.appending("out").appending("unikernels.manifest.json"))
        #expect(manifest.expectations.runtimes.compactMap(\.docker).sorted() == ["hvt", "nabla", "runnc"])
        #expect(manifest.inputs.filter { $0.kind == "runtime" }.map(\.name).contains("urunc-0.7.0"))
        // Nothing of this machine's folders is in it.
        let text = String(
            decoding: try readFile(root.appending("out").appending("unikernels.manifest.json")), as: UTF8.self)
        #expect(!text.contains(root.string))

        let image = root.appending("out").appending("unikernels.img.xz").string
        let proof = try Program.piforge(
            [
                "prove", image, "--machine", "virt", "--json", "--cache", root.appending("cache").string, "--log",
                root.string,
            ])
        let report = try report(proof.output)
        #expect(proof.status == 0, "\(proof.output)\n\(proof.errors)")
        #expect(report.rows.filter { $0.verdict != "ok" }.map { "\($0.check): \($0.verdict): \($0.seen)" } == [])
        #expect(report.notRun == 0)
        let checks = report.rows.map(\.check)
        for runtime in ["hvt", "nabla"] {
            #expect(checks.filter { $0 == "runtime \(runtime)" }.count == 1)
            for row in [
                "an ordinary image", "starts and prints", "exit status", "network", "guest memory", "isolation",
                "privileges", "control group", "stop", "nothing left",
            ] { #expect(checks.contains("runtime \(runtime): \(row)")) }
        }
        #expect(checks.filter { $0.hasPrefix("runtime stand-ins: ") }.count == 12)
        #expect(checks.contains("docker run -m 32m"))
        #expect(checks.filter { $0.hasPrefix("runtime preloaded images: preloaded:") }.count == 2)
    }

    // MARK: The publisher

    private func compile(_ output: FilePath, _ sources: [String], _ flags: [String]) throws {
        let common = ["-std=gnu11", "-D_GNU_SOURCE", "-s", "-Wall", "-Wextra", "-Werror"]
        let outcome = try Program.run(
            ["aarch64-linux-gnu-gcc"] + common + flags + ["-o", output.string] + sources, directory: Self.sources)
        try #require(outcome.status == 0, "\(outcome.errors)")
    }

    /// Makes the release files, with their real names and layout. Upstream's tenders are static-pie.
    private func publish(in folder: FilePath) throws {
        let bin = root.appending("monitors").pushing("opt/urunc/bin")
        for folder in [folder, bin] { try createFolder(folder) }
        let runtime = ["urunc.c", "bundle.c", "json.c", "hooks.c", "network.c", "waiting.c"]
        try compile(folder.appending("urunc_static_arm64"), runtime, ["-O2", "-static"])
        try compile(
            folder.appending("containerd-shim-urunc-v2_static_arm64"), ["containerd-shim-urunc-v2.c"],
            ["-O2", "-static"])
        for monitor in ["hvt", "spt"] {
            try compile(
                bin.appending("solo5-\(monitor)"), ["solo5-\(monitor).c", "tender.c"],
                ["-O2", "-static-pie"])
        }
        let packed = try Program.run([
            "tar", "-C", root.appending("monitors").string, "-czf",
            folder.appending("release-arm64-\(Self.release).tar.gz").string, "opt",
        ])
        try #require(packed.status == 0, "\(packed.errors)")

        // runnc, as somebody would have built it.
        let old = root.appending("runnc")
        for folder in ["usr/local/bin", "opt/runnc/bin"] { try createFolder(old.pushing(FilePath(folder))) }
        try compile(old.pushing("usr/local/bin/runnc"), runtime, ["-O2", "-static", "-DRUNNC"])
        try FileManager.default.copyItem(
            atPath: bin.appending("solo5-spt").string, toPath: old.pushing("opt/runnc/bin/nabla-run").string)
        let archived = try Program.run([
            "tar", "-C", old.string, "-czf", root.appending("runnc.tar.gz").string, "usr", "opt",
        ])
        try #require(archived.status == 0, "\(archived.errors)")
    }

    /// Makes what becomes images: for each tender a guest without a network device and one with, and what urunc reads of it. hvt's
    /// have plain values, which urunc 0.7.0 does not read: /usr/local/bin/urunc turns them into base64.
    private func compileGuests() throws {
        let flags = [
            "-static", "-nostdlib", "-ffreestanding", "-fno-pie", "-no-pie", "-Os", "-fno-stack-protector",
            "-mgeneral-regs-only", "-mstrict-align", "-Wl,--build-id=none,-z,max-page-size=4096,-e,start",
        ]
        for (monitor, address, define) in [("hvt", "0x100000", "-DHVT"), ("spt", "0x400100000", "-DSPT")] {
            for (suffix, network) in [("", []), ("-net", ["-DNET"])] {
                let folder = root.appending("guests").appending(monitor + suffix)
                try createFolder(folder)
                try compile(
                    folder.appending("unikernel"), ["guest.c"],
                    flags + network + [define, "-Wl,-Ttext=\(address)"])
                let values = [
                    "unikernelType": "mirage", "unikernelVersion": "1", "hypervisor": monitor,
                    "binary": "/unikernel",
                ]
                let members = values.sorted { $0.key < $1.key }.map { key, value in
                    let text = monitor == "hvt" ? value : Data(value.utf8).base64EncodedString()
                    return "\"com.urunc.unikernel.\(key)\": \"\(text)\""
                }
                try writeAtomically(
                    to: folder.appending("urunc.json"), bytes: Array("{\(members.joined(separator: ", "))}\n".utf8))
            }
        }
    }

    /// Packs a guest as `docker save` does.
    private func packImage(_ name: String, of guest: String, in archive: String) throws {
        let folder = root.appending("saved").appending(guest)
        try createFolder(folder)
        let layer = folder.appending("layer.tar")
        let source = root.appending("guests").appending(guest).string
        try #require(try Program.run(["tar", "-C", source, "-cf", layer.string, "."]).status == 0)
        let digest = SHA256Digest.of(try readFile(layer)).hex
        let config =
            #"{"architecture":"arm64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":["sha256:\#(digest)"]}}"#
        let file = "\(SHA256Digest.of(config).hex).json"
        try writeAtomically(to: folder.appending(file), bytes: Array(config.utf8))
        let list = #"[{"Config":"\#(file)","RepoTags":["\#(name):\#(guest)"],"Layers":["layer.tar"]}]"#
        try writeAtomically(to: folder.appending("manifest.json"), bytes: Array(list.utf8))
        let packed = try Program.run([
            "tar", "-C", folder.string, "-cf", root.appending(archive).string, "manifest.json", file, "layer.tar",
        ])
        try #require(packed.status == 0, "\(packed.errors)")
    }

    // MARK: The recipe

    /// The small recipe with Docker, the project's own two runtimes as a recipe outside of the tree names them, and a runtime of this
    /// test's own, whose checks ask more of them.
    private func writeRecipe() throws {
        try createFolder(root.appending("runtimes"))
        for name in ["nabla", "hvt"] {
            // Beside the recipe, and with paths of its own folder.
            let path = Program.repository.pushing(FilePath("recipes/runtimes/\(name).yaml"))
            let text = String(decoding: try readFile(path), as: UTF8.self)
                .replacing("../../overlays/", with: "\(Program.repository)/overlays/")
            try writeAtomically(to: root.appending("runtimes").appending("\(name).yaml"), bytes: Array(text.utf8))
        }
        try writeAtomically(
            to: root.appending("runtimes").appending("stand-ins.yaml"), bytes: Array(Self.checks.utf8))
        let small = Program.repository.pushing("recipes/debian-13-small.yaml")
        var recipe = String(decoding: try readFile(small), as: UTF8.self)
        recipe = recipe.replacing("name: debian-13-small", with: "name: unikernels")
        let packages =
            "    - sudo\n    - docker.io\n    - docker-cli\n    - iptables\n    - iputils-ping\n    - linux-sysctl-defaults\n"
        recipe = recipe.replacing("    - sudo\n", with: packages)
        recipe = recipe.replacing("      sudo: true\n", with: "      sudo: true\n      groups: [docker, kvm]\n")
        func choice(_ runtime: String, _ monitor: String) -> String {
            """
              - \(runtime):
                  version: 0.7.0
                  from: ./downloads
                  proof:
                    image: ./\(monitor)-proof.tar
                    expect: "unikernel under \(monitor): "
                    arguments: [hello, exit=7]
                    status: 7
                    serve: [serve]
            """
        }
        recipe += """

            docker: {from: distribution, preload: [./hvt.tar, ./spt.tar]}
            runtimes:
            \(choice("nabla", "spt"))
            \(choice("hvt", "hvt"))
              - legacy-runnc: {archive: ./runnc.tar.gz}
              - stand-ins
            overlays:
              - {path: ./guests, to: /opt/guests}

            """
        try writeAtomically(to: root.appending("recipe.yaml"), bytes: Array(recipe.utf8))
    }

    private static let checks: String = {
        func checks(_ runtime: String, _ monitor: String) -> String {
            // What its tender forbids ends a guest: hvt's in the tender, spt's in the kernel, with SIGSYS.
            let status = monitor == "hvt" ? 1 : 159
            let run = "docker run --rm --network none --runtime \(runtime)"
            return """
                  - name: "\(monitor): arguments reach the guest"
                    setup:
                      - "tar -C /opt/guests/\(monitor) -c . | docker import - guest:\(monitor)"
                      - "tar -C /opt/guests/\(monitor)-net -c . | docker import - net:\(monitor)"
                    run: \(run) guest:\(monitor) one 'two  three' exit=0
                    expect: "unikernel under \(monitor): one two  three exit=0"
                  - name: "\(monitor): a guest that does what it may not"
                    run: "\(run) guest:\(monitor) forbidden; echo status $?"
                    expect: "status \(status)"
                  - name: "\(monitor): a guest may use all memory that it has"
                    run: \(run) -m 64m guest:\(monitor) touch exit=0
                    expect: "touched 56 MiB"
                  - name: "\(monitor): an image is there from the first boot, another user runs it"
                    setup: ['test -z "$(ls -A /var/lib/piforge/images)"']
                    run: \(run) --user 12345:12345 preloaded:\(monitor) kept exit=0
                    expect: "unikernel under \(monitor): kept exit=0"
                  - name: "\(monitor): lifecycle"
                    user: root
                    run: /usr/local/lib/lifecycle \(runtime) \(monitor)
                    expect: created, started, stopped, started, pinged, killed, deleted
                    cleanup: ["docker rmi -f guest:\(monitor) net:\(monitor)"]

                """
        }
        return """
            summary: more that is asked of nabla and hvt
            files:
              - {to: /usr/local/lib/lifecycle, mode: "0755", file: \(sources)/lifecycle}
            checks:
            \(checks("nabla", "spt"))\(checks("hvt", "hvt"))  - name: "hvt: as the engine wishes it without a profile"
                run: docker run --rm --network none --security-opt seccomp=unconfined --runtime hvt preloaded:hvt exit=0
                expect: "unikernel under hvt: exit=0"
              - name: "runnc: a unikernel of 2019, with its network"
                setup:
                  - "mkdir /run/old && cp /opt/guests/spt-net/unikernel /run/old/it.nabla"
                  - "tar -C /run/old -c . | docker import - old:nabla"
                run: "docker run --rm --runtime runnc --entrypoint /it.nabla old:nabla hello exit=0"
                expect: "unikernel under spt: --ipv4=172.17.0.2/16 --ipv4-gateway=172.17.0.1 hello exit=0"
                cleanup: ["docker rmi -f old:nabla", "rm -r /run/old"]

            """
    }()

    // MARK: Answers

    private struct Report: Decodable {
        struct Row: Decodable {
            var check: String
            var seen: String
            var verdict: String
        }
        var rows: [Row]
        var notRun: Int
    }

    /// The report is the last JSON line that has rows.
    private func report(_ output: String) throws -> Report {
        let found = output.split(separator: "\n").reversed().lazy.compactMap {
            try? JSONDecoder().decode(Report.self, from: Data($0.utf8))
        }.first
        return try #require(found, "\(output)")
    }
}
