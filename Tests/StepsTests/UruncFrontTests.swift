import Foundation
import Storage
import SystemPackage
import TestSupport
import Testing

/// The program in urunc's place (overlays/urunc), run on this machine with a program in urunc's place behind it that notes what it is
/// called with, what it may still do, and says what state it has made.
@Suite struct UruncFrontTests {
    /// A bundle, and the folders that the program knows, all in a folder of the test's own.
    private final class Bench {
        static let id = "0123456789abcdef0123"
        /// 0x70000000 and the first six digits of the container's name.
        static let user = 0x7001_2345
        let folder: TemporaryFolder
        var path: FilePath { folder.path }
        var bundle: FilePath { path.appending("bundle") }

        init() throws {
            folder = try TemporaryFolder(in: "/tmp", name: "piforge-front")
            for name in ["bundle/rootfs", "etc", "groups/docker/x", "root", "records"] {
                try createFolder(path.pushing(FilePath(name)))
            }
            // What a control group of cgroup v2 has.
            for name in [
                "cgroup.controllers", "docker/x/memory.max", "docker/x/memory.swap.max", "docker/x/pids.max",
                "docker/x/cpu.max", "docker/x/cgroup.procs",
            ] { try write("groups/\(name)", "") }
            let source =
                repository
                .pushing("overlays/urunc/usr/local/bin/urunc")
            var text = String(decoding: try readFile(source), as: UTF8.self)
            for (place, name) in [
                ("/opt/urunc/bin/urunc", "urunc"), ("/etc/urunc/config.toml", "etc/config.toml"),
                ("/etc/urunc/front.conf", "etc/front.conf"), ("/sys/fs/cgroup", "groups"),
                ("/run/urunc-front", "records"),
            ] {
                let quoted = "'\(place)'"
                #expect(text.components(separatedBy: quoted).count == 2)
                text = text.replacing(quoted, with: "'\(path)/\(name)'")
            }
            try write("front", text, mode: 0o755)
            try write(
                "urunc",
                """
                #!/usr/bin/perl
                # Notes its arguments and its powers; `create` makes a state as urunc does.
                open my $calls, '>>', "\(path)/calls"; print $calls "@ARGV\\n"; close $calls;
                open my $status, '<', '/proc/self/status';
                open my $powers, '>', "\(path)/powers"; print $powers grep { /^(NoNewPrivs|Seccomp):/ } <$status>;
                for my $try (split /,/, $ENV{TRY} || '') { print $powers "$try ", syscall($try, 0, 0, 0, 0), ' ', $! + 0, "\\n" }
                exit $ENV{STATUS} if $ENV{STATUS};
                if (grep { $_ eq 'create' } @ARGV) {
                    mkdir "\(path)/root/$ARGV[-1]"; open my $state, '>', "\(path)/root/$ARGV[-1]/state.json";
                    print $state "{\\"ociVersion\\":\\"1.0.2\\",\\"pid\\":$$,\\"annotations\\":{}}"; }
                """, mode: 0o755)
            // A program without an interpreter, and one with: the ELF header and one program header.
            for (name, kind) in [("static", UInt8(6)), ("dynamic", 3)] {
                var bytes = elf()
                bytes[32] = 64
                bytes[54] = 56
                bytes[56] = 1
                bytes += [kind] + [UInt8](repeating: 0, count: 55)
                try writeAtomically(to: path.appending(name), mode: 0o755, bytes: bytes)
            }
            try monitors("static")
            try image(["unikernelType": "mirage", "hypervisor": "hvt", "binary": "/unikernel"])
            try write("bundle/rootfs/unikernel", "")
            try config()
        }

        func write(_ name: String, _ text: String, mode: UInt16 = 0o644) throws {
            try writeAtomically(to: path.pushing(FilePath(name)), mode: mode, bytes: Array(text.utf8))
        }

        func read(_ name: String) -> String {
            (try? readFile(path.pushing(FilePath(name)))).map { String(decoding: $0, as: UTF8.self) } ?? ""
        }

