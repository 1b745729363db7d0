import Disk
import Inspect
import Storage
import SystemPackage
import TestSupport
import Testing
import Tools

#if canImport(Glibc)
    import Glibc
#endif

/// A small image of a system for the Pi, made by mke2fs, mkfs.fat, mtools and xz: `base.img`, `base.img.xz`, and its two file
/// systems.
struct InspectSample: Sendable {
    static let release = "6.12.1-test"
    static let bootStart: UInt64 = 1 << 20
    static let bootSize: UInt64 = 34 << 20
    static var rootStart: UInt64 { bootStart + bootSize }
    static let rootSize: UInt64 = 24 << 20
    /// Of the .xz file's blocks, in bytes.
    static let blockSize = 1 << 20

    private let folder: TemporaryFolder
    var path: FilePath { folder.path }
    var raw: FilePath { path.appending("base.img") }
    var packed: FilePath { path.appending("base.img.xz") }
    var root: FilePath { path.appending("root.ext4") }
    var boot: FilePath { path.appending("boot.fat") }

    private static let made = Task { try await InspectSample() }
    /// The one that all tests share, which none changes.
    static var shared: InspectSample { get async throws { try await made.value } }

    private static let tree = """
        rm -rf tree; mkdir -p tree/{etc/docker,boot/firmware,usr/{bin,lib/modules/6.12.1-test,share},var/lib/dpkg,root,home/pi/.ssh}
        cd tree
        ln -s usr/lib lib
        printf 'LABEL=writable / ext4 defaults 0 1\\nLABEL=system-boot /boot/firmware vfat defaults 0 1\\n' > etc/fstab
        printf 'sample\\n' > etc/hostname
        ln -s ../usr/lib/os-release etc/os-release
        printf 'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\\nID=debian\\nVERSION_ID="13"\\nVERSION_CODENAME=trixie\\n' > usr/lib/os-release
        echo 13.1 > etc/debian_version
        printf 'root:x:0:0:root:/root:/bin/bash\\ndaemon:x:1:1::/usr/sbin:/usr/sbin/nologin\\npi:x:1000:1000::/home/pi:/bin/bash\\n' > etc/passwd
        printf 'root:!:19000:0:99999:7:::\\ndaemon:*:19000::::::\\npi:$y$j9T$x:0:0:99999:7:::\\n' > etc/shadow
        printf '{"runtimes": {"crun": {"path": "/usr/bin/crun"}}, "default-runtime": "crun"}\\n' > etc/docker/daemon.json
        printf '# mine\\nssh-ed25519 AAAA pi\\n' > home/pi/.ssh/authorized_keys
        for package in 'docker.io 26.1.5+dfsg1-9' 'bash 5.2.37-2' 'crun 1.21-1'; do set -- $package
            printf 'Package: %s\\nStatus: install ok installed\\nPriority: optional\\nMaintainer: n\\nArchitecture: arm64\\nVersion: %s\\nDescription: d\\n\\n' $1 $2
        done > var/lib/dpkg/status
        printf 'Package: gone\\nStatus: deinstall ok config-files\\nMaintainer: n\\nArchitecture: arm64\\nVersion: 1\\nDescription: d\\n\\n' >> var/lib/dpkg/status
        printf 'CONFIG_KVM=y\\nCONFIG_TUN=m\\n# CONFIG_XEN is not set\\n' > boot/config-6.12.1-test
        head -c 70000 /dev/zero > boot/vmlinuz-6.12.1-test
        seq 1 60000 > usr/bin/program; chmod 4755 usr/bin/program
        seq 1 300 > usr/share/lines
        ln usr/share/lines usr/share/again
        echo hidden > boot/firmware/hidden
        ln -s loop2 etc/loop1; ln -s loop1 etc/loop2
        ln -s ../../../../../etc/hostname usr/share/climbs; ln -s /boot/firmware/config.txt usr/share/config
        mkfifo usr/share/fifo
        printf x > "usr/share/$(printf 'a\\nb\\033[31m')"
        find . -exec touch -h -d @1564000000 {} +
        """

    private init() async throws {
        folder = try TemporaryFolder.shared("piforge-inspect")
        try await Judge.shell(Self.tree, in: path)
        try await makeRoot(to: root)
        try await makeBoot(to: boot)
        try await assemble(root: root, boot: boot, to: raw)
        try await pack(raw, to: packed)
    }

