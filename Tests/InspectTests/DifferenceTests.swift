import Disk
import Inspect
import Layers
import Storage
import SystemPackage
import TestSupport
import Testing

/// Every kind of difference, planted, and named by its cause.
@Suite struct DifferenceTests {
    /// A difference of what is on the root file system: what debugfs is asked, and what is told besides `bytes`.
    struct Edit: Sendable, CustomTestStringConvertible {
        var name: String
        var requests: [String]
        var files: [String: String] = [:]
        var told: [String]
        var testDescription: String { name }
    }

    static let edits = [
        Edit(name: "mode", requests: ["sif /etc/hostname mode 0100600"], told: ["! /etc/hostname: mode: 0644 -> 0600"]),
        Edit(
            name: "owner", requests: ["sif /etc/hostname uid 77", "sif /etc/hostname gid 70000"],
            told: ["! /etc/hostname: owner: UID:GID -> 77:70000"]),
        Edit(
            name: "mtime", requests: ["sif /etc/hostname mtime @1600000000"],
            told: ["! /etc/hostname: mtime: 2019-07-24 20:26:40 -> 2020-09-13 12:26:40"]),
        Edit(
            name: "xattr", requests: ["ea_set /etc/hostname user.note hello"],
            told: ["! /etc/hostname: attribute user.note: hello added"]),
        Edit(
            name: "size and text",
            requests: ["rm /etc/hostname", "write new /etc/hostname", "sif /etc/hostname mtime @1564000000"],
            files: ["new": "sample\nmore\n"],
            told: [
                "! /etc/hostname: mode: 0644 -> MODE, owner: UID:GID -> 0:0, size: 7 -> 12", "    @@ -1 +1,2 @@",
                "     sample", "    +more",
            ]),
        Edit(
            name: "link target",
            requests: [
                "rm /etc/os-release", "symlink /etc/os-release ../etc/other", "sif /etc/os-release mtime @1564000000",
            ],
            told: ["! /etc/os-release: owner: UID:GID -> 0:0, target: ../usr/lib/os-release -> ../etc/other"]),
        Edit(
            name: "type", requests: ["rm /etc/hostname", "mkdir /etc/hostname", "sif /etc/hostname mtime @1564000000"],
            told: ["! /etc/hostname: type: file -> folder, mode: 0644 -> 0755, owner: UID:GID -> 0:0"]),
        Edit(name: "removed", requests: ["rm /usr/share/config"], told: ["- /usr/share/config (link)"]),
        Edit(
            name: "added", requests: ["write new /usr/share/new"], files: ["new": "new\n"],
            told: ["+ /usr/share/new (file)"]),
        Edit(
            name: "a name that commands", requests: ["symlink \"/usr/share/\u{1b}]0;x\u{7}\" /etc"],
            told: ["+ /usr/share/\\033]0;x\\007 (link)"]),
        Edit(
            name: "links", requests: ["ln /usr/share/lines /usr/share/third", "sif /usr/share/lines links_count 3"],
            told: [
                "! /usr/share/again: links: 2 -> 3", "! /usr/share/lines: links: 2 -> 3", "+ /usr/share/third (file)",
            ]),
    ]