        func monitors(_ hvt: String) throws {
            try write(
                "etc/config.toml",
                "[monitors.hvt]\npath = \"\(path)/\(hvt)\"\n\n[monitors.spt]\npath = \"\(path)/static\"\n")
        }

        /// Makes the image's /urunc.json.
        func image(_ values: [String: String], base64: Bool = true, suffix: String = "") throws {
            let members = values.sorted { $0.key < $1.key }.map { key, value in
                let text = base64 ? Data(value.utf8).base64EncodedString() : value
                return "\"com.urunc.unikernel.\(key)\": \"\(text)\""
            }
            try write("bundle/rootfs/urunc.json", "{\(members.joined(separator: ", "))\(suffix)}\n")
        }

        static let plain = """
            {"ociVersion":"1.1.0","process":{"user":{"uid":0,"gid":0,"additionalGids":[0,1]},"args":["x"],"n":9223372036854771712},
            "root":{"path":"rootfs"},"annotations":{"said":"a\\"b"},"hooks":HOOKS,
            "linux":{"seccomp":{"defaultAction":"SCMP_ACT_ERRNO"},"resources":{"memory":{"limit":67108864,"swap":134217728},
            "pids":{"limit":100},"cpu":{"quota":50000,"period":100000}},"cgroupsPath":"/docker/x"}}
            """

        func config(_ changes: [(String, String)] = [], hooks: String = "{}") throws {
            var text = Self.plain.replacing("HOOKS", with: hooks)
            for (old, new) in changes {
                #expect(text.contains(old))
                text = text.replacing(old, with: new)
            }
            try write("bundle/config.json", text)
        }

        /// Runs the program as containerd's shim does.
        @discardableResult
        func run(
            _ command: [String] = ["create", "--bundle", "BUNDLE", "--pid-file", "/dev/null", id],
            _ environment: [String: String] = [:]
        ) throws -> (status: Int32, said: String) {
            let process = Process()
            process.executableURL = URL(fileURLWithPath: path.appending("front").string)
            process.arguments =
                ["--root", "\(path)/root", "--log", "\(path)/log", "--log-format", "json", "--systemd-cgroup"]
                + command.map { $0 == "BUNDLE" ? bundle.string : $0 }
            process.environment = ["PATH": "/usr/bin:/bin"].merging(environment) { $1 }
            let pipe = Pipe()
            process.standardError = pipe
            process.standardOutput = pipe
            try process.run()
            let said = pipe.fileHandleForReading.readDataToEndOfFile()
            process.waitUntilExit()
            return (process.terminationStatus, String(decoding: said, as: UTF8.self))
        }

        /// What is called behind the program.
        var calls: [String] { read("calls").split(separator: "\n").map(String.init) }
    }

    // MARK: What is changed

    @Test func `only what must differ is changed in the bundle, to the byte`() throws {
        let bench = try Bench()
        #expect(try bench.run().status == 0)
        let user = "{\"uid\":\(Bench.user),\"gid\":\(Bench.user),\"additionalGids\":["
        let text = bench.read("bundle/config.json")
        let start = try #require(text.range(of: user)).upperBound
        let groups = text[start...].prefix { $0 != "]" }
        // The group kvm, where this machine has it.
        #expect(groups.split(separator: ",").first == "\(Bench.user)")
        let expected = Bench.plain.replacing("HOOKS", with: "{}")
            .replacing("{\"uid\":0,\"gid\":0,\"additionalGids\":[0,1]}", with: "\(user)\(groups)]}")
            .replacing("{\"defaultAction\":\"SCMP_ACT_ERRNO\"}", with: "null")
            // 64 MiB less the tender's 8, in millions, which is what urunc hands to Solo5.
            .replacing("\"limit\":67108864", with: "\"limit\":56000000")
        #expect(text == expected)
        #expect(bench.calls.count == 1)
        #expect(bench.read("groups/docker/x/memory.max") == "67108864")
        #expect(bench.read("groups/docker/x/memory.swap.max") == "67108864")
        #expect(bench.read("groups/docker/x/pids.max") == "100")
        #expect(bench.read("groups/docker/x/cpu.max") == "50000 100000")
        #expect(Int(bench.read("groups/docker/x/cgroup.procs")) ?? 0 > 1)
        #expect(bench.read("powers").contains("NoNewPrivs:\t1"))
    }

