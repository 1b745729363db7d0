import Diagnostics
import Disk
import Inspect
import Layers
import Storage
import SystemPackage
import TestSupport
import Testing
import Tools

/// `inspect`, `ls` and `cat`, judged by debugfs, mtools and dpkg-query.
@Suite struct ReadingTests {
    static let forms = ["base.img", "base.img.xz"]

    private func disk(_ name: String = "base.img.xz") async throws -> ImageDisk {
        try ImageDisk(try await InspectSample.shared.path.appending(name))
    }

    private func list(
        _ text: String, _ disk: ImageDisk, recursive: Bool = false, long: Bool = false
    ) throws -> Listing { try Listing(ImageLocation(parsing: text), in: disk, recursive: recursive, long: long) }

    private func cat(_ text: String, _ disk: ImageDisk) throws -> [UInt8] {
        let location = ImageLocation(parsing: text)
        var bytes: [UInt8] = []
        try ImageFiles(disk, location).cat(location.path) { bytes += $0 }
        return bytes
    }

    // MARK: inspect

    @Test(arguments: forms) func reportSaysWhatIsThere(form: String) async throws {
        let sample = try await InspectSample.shared
        let report = try ImageInspection(try await disk(form)).report()
        #expect(report.notRead == [])
        #expect(report.signature == "0xc0ffee00")
        #expect(report.size == 60 << 20)
        #expect((report.packing == nil) == (form == "base.img"))
        #expect(report.partitions.map(\.fileSystem) == ["vfat", "ext4"])
        #expect(report.partitions.map(\.label) == ["system-boot", "writable"])
        #expect(report.partitions.map(\.uuid) == ["C0FF-EE01", "11111111-2222-4333-8444-555555555555"])
        #expect(report.partitions.map(\.mountPoint) == ["/boot/firmware", "/"])
        #expect(report.partitions.map(\.partitionUUID) == ["c0ffee00-01", "c0ffee00-02"])
        let system = try #require(report.system)
        #expect(system.name == "Debian GNU/Linux 13 (trixie)")
        #expect(system.debian == "13.1")
        #expect(system.hostname == "sample")
        #expect(system.kernels == [InspectSample.release])
        #expect(system.runtimes == ["docker.io": "26.1.5+dfsg1-9", "crun": "1.21-1"])
        #expect(system.docker?.runtimes == ["crun"])
        #expect(system.docker?.defaultRuntime == "crun")
        #expect(
            system.users.map { "\($0.name) \($0.uid) \($0.shell) \($0.password) \($0.keys)" } == [
                "root 0 /bin/bash locked 0", "pi 1000 /bin/bash to be changed 1",
            ])
        #expect(report.boot?.kernel == "vmlinuz")
        #expect(report.boot?.kernelKind == "a raw arm64 Image")
        #expect(report.boot?.initramfs == "initrd")
        #expect(report.boot?.commandLine == "console=tty1 root=LABEL=writable")
        // Judges.
        let counted = try await Judge.shell(
            "dpkg-query --admindir=tree/var/lib/dpkg -W -f '${db:Status-Status}\\n' | grep -c '^installed$'",
            in: sample.path)
        #expect("\(system.packages ?? 0)\n" == counted)
        let free = try await Judge.shell(
            "dumpe2fs -h root.ext4 2>/dev/null | awk '/^Free blocks:/ {print $3 * 4096}'", in: sample.path)
        #expect("\(report.partitions[1].free ?? 0)\n" == free)
        let fat = try await Judge.shell(
            "MTOOLSRC=/dev/null mdir -i boot.fat :: | grep 'bytes free' | tr -cd 0-9", in: sample.path)
        #expect("\(report.partitions[0].free ?? 0)" == fat)
    }

    @Test func reportIsAsPromised() async throws {
        var report = try ImageInspection(try await disk()).report()
        report.file = "base.img.xz"
        #expect(report.text.contains("  system        Debian GNU/Linux 13 (trixie) (Debian 13.1)\n"))
        #expect(report.text.contains("  login         pi (1000), /bin/bash, password to be changed, 1 SSH key\n"))
        #expect(report.text.contains("  docker        crun (default)\n"))
        let blocks = try #require(report.blocksRead)
        #expect(blocks <= 30 && report.packing?.blocks == 60, "\(blocks) of \(report.packing?.blocks ?? 0) blocks")
    }

    // MARK: ls

    @Test(arguments: forms) func namesAreWhatDebugfsAndMtoolsSee(form: String) async throws {
        let sample = try await InspectSample.shared
        let disk = try await disk(form)
        // debugfs: /inode/mode/uid/gid/name/size/
        let judged = try await Judge.debugfs(sample.root, "ls -p /etc").split(separator: "\n").compactMap { line in
            let fields = line.split(separator: "/", omittingEmptySubsequences: false)
            return fields[5].hasPrefix(".") ? nil : "\(fields[2].suffix(4)) \(fields[3]) \(fields[4]) \(fields[5])"
        }.sorted()
        let rows = try list("/etc", disk).rows
        #expect(rows.map { "\($0.mode) \($0.uid) \($0.gid) \($0.path.dropFirst(5))" }.sorted() == judged)
        let boot = try await Judge.shell(
            "MTOOLSRC=/dev/null mdir -b -s -i boot.fat :: | sed 's|^::||; s|/$||'", in: sample.path
        )
        .split(separator: "\n").map(String.init).sorted()
        let found = try list("1:/", disk, recursive: true).names
        #expect(found.sorted() == boot)
        #expect(try list("/boot/firmware", disk, recursive: true).names.map { String($0.dropFirst(14)) } == found)
    }

    @Test func longLinesAreThoseOfLs() async throws {
        let sample = try await InspectSample.shared
        let disk = try await disk()
        func squeezed(_ lines: [String]) -> [String] {
            lines.map { $0.split(separator: " ").joined(separator: " ") }
        }
        let judged = try await Judge.shell(
            """
            cd tree; TZ=UTC ls -lnAR --time-style='+%Y-%m-%d %H:%M:%S' -b usr/bin usr/share etc home |
                grep -v -e '^total' -e ':$' -e '^$' -e '^d' | sed 's/\\\\ / /g'
            """, in: sample.path)
        var found: [String] = []
        for folder in ["/usr/bin", "/usr/share", "/etc", "/etc/docker", "/home/pi/.ssh"] {
            found += try list(folder, disk, long: true).lines.filter { !$0.hasPrefix("d") }
        }
        // A link's mode counts for nothing; ls -b has \\n, \\t and octal digits as we do. A pipe's size is 0.
        #expect(
            squeezed(found).sorted() == squeezed(judged.split(separator: "\n").map(String.init)).sorted())
        #expect(try list("/usr/bin/program", disk, long: true).lines.first?.hasPrefix("-rwsr-xr-x ") == true)
        #expect(try list("/usr/bin/program", disk).names == ["/usr/bin/program"])
    }

    @Test func whatIsBelowAMountPointIsHidden() async throws {
        let disk = try await disk()
        #expect(try list("/boot/firmware", disk).names.contains("config.txt"))
        #expect(try !list("/boot/firmware", disk).names.contains("hidden"))
        #expect(try list("2:/boot/firmware", disk).names == ["hidden"])
        #expect(
            refusal { _ = try list("7:/", disk) }
                == "\(disk.path): the image has no partition 7\n  expected: 1, 2")
    }

    // MARK: cat

    @Test(arguments: forms) func contentIsWhatTheToolsRead(form: String) async throws {
        let sample = try await InspectSample.shared
        let disk = try await disk(form)
        for name in ["/usr/bin/program", "/var/lib/dpkg/status", "/boot/vmlinuz-6.12.1-test", "/usr/share/again"] {
            let judged = try await Judge.runner.run(
                Judge.debugfs, ["-R", "cat \(name)", sample.root.string], place: name)
            #expect(try cat(name, disk) == judged.output, "\(name)")
        }
        #expect(try cat("/boot/firmware/config.txt", disk) == readFile(sample.path.appending("config.txt")))
        #expect(try cat("1:/VMLINUZ", disk) == readFile(sample.path.appending("vmlinuz")))
    }

    @Test func linksAreFollowedInsideOfTheImage() async throws {
        let disk = try await disk()
        #expect(try cat("/usr/share/climbs", disk) == Array("sample\n".utf8))
        #expect(
            try cat("/usr/share/config", disk)
                == Array("kernel=vmlinuz\ninitramfs initrd followkernel\ndtparam=audio=on\n".utf8))
        #expect(try cat("../../etc/./docker/../hostname", disk) == Array("sample\n".utf8))
        #expect(try cat("/lib/os-release", disk).starts(with: "PRETTY_NAME".utf8))
        let image = disk.path
        #expect(refusal { _ = try cat("/etc/loop1", disk) } == "\(image): /etc/loop1: links go round in a circle")
        #expect(
            refusal { _ = try cat("/etc", disk) }
                == "/etc: this is no file with content\n  expected: a regular file\n  found:    a folder")
        #expect(
            refusal { _ = try cat("/etc/no\u{1b}", disk) }
                == "\(image): /etc/no\\033: there is no such file in the image: /etc/no\\033\n  next:     piforge ls \(image) /"
        )
        #expect(
            refusal { try cat("/etc/hostname/x", disk) }
                == "\(image): /etc/hostname/x: this is no folder: /etc/hostname\n  next:     piforge ls \(image) /")
    }

    @Test func fewBlocksAreUnpacked() async throws {
        let disk = try await disk()
        #expect(try cat("/etc/hostname", disk) == Array("sample\n".utf8))
        let packed = try #require(disk.packed)
        #expect(packed.file.blocks.count == 60)
        #expect(packed.work.blocks <= 8, "\(packed.work.blocks) blocks")
    }

    @Test func oneBlockIsReadFromItsStart() async throws {
        let sample = try await InspectSample.shared
        try await sample.pack(sample.raw, to: sample.path.appending("single.img.xz"), with: "xz -T1 -0")
        let disk = try await disk("single.img.xz")
        #expect(disk.packed?.isSequential == true)
        let report = try ImageInspection(disk).report()
        #expect(report.notRead == [])
        #expect(report.system?.packages == 3)
        #expect(try cat("/etc/hostname", disk) == Array("sample\n".utf8))
        #expect(try #require(disk.packed).work.blocks <= 3, "\(String(describing: disk.packed?.work))")
    }

    // MARK: What is no image

    @Test func whatIsNoImageIsRefused() async throws {
        let folder = try TemporaryFolder(in: "/tmp", name: "piforge-none")
        let text = folder.path.appending("text.img")
        try writeAtomically(to: text, bytes: Array("text".utf8))
        #expect(
            refusal { _ = try ImageDisk(text) } == """
                \(text): this is neither an .xz file nor a raw disk
                  expected: fd 37 7a 58 5a 00 at its start, or a partition table (55 aa at byte 510)
                  found:    74 65 78 74
                """)
        let zip = folder.path.appending("a disk.zip")
        try writeAtomically(to: zip, bytes: [0x50, 0x4b, 3, 4])
        #expect(
            refusal { _ = try ImageDisk(zip) } == """
                \(zip): this is a zip archive, which is not read as it is
                  expected: NAME.img.xz or NAME.img
                  next:     unzip '\(zip)'  # of the package unzip
                """)
        #expect(
            refusal { try ImageDisk(folder.path) }
                == "\(folder.path): this is no file\n  expected: an image: NAME.img or NAME.img.xz")
        #expect(
            refusal { try ImageDisk("/tmp/there-is-none.img") }
                == "/tmp/there-is-none.img: there is no such file")
    }

    @Test func damagedSuperblockIsTold() async throws {
        let planted = try await Planted()
        try await planted.patch(InspectSample.rootStart + 1024, [UInt8](repeating: 0xff, count: 56))
        let report = try ImageInspection(try ImageDisk(planted.raw)).report()
        #expect(report.notRead.count == 1)
        #expect(report.notRead.first?.hasPrefix("partition 2: could not open the ext4 file system at byte ") == true)
        #expect(report.boot?.kernel == "vmlinuz")
        #expect(report.system == nil)
        let differences = try planted.differences()
        #expect(differences.notCompared.count == 1)
        #expect(differences.bytes.map(\.object) == ["what cannot be told: its file system cannot be read"])
    }

    @Test(
        arguments: [
            ("plain näme", "plain näme"), ("a\nb\tc\\", "a\\nb\\tc\\\\"), ("\u{1b}[31m", "\\033[31m"),
            ("\u{9b}1m", "\\302\\2331m"), ("a\u{202e}b", "a\\342\\200\\256b"),
        ])
    func namesObeyNoOne(name: String, shown: String) {
        #expect(printable(name) == shown)
        #expect(printable([0x61, 0xff, 0xc3]) == "a\\377\\303")
    }

    @Test(
        arguments: [(0, "1970-01-01 00:00:00"), (-1, "1969-12-31 23:59:59"), (1_709_210_096, "2024-02-29 12:34:56")]
            as [(Int64, String)])
    func timesAreUTC(seconds: Int64, text: String) {
        #expect(utcText(Timestamp(seconds: seconds)) == text)
    }
}