    @Test(arguments: edits) func filesAreNamed(edit: Edit) async throws {
        let planted = try await Planted()
        try await planted.edit(edit.requests, files: edit.files)
        let differences = try planted.differences()
        let ids = try await Judge.shell("printf %s:%s $(id -u) $(id -g)", in: planted.folder.path)
        let lines = differences.text.split(separator: "\n").map { $0.dropFirst(2) }
        // What root made is root's already.
        let told = edit.told.map { line in
            ids == "0:0"
                ? line.replacing(", owner: UID:GID -> 0:0", with: "").replacing("owner: UID:GID -> 0:0, ", with: "")
                    .replacing("UID:GID", with: ids)
                : line.replacing("UID:GID", with: ids)
        }
        if edit.name == "size and text" {
            #expect(lines.contains { $0.hasPrefix("! /etc/hostname: ") && $0.contains("size: 7 -> 12") })
            #expect(lines.filter { told.dropFirst().contains(String($0)) }.count == 3, "\(differences.text)")
        } else {
            for line in told { #expect(lines.contains(line[...]), "\(line) in:\n\(differences.text)") }
        }
        #expect(differences.disk.isEmpty && differences.filesystems.isEmpty && differences.packages.isEmpty)
        #expect(differences.boot.isEmpty && differences.kernel.isEmpty)
        #expect(!differences.bytes.isEmpty && !differences.isEmpty)
        // Folders change with their names, and nothing else does.
        let others = differences.files.filter { change in !edit.told.contains { $0.contains(printable(change.path)) } }
        #expect(others.allSatisfy { $0.fields.allSatisfy { $0.field == "mtime" } }, "\(others)")
    }

    @Test func contentOfTheSameSizeIsNamedAndShownAsDiffDoes() async throws {
        let planted = try await Planted()
        try await planted.patch(try await planted.block(of: "/usr/share/lines") + 100, Array("x".utf8))
        let differences = try planted.differences()
        #expect(differences.files.map(\.path) == ["/usr/share/again", "/usr/share/lines"])
        let change = try #require(differences.files.last)
        #expect(change.fields.map(\.field) == ["content"])
        let sum = try await Judge.shell("sha256sum tree/usr/share/lines | cut -d' ' -f1", in: planted.sample.path)
        #expect("\(change.fields[0].old ?? "")\n" == sum)
        let judged = try await Judge.shell(
            "(head -c 100 lines; printf x; tail -c +102 lines) > \"$1\"; diff -u lines \"$1\" | tail -n +3 || true",
            [planted.folder.path.appending("lines").string], in: planted.sample.path.appending("tree/usr/share"))
        #expect((change.text ?? []).joined(separator: "\n") + "\n" == judged)
        #expect(differences.bytes.map(\.object) == ["content of /usr/share/again"])
        let quiet = try ImageComparison(
            try ImageDisk(planted.sample.raw), try ImageDisk(planted.raw), ImageComparison.Options(text: false)
        ).run()
        #expect(quiet.files.allSatisfy { $0.text == nil })
    }

    @Test func packageAndKernelOptionsAreNamed() async throws {
        let planted = try await Planted()
        let status = try await Judge.shell(
            "sed 's/^Version: 26.*/Version: 27.0-1/; s/^Package: bash/Package: dash/' tree/var/lib/dpkg/status",
            in: planted.sample.path)
        try await planted.edit(
            [
                "rm /var/lib/dpkg/status", "write status /var/lib/dpkg/status", "rm /boot/config-6.12.1-test",
                "write config /boot/config-6.12.1-test",
            ], files: ["status": status, "config": "CONFIG_KVM=m\nCONFIG_TUN=m\nCONFIG_NEW=\"a b\"\n"])
        let differences = try planted.differences([.packages, .kernel])
        #expect(
            differences.packages.map { "\($0.name) \($0.old ?? "-") \($0.new ?? "-")" } == [
                "bash 5.2.37-2 -", "dash - 5.2.37-2", "docker.io 26.1.5+dfsg1-9 27.0-1",
            ])
        #expect(
            differences.kernel.map { "\($0.object) \($0.field) \($0.old ?? "-") \($0.new ?? "-")" } == [
                "config-6.12.1-test CONFIG_KVM y m", "config-6.12.1-test CONFIG_NEW n \"a b\"",
            ])
        #expect(differences.files.isEmpty && differences.bytes.isEmpty)
        #expect(differences.text.contains("  docker.io: 26.1.5+dfsg1-9 -> 27.0-1\n"))
    }

    @Test(
        arguments: [
            (440, [1, 2, 3, 4], "disk: signature: 0xc0ffee00 -> 0x04030201"),
            (446, [0], "partition 1: active: yes -> no"), (450, [0x0b], "partition 1: type: 0x0c -> 0x0b"),
            (474, [0xff, 0xbf], "partition 2: sectors: 49152 -> 49151"),
        ] as [(UInt64, [UInt8], String)])
    func partitionFieldsAreNamed(offset: UInt64, bytes: [UInt8], line: String) async throws {
        let planted = try await Planted()
        try await planted.patch(offset, bytes)
        let differences = try planted.differences()
        #expect(differences.text.contains("  \(line)\n"), "\(differences.text)")
        #expect(differences.files.isEmpty)
    }

    @Test func identityOfFileSystemsIsNamed() async throws {
        let planted = try await Planted()
        let (root, boot) = (planted.root, planted.folder.path.appending("boot.fat"))
        try await planted.sample.makeRoot(to: root, label: "other", uuid: "99999999-2222-4333-8444-555555555555")
        try await planted.sample.makeBoot(to: boot, label: "BOOT", serial: "c0ffee02")
        try await planted.sample.assemble(root: root, boot: boot, to: planted.raw)
        let differences = try planted.differences()
        #expect(
            differences.filesystems.map { "\($0.object) \($0.field) \($0.old ?? "") \($0.new ?? "")" } == [
                "partition 1 label system-boot BOOT", "partition 1 UUID C0FF-EE01 C0FF-EE02",
                "partition 2 label writable other",
                "partition 2 UUID 11111111-2222-4333-8444-555555555555 99999999-2222-4333-8444-555555555555",
            ])
        #expect(differences.files.allSatisfy { $0.path.hasPrefix("/boot/firmware/") }, "\(differences.files)")
        #expect(differences.boot.isEmpty)
    }

    @Test func bootFilesAreNamed() async throws {
        let planted = try await Planted()
        let boot = planted.folder.path.appending("boot.fat")
        try await Judge.shell(
            """
            cp "$1" boot.fat; printf 'kernel=other\\ndtparam=i2c=on\\n' > config.txt; printf 'root=LABEL=writable quiet\\n' > cmdline.txt
            mcopy -o -i boot.fat config.txt cmdline.txt ::/
            """, [planted.sample.boot.string], in: planted.folder.path)
        try await planted.sample.assemble(root: planted.sample.root, boot: boot, to: planted.raw)
        let differences = try planted.differences([.boot, .files])
        #expect(
            differences.boot.map(\.self).map { "\($0.object)/\($0.field)/\($0.old ?? "")/\($0.new ?? "")" } == [
                "config.txt/initramfs/initrd followkernel/", "config.txt/kernel/vmlinuz/other",
                "config.txt//dtparam=audio=on/", "config.txt//" + "/dtparam=i2c=on", "command line//console=tty1/",
                "command line///quiet",
            ])
        #expect(differences.files.map(\.path) == ["/boot/firmware/cmdline.txt", "/boot/firmware/config.txt"])
    }
}