    @Test func `a user whom somebody has asked for stays, and so does root where the settings say so`() throws {
        let bench = try Bench()
        try bench.config([("\"uid\":0,\"gid\":0", "\"uid\":1000,\"gid\":1000")])
        #expect(try bench.run().status == 0)
        #expect(bench.read("bundle/config.json").contains("\"uid\":1000,\"gid\":1000,\"additionalGids\":[0,1]"))
        try bench.config()
        try bench.write("etc/front.conf", "# mine\r\nuser = image\r\n")
        #expect(try bench.run().status == 0)
        #expect(bench.read("bundle/config.json").contains("\"uid\":0,\"gid\":0,\"additionalGids\":[0,1]"))
    }

    @Test func `a static hvt tender gets a filter that fits it, any other what urunc and Docker say`() throws {
        let profile = "\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ERRNO\"}"
        for (monitor, tender, config, filtered, kept) in [
            ("hvt", "static", profile, true, false), ("hvt", "dynamic", profile, false, true),
            ("spt", "static", profile, false, true), ("hvt", "static", "\"seccomp\":null", false, true),
        ] {
            let bench = try Bench()
            try bench.monitors(tender)
            try bench.image(["unikernelType": "mirage", "hypervisor": monitor, "binary": "/unikernel"])
            try bench.config([(profile, config)])
            #expect(try bench.run().status == 0)
            #expect(bench.read("powers").contains("Seccomp:\t\(filtered ? 2 : 0)"), "\(monitor) \(tender) \(config)")
            #expect(bench.read("bundle/config.json").contains(config) == kept)
        }
    }