    func makeRoot(
        to target: FilePath, label: String = "writable", uuid: String = "11111111-2222-4333-8444-555555555555"
    )
        async throws
    {
        try await Judge.runner.run(
            Tool.mke2fs,
            [
                "-q", "-F", "-t", "ext4", "-O",
                "none,has_journal,ext_attr,dir_index,filetype,extent,64bit,flex_bg,sparse_super,metadata_csum", "-b",
                "4096",
                "-I", "256", "-J", "size=4", "-L", label, "-U", uuid, "-E",
                "root_owner=0:0,hash_seed=66666666-7777-8888-9999-aaaaaaaaaaaa", "-d", path.appending("tree").string,
                target.string, "\(Self.rootSize >> 20)M",
            ], place: "mke2fs")
    }

    func makeBoot(to target: FilePath, label: String = "system-boot", serial: String = "c0ffee01") async throws {
        try await Judge.shell(
            """
            rm -f "$1"; mkfs.fat --invariant -F 32 -s 1 -n "$2" -i "$3" -C "$1" 34816 > log 2>&1
            printf 'kernel=vmlinuz\\ninitramfs initrd followkernel\\ndtparam=audio=on\\n' > config.txt
            printf 'console=tty1 root=LABEL=writable\\n' > cmdline.txt
            (head -c 56 /dev/zero; printf 'ARM\\x64'; head -c 5000 /dev/zero) > vmlinuz
            mcopy -i "$1" config.txt cmdline.txt vmlinuz ::/; mmd -i "$1" ::/overlays
            printf overlay > pi.dtbo; mcopy -i "$1" pi.dtbo ::/overlays/
            """, [target.string, label, serial], in: target.removingLastComponent())
    }

    func assemble(root: FilePath, boot: FilePath, to target: FilePath) async throws {
        try await Judge.shell(
            """
            rm -f "$3"; truncate -s 60M "$3"
            dd if="$1" of="$3" bs=1M seek=1 conv=notrunc,sparse status=none
            dd if="$2" of="$3" bs=1M seek=35 conv=notrunc,sparse status=none
            printf 'label: dos\\nlabel-id: 0xc0ffee00\\nstart=2048, size=69632, type=c, bootable\\nstart=71680, size=49152, type=83\\n' |
                sfdisk -q "$3"
            """, [boot.string, root.string, target.string], in: path)
    }

    func pack(_ raw: FilePath, to target: FilePath, with xz: String = "xz -T2 --block-size=1MiB -0") async throws {
        try await Judge.shell("\(xz) -kc \"$1\" > \"$2\"", [raw.string, target.string], in: path)
    }
}

/// A copy of the sample with a difference in it.
struct Planted {
    let sample: InspectSample
    let folder: TemporaryFolder
    var raw: FilePath { folder.path.appending("new.img") }
    var root: FilePath { folder.path.appending("root.ext4") }

    init() async throws {
        sample = try await InspectSample.shared
        folder = try TemporaryFolder(in: "/tmp", name: "piforge-planted")
    }

    /// Puts files of the host into the root file system with debugfs, and has it do more.
    func edit(_ requests: [String], files: [String: String] = [:]) async throws {
        try await Judge.shell("cp --sparse=always \"$1\" root.ext4", [sample.root.string], in: folder.path)
        for (name, text) in files { try writeAtomically(to: folder.path.appending(name), bytes: Array(text.utf8)) }
        // debugfs writes into its current folder only.
        let separated = requests.flatMap { request -> [String] in
            let words = request.split(separator: " ").map(String.init)
            guard words[0] == "write", let slash = words[2].lastIndex(of: "/") else { return [request] }
            let name = words[2][words[2].index(after: slash)...]
            return ["cd \(words[2][...slash])", "write \(words[1]) \(name)", "cd /"]
        }
        try await Judge.edit(root, separated)
        try await sample.assemble(root: root, boot: sample.boot, to: raw)
    }

    /// Changes bytes of the disk.
    func patch(_ offset: UInt64, _ bytes: [UInt8]) async throws {
        try await Judge.shell("cp --sparse=always \"$1\" new.img", [sample.raw.string], in: folder.path)
        try OpenFile.updating(raw).write(at: offset, bytes)
    }

    func differences(
        _ sections: [ImageDifferences.Section] = ImageDifferences.Section.allCases, old: FilePath? = nil
    ) throws -> ImageDifferences {
        try ImageComparison(
            try ImageDisk(old ?? sample.raw), try ImageDisk(raw), ImageComparison.Options(sections: sections)
        ).run()
    }

    /// Where the first block of a file of the root file system is on the disk.
    func block(of name: String) async throws -> UInt64 {
        let blocks = try await Judge.debugfs(sample.root, "blocks \(name)")
        let first = try #require(blocks.split(whereSeparator: \.isWhitespace).first.flatMap { UInt64($0) })
        return InspectSample.rootStart + first * 4096
    }
}