    /// On the machine that the tests run on; in the booted image the proof looks at it.
    @Test func `the filter stops what nothing of urunc needs, and new user namespaces`() throws {
        #if arch(x86_64)
            let numbers = (keyctl: 250, ptrace: 101, bpf: 321, unshare: 272, clone3: 435, socket: 41, getpid: 39)
        #else
            let numbers = (keyctl: 219, ptrace: 117, bpf: 280, unshare: 97, clone3: 435, socket: 198, getpid: 172)
        #endif
        let bench = try Bench()
        let tried = [
            numbers.keyctl, numbers.ptrace, numbers.bpf, numbers.clone3, numbers.socket, numbers.unshare,
            numbers.getpid,
        ]
        #expect(
            try bench.run(
                ["create", "--bundle", "BUNDLE", Bench.id], ["TRY": tried.map(String.init).joined(separator: ",")]
            ).status == 0)
        let lines = bench.read("powers").split(separator: "\n").suffix(tried.count).map { $0.split(separator: " ") }
        let (permission, unknown, family) = ("1", "38", "97")
        #expect(lines.map { $0[1] }.prefix(5).allSatisfy { $0 == "-1" })
        #expect(
            lines.prefix(5).map { $0[2] } == [
                permission[...], permission[...], permission[...], unknown[...], family[...],
            ])
        // unshare(0) does nothing and is allowed.
        #expect(lines[5][1] == "0")
        #expect(Int(lines[6][1]) ?? 0 > 1)
    }

    @Test func `a limit that leaves nothing to the guest is refused before anything is changed`() throws {
        let bench = try Bench()
        try bench.config([("67108864", "12582912")])
        let before = bench.read("bundle/config.json")
        let outcome = try bench.run()
        #expect(outcome.status == 1)
        #expect(outcome.said.contains("12 MiB of memory leaves nothing to the guest: expected at least 16 MiB"))
        #expect(bench.read("bundle/config.json") == before)
        #expect(bench.calls.isEmpty)
    }

    @Test func `a disk that the guest writes to belongs to the container's user`() throws {
        guard getuid() == 0 else { return }
        let bench = try Bench()
        try bench.image([
            "unikernelType": "rumprun", "hypervisor": "spt", "binary": "/unikernel", "block": "/data/disk",
        ])
        try createFolder(bench.bundle.pushing("rootfs/data"))
        try bench.write("bundle/rootfs/data/disk", "")
        #expect(try bench.run().status == 0)
        func owner(_ name: String) -> UInt32 {
            var status = stat()
            return lstat(bench.bundle.pushing(FilePath("rootfs/\(name)")).string, &status) == 0 ? status.st_uid : 0
        }
        #expect(owner("data/disk") == UInt32(Bench.user))
        // What others may read needs no owner of its own.
        #expect(owner("unikernel") == 0)
        // No link of the image's leads to a file of the host.
        let other = try Bench()
        try other.write("victim", "")
        try other.image([
            "unikernelType": "rumprun", "hypervisor": "spt", "binary": "/unikernel", "block": "/out/victim",
        ])
        #expect(symlink(other.path.string, other.bundle.pushing("rootfs/out").string) == 0)
        let refused = try other.run()
        #expect(refused.status == 1)
        #expect(refused.said.contains("the image lacks its block /out/victim"), "\(refused.said)")
        var status = stat()
        #expect(lstat(other.path.appending("victim").string, &status) == 0 && status.st_uid == getuid())
    }

    // MARK: What is refused

    @Test func `an image that is not a unikernel is refused and told why, unless the settings allow it`() throws {
        let bench = try Bench()
        #expect(unlink(bench.bundle.pushing("rootfs/urunc.json").string) == 0)
        let outcome = try bench.run()
        #expect(outcome.status == 1)
        #expect(
            outcome.said.contains(
                "the image is not a unikernel: it has no /urunc.json with each of com.urunc.unikernel."))
        #expect(bench.calls.isEmpty)
        // containerd reads the reason here.
        #expect(bench.read("log").hasPrefix(#"{"level":"error","msg":"the image is not a unikernel"#))
        try bench.write("etc/front.conf", "other_images = runc\n")
        let before = bench.read("bundle/config.json")
        #expect(try bench.run().status == 0)
        #expect(bench.calls.count == 1)
        #expect(bench.read("bundle/config.json") == before)
    }

    struct BadImage: Sendable, CustomTestStringConvertible {
        var values: [String: String]
        var suffix = ""
        var base64 = true
        var said: String
        var testDescription: String { said }
    }

    private static let good = ["unikernelType": "mirage", "hypervisor": "hvt", "binary": "/unikernel"]
    private static func changed(_ key: String, _ value: String?) -> [String: String] {
        var values = good
        values[key] = value
        return values
    }

    @Test(arguments: [
        BadImage(values: changed("binary", nil), said: "/urunc.json lacks com.urunc.unikernel.binary"),
        BadImage(values: [:], said: "/urunc.json lacks com.urunc.unikernel.unikernelType"),
        BadImage(values: changed("hypervisor", "qemu"), said: "wants the monitor 'qemu', which is not installed"),
        BadImage(
            values: changed("binary", "/../../etc/shadow"), said: "binary is \"/../../etc/shadow\": expected a path"),
        BadImage(values: changed("binary", "/a b --mem=1"), said: "binary is \"/a b --mem=1\": expected a path"),
        BadImage(values: changed("block", "/d,x=1"), said: "block is \"/d,x=1\": expected a path"),
        BadImage(values: changed("hypervisor", "hvt\u{1b}[2J"), said: "hypervisor is"),
        // Go's reader takes these for one member, and the last of them.
        BadImage(values: changed("binary", "/--gdb"), said: "binary is \"/--gdb\": expected a path"),
        BadImage(values: changed("solo5NetDev", "x=/dev/y --block:z=/etc/shadow"), said: "solo5NetDev is"),
        BadImage(values: changed("mountRootfs", "maybe"), said: "mountRootfs is \"maybe\": expected true or false"),
        BadImage(values: changed("binary", "/gone"), said: "the image lacks its binary /gone"),
        // What Go's reader would refuse, and urunc then hand to runc.
        BadImage(values: good, suffix: #", "com.urunc.unikernel.block": 5"#, said: "block is not a string"),
        BadImage(values: good, suffix: #", "com.urunc.unikernel.cmdline": "bWl\n""#, said: "cmdline is not base64"),
        BadImage(
            values: good, suffix: #", "COM.URUNC.UNIKERNEL.HYPERVISOR": "cWVtdQ==""#, said: "duplicate member"),
        BadImage(values: good, suffix: #", "x": "#, said: "not JSON, at byte"),
        BadImage(values: good, suffix: #", "x": \#(String(repeating: "[", count: 100))"#, said: "not JSON, at byte"),
    ]) func `what an image says is checked before urunc sees it`(_ bad: BadImage) throws {
        let bench = try Bench()
        try bench.image(bad.values, base64: bad.base64, suffix: bad.suffix)
        let outcome = try bench.run()
        #expect(outcome.status == 1)
        #expect(outcome.said.contains(bad.said), "\(outcome.said)")
        #expect(!outcome.said.contains("\u{1b}"))
        #expect(bench.calls.isEmpty)
    }

    /// Go folds more letters than Perl: the long s and the Kelvin sign are s and k in a name (encoding/json, "case-insensitive").
    @Test func `what is not checked does not reach urunc`() throws {
        let bench = try Bench()
        for name in ["hypervi\u{17f}or", "binary", "block"] {
            let member =
                name == "hypervi\u{17f}or" ? "com.urunc.unikernel.\(name)" : "com.urunc.uni\u{212a}ernel.\(name)"
            let value = Data("/../../etc/shadow".utf8).base64EncodedString()
            try bench.image(
                Self.good, suffix: #", "\#(member)": "\#(value)", "com.urunc.unikernel.useDMBlock": "dHJ1ZQ==""#)
            try bench.config()
            #expect(try bench.run().status == 0)
            let left = bench.read("bundle/rootfs/urunc.json")
            let names = try JSONDecoder().decode([String: String].self, from: Data(left.utf8)).keys.sorted()
            #expect(names == ["binary", "hypervisor", "unikernelType"].map { "com.urunc.unikernel.\($0)" })
        }
    }

    @Test func `annotations count whole or not at all, as urunc takes them`() throws {
        func outcome(_ annotations: String) throws -> (status: Int32, said: String) {
            let bench = try Bench()
            try bench.config([("\"said\":\"a\\\"b\"", annotations)])
            return try bench.run()
        }
        let p = "com.urunc.unikernel."
        let whole = #""\#(p)unikernelType":"mirage","\#(p)hypervisor":"hvt","\#(p)binary":"/unikernel""#
        #expect(try outcome(whole).status == 0)
        for part in [
            #""\#(p)unikernelType":"mirage""#, #""\#(p)hypervisor":"hvt","\#(p)binary":"0""#,
            #""\#(p)unikernelType":"mirage","\#(p)hypervisor":"hvt","\#(p)BINARY":"/unikernel""#,
        ] {
            let refused = try outcome(part)
            #expect(refused.status == 1)
            #expect(refused.said.contains("have only part of what urunc needs"), "\(refused.said)")
        }
        #expect(try outcome(whole + #","\#(p)block":"/../../dev/sda""#).said.contains("block is"))
    }

    @Test func `an image that would lead root elsewhere is refused`() throws {
        func refused(_ make: (Bench) throws -> Void) throws -> String {
            let bench = try Bench()
            try make(bench)
            let outcome = try bench.run()
            #expect(outcome.status == 1)
            #expect(bench.calls.isEmpty)
            return outcome.said
        }
        func link(_ bench: Bench, _ name: String, to target: String) {
            let path = bench.bundle.appending("rootfs").pushing(FilePath(name))
            #expect(symlink(target, path.string) == 0)
        }
        let device = try refused { link($0, "dev", to: "/etc") }
        #expect(device.contains("the image has a link /dev"), "\(device)")
        let library = try refused { link($0, "lib", to: "../../lib") }
        #expect(library.contains("the image has a link /lib that leads out"), "\(library)")
        let pipe = try refused { bench in
            let path = bench.bundle.pushing("rootfs/urunc.json").string
            try #require(unlink(path) == 0 && mkfifo(path, 0o644) == 0)
        }
        #expect(pipe.contains("urunc.json: not a plain file"), "\(pipe)")
        guard getuid() == 0 else { return }
        let node = try refused { bench in
            try createFolder(bench.bundle.pushing("rootfs/data"))
            try #require(mknod(bench.bundle.pushing("rootfs/data/disk").string, S_IFCHR | 0o666, 0x103) == 0)
        }
        #expect(node.contains("the image has a device in it: /data/disk"), "\(node)")
    }

    @Test func `long texts and all letters are read`() throws {
        let bench = try Bench()
        let long = String(repeating: "x", count: 200_000)
        try bench.config([(#""args":["x"]"#, #""args":["\#(long)","\ud83d\ude00\u00e9"]"#)])
        #expect(try bench.run().status == 0)
        #expect(bench.read("bundle/config.json").contains(long))
    }

    @Test func `remapped users are refused with the way out`() throws {
        let bench = try Bench()
        try bench.config([
            ("\"linux\":{", #""linux":{"uidMappings":[{"containerID":0,"hostID":100000,"size":65536}],"#)
        ])
        #expect(try bench.run().said.contains("start the container with --userns=host"))
    }

    @Test func `both forms of urunc-json reach every urunc in the one that all read`() throws {
        let bench = try Bench()
        func decoded() throws -> [String: String?] {
            let made = try JSONDecoder().decode(
                [String: String].self, from: Data(bench.read("bundle/rootfs/urunc.json").utf8))
            return made.mapValues { Data(base64Encoded: $0).map { String(decoding: $0, as: UTF8.self) } }
        }
        let encoded = try decoded()
        #expect(try bench.run().status == 0)
        #expect(try decoded() == encoded)
        try bench.config()
        try bench.write("bundle/rootfs/unikern", "")
        // A path that would pass for base64.
        try bench.image(["unikernelType": "mirage", "hypervisor": "hvt", "binary": "/unikern"], base64: false)
        #expect(try bench.run().status == 0)
        #expect(
            try decoded() == [
                "com.urunc.unikernel.unikernelType": "mirage", "com.urunc.unikernel.hypervisor": "hvt",
                "com.urunc.unikernel.binary": "/unikern",
            ])
    }

    @Test func `a container that pretends to be a proxy of Knative is not handed to runc`() throws {
        let bench = try Bench()
        try bench.config([("\"said\":\"a\\\"b\"", "\"io.kubernetes.cri.container-name\":\"queue-proxy\"")])
        #expect(try bench.run().status == 1)
        #expect(bench.calls.isEmpty)
    }

    // MARK: Hooks

    private static func hook(_ script: String, more: String = "") -> String {
        #"{"path":"/bin/sh","args":["setkey","-c","\#(script)"],"env":["A=1 2","PATH=/bin"]\#(more)}"#
    }

    @Test func `prestart hooks run in order, with their own name and environment, and the state on standard input`()
        throws
    {
        let bench = try Bench()
        let first = Self.hook("echo $0 $A $HOME > \(bench.path)/first; cat >> \(bench.path)/first")
        let second = Self.hook("cat \(bench.path)/first > \(bench.path)/second")
        try bench.config(hooks: #"{"prestart":[\#(first),\#(second)]}"#)
        #expect(try bench.run(["create", "--bundle", "BUNDLE", Bench.id], ["HOME": "/secret"]).status == 0)
        let lines = bench.read("second").split(separator: "\n", maxSplits: 1)
        #expect(lines.first == "setkey 1 2")
        struct State: Decodable, Equatable {
            var ociVersion: String
            var id: String
            var status: String
            var pid: Int
            var bundle: String
            var annotations: [String: String]
        }
        let state = try JSONDecoder().decode(State.self, from: Data(lines[1].utf8))
        #expect(state.pid == Int(bench.read("groups/docker/x/cgroup.procs")))
        #expect(
            state
                == State(
                    ociVersion: "1.1.0", id: Bench.id, status: "creating", pid: state.pid, bundle: bench.bundle.string,
                    annotations: ["said": "a\"b"]))
    }

    @Test(arguments: [
        ("echo no such network >&2; exit 3", "", "the prestart hook /bin/sh ended with status 3: no such network"),
        ("sleep 60", #","timeout":1"#, "it did not end within 1 s"),
    ]) func `where a hook fails the container is taken back`(_ example: (script: String, more: String, said: String))
        throws
    {
        let bench = try Bench()
        try bench.config(hooks: #"{"prestart":[\#(Self.hook(example.script, more: example.more))]}"#)
        let outcome = try bench.run()
        #expect(outcome.status == 1)
        #expect(outcome.said.contains(example.said), "\(outcome.said)")
        #expect(bench.calls.count == 2)
        #expect(
            bench.calls.last
                == "--root \(bench.path)/root --log \(bench.path)/log --log-format json delete --force \(Bench.id)")
    }

    // MARK: What goes through

    @Test func `urunc's own failure and every other command go through as they are`() throws {
        let bench = try Bench()
        #expect(try bench.run(["create", "--bundle", "BUNDLE", Bench.id], ["STATUS": "7"]).status == 7)
        #expect(try bench.run(["start", Bench.id]).status == 0)
        #expect(try bench.run(["kill", Bench.id, "15"], ["STATUS": "4"]).status == 4)
        #expect(
            bench.calls.suffix(2).map { $0.split(separator: " ").suffix(3).joined(separator: " ") } == [
                "--systemd-cgroup start \(Bench.id)", "kill \(Bench.id) 15",
            ])
        let exec = try bench.run(["exec", Bench.id, "sh"])
        #expect(exec.status == 1 && exec.said.contains("a unikernel is one program"))
    }

    @Test func `delete removes the control group that was made`() throws {
        let bench = try Bench()
        #expect(try bench.run().status == 0)
        let group = bench.path.pushing("groups/docker/x")
        // A real one's files go with it.
        for name in try FileManager.default.contentsOfDirectory(atPath: group.string) {
            #expect(unlink(group.appending(name).string) == 0)
        }
        #expect(try bench.run(["delete", Bench.id]).status == 0)
        #expect(!exists(group))
        #expect(bench.calls.last?.hasSuffix("delete \(Bench.id)") == true)
    }

    /// A mistake behind `create` takes back what was made.
    @Test func `nothing is left half made`() throws {
        let bench = try Bench()
        try FileManager.default.removeItem(atPath: bench.path.appending("records").string)
        try bench.write("records", "")
        let outcome = try bench.run()
        #expect(outcome.status == 1)
        #expect(bench.calls.last?.hasSuffix("delete --force \(Bench.id)") == true)
    }

    @Test func `a control group that is still in use is tried again`() throws {
        let bench = try Bench()
        #expect(try bench.run().status == 0)
        // The test's group has files in it, so that it cannot be removed: as if a process were in it.
        #expect(try bench.run(["delete", Bench.id]).status == 0)
        #expect(!bench.read("records/\(Bench.id)").isEmpty)
    }

    @Test func `settings that are not understood stop it`() throws {
        let bench = try Bench()
        try bench.write("etc/front.conf", "other_images = refuse\nuser = root\n")
        let outcome = try bench.run()
        #expect(outcome.status == 1 && outcome.said.contains("front.conf:2: expected"))
    }
}
