import Diagnostics
import Digests
import Disk
import Layers
import Stock
import Storage
import SystemPackage
import TestSupport
import Testing

@Suite struct StockImageTests {
    let sample: StockSample

    init() throws { sample = try StockSample() }

    /// The files of an image that was read, with their content, as text where it is short.
    private func files(_ image: StockImage) throws -> [String: String] {
        let tree = try Tree([image.layer])
        var files: [String: String] = [:]
        for path in tree.paths {
            switch tree[path]?.kind {
            case .regular(let content):
                files[path.description] =
                    content.size > 1000 ? "\(content.size) bytes" : try ContentReader().text(of: content)
            case .directory: files[path.description + "/"] = ""
            default: files[path.description] = "?"
            }
        }
        return files
    }

    private static let expected = [
        "//": "", "/etc/": "", "/etc/fstab": StockSample.fstab, "/boot/": "", "/boot/firmware/": "", "/usr/": "",
        "/usr/bin/": "", "/usr/bin/program": "20000 bytes", "/boot/firmware/config.txt": "kernel=kernel8.bin\n",
        "/boot/firmware/overlays/": "", "/boot/firmware/overlays/pi.dtbo": "overlay",
    ]

    @Test func rootAndBootBecomeOneLayer() async throws {
        try await sample.make()
        let events = Recording()
        let image = try await sample.read(progress: events)
        #expect(try files(image) == Self.expected)
        #expect(image.bootMountPoint == "boot/firmware")
        let program = try Tree([image.layer]).content("usr/bin/program")
        let sum = try await Judge.shell("sha256sum tree/usr/bin/program", in: sample.path).prefix(64)
        #expect(program?.digest.hex == String(sum))
        #expect(image.facts.image == .of("digest"))
        #expect(image.facts.diskSize == 48 << 20 - 1 << 20)
        #expect(image.facts.diskSignature == 0xc0ff_ee00)
        #expect(image.facts.partitions.map(\.number) == [1, 2])
        #expect(image.facts.partitions.map(\.type) == [0x0c, 0x83])
        #expect(image.facts.partitions.map(\.isActive) == [true, false])
        #expect(image.facts.partitions.map(\.start) == [2048, 71680])
        #expect(image.facts.partitions.map(\.size) == [34 << 20, 12 << 20])
        #expect(image.facts.partitions.map(\.fileSystem) == ["vfat", "ext4"])
        #expect(image.facts.partitions.map(\.label) == ["system-boot", "writable"])
        #expect(image.facts.partitions.map(\.uuid) == ["C0FF-EE01", "11111111-2222-4333-8444-555555555555"])
        #expect(image.facts.root?.number == 2)
        #expect(image.facts.boot?.number == 1)
        #expect(
            events.all.contains(
                .note(
                    step: "read the image",
                    text: "names of the root file system that lie hidden below /boot/firmware are left out: 1")))
        #expect(events.all.contains(.finished(step: "unpack", detail: "47 MiB", cached: false)))
        #expect(try names(in: sample.work) == [])
    }

    @Test func theSecondUseNeedsNoImage() async throws {
        try await sample.make()
        let first = try await sample.read()
        try await Judge.shell("rm stock.img stock.img.xz", in: sample.path)
        let events = Recording()
        let second = try await sample.read(progress: events)
        #expect(second.layer.digest == first.layer.digest)
        #expect(second.facts == first.facts)
        #expect(
            events.all == [
                .finished(step: "stock image", detail: sample.packed.lastComponent?.string ?? "", cached: true)
            ])
        let store = try LayerStore(folder: sample.layers)
        #expect(exists(store.path(of: StockImage.key(for: .of("digest")))))
        #expect(StockImage.key(for: .of("digest")) != StockImage.key(for: .of("other")))
        #expect(try StockImage.stored(.of("other"), in: store) == nil)
    }

    @Test func everyWayOfPackingGivesTheSameLayer() async throws {
        try await sample.make()
        let plain = try await sample.read(sample.raw, digest: "raw")
        for pack in [
            "xz -T2 -1 --block-size=1MiB", "xz -T1 -1 --block-size=333333", "xz -9 --check=sha256",
            "xz -0 --check=none",
            // Two streams, one after the other, and padding.
            "f() { head -c 10000000 stock.img | xz -1; tail -c +10000001 stock.img | xz -0 --check=crc32; "
                + "head -c 8 /dev/zero; }; f",
        ] {
            try await Judge.shell("\(pack) -kc stock.img > stock.img.xz", in: sample.path)
            for workers in [1, 3] {
                let image = try await sample.read(digest: "\(pack) \(workers)", workers: workers)
                #expect(image.layer.digest == plain.layer.digest, "\(pack)")
                #expect(image.facts.partitions == plain.facts.partitions, "\(pack)")
            }
        }
    }

    @Test func theMountPointIsTheFstabs() async throws {
        try await sample.makeBoot()
        let lines: [(line: String, mountPoint: EntryPath)] = [
            ("LABEL=system-boot /boot/firmware vfat defaults 0 1", "boot/firmware"),
            ("LABEL=\"system-boot\"\t/boot vfat ro 0 1", "boot"),
            ("UUID=c0ff-ee01 /boot/efi vfat defaults", "boot/efi"),
            ("PARTUUID=c0ffee00-01  /boot/firmware/  vfat  defaults  0  2", "boot/firmware"),
            ("/dev/mmcblk0p1 /boot auto defaults 0 2", "boot"), ("/dev/sda1 /boot vfat defaults 0 2", "boot"),
            ("/dev/disk/by-label/system-boot /a\\040b vfat defaults 0 2", "a b"),
            ("/dev/disk/by-partuuid/C0FFEE00-01 /boot vfat defaults 0 2", "boot"),
            ("/dev/disk/by-uuid/C0FF-EE01 /boot vfat defaults 0 2", "boot"),
            ("tmpfs /tmp tmpfs defaults", "boot/firmware"),
            ("# LABEL=system-boot /boot vfat defaults", "boot/firmware"),
            ("", "boot/firmware"),
        ]
        for (line, mountPoint) in lines {
            try await sample.makeRoot(fstab: "LABEL=writable / ext4 defaults 0 0\n\(line)\n")
            try await sample.assemble()
            let image = try await sample.read(sample.raw, digest: line)
            #expect(image.bootMountPoint == mountPoint, "\(line)")
            let tree = try Tree([image.layer])
            #expect(tree[mountPoint]?.kind == .directory, "\(line)")
            let config = tree.content(mountPoint.appending("config.txt"))
            #expect(config == Content("kernel=kernel8.bin\n"), "\(line)")
        }
    }

    @Test func ofSeveralRootsTheOneWithTheUsualLabelIsTaken() async throws {
        try await sample.makeRoot()
        try await sample.makeBoot()
        let rescue = sample.path.appending("rescue.ext4")
        try await sample.makeRoot(label: "rescue", to: rescue, noise: 10)
        let data = sample.path.appending("data.ext4")
        try await sample.makeRoot(fstab: nil, label: "data", to: data)
        let swap = sample.path.appending("swap")
        try writeAtomically(to: swap, bytes: [UInt8](repeating: 0xff, count: 4096))
        try await sample.assemble([(0x83, rescue), (0x82, swap), (0x0c, sample.boot), (0x83, sample.root)])
        let image = try await sample.read()
        #expect(image.facts.root?.number == 4)
        #expect(image.facts.partitions.map(\.fileSystem) == ["ext4", nil, "vfat", "ext4"])
        #expect(try files(image)["/usr/bin/program"] == "20000 bytes")
        try await sample.assemble([(0x83, data), (0x0c, sample.boot), (0x83, rescue)])
        #expect(try await sample.read(digest: "other").facts.root?.number == 3)
    }

    @Test func aFATOf16BitsIsReadToo() async throws {
        try await sample.makeRoot()
        try await Judge.shell(
            """
            mkfs.fat -F 16 -n system-boot -i c0ffee01 -C boot.fat 16384 > log 2>&1
            printf 'kernel=kernel8.bin\\n' > config.txt; mcopy -i boot.fat config.txt ::/
            mmd -i boot.fat ::/overlays; printf overlay > pi.dtbo; mcopy -i boot.fat pi.dtbo ::/overlays/
            """, in: sample.path)
        try await sample.assemble([(0x0e, sample.boot), (0x83, sample.root)])
        let image = try await sample.read()
        #expect(try files(image) == Self.expected)
        #expect(image.facts.boot?.label == "system-boot")
        #expect(image.facts.boot?.uuid == "C0FF-EE01")
    }

    @Test(arguments: ["unpack", "read the image"])
    func cancellingLeavesNothing(step: String) async throws {
        try await sample.make()
        let sample = sample
        let task = Task { _ = try await sample.read(progress: CancellingProgress(step: step)) }
        await #expect(throws: CancellationError.self) { try await task.value }
        #expect(try names(in: sample.work) == [])
        #expect(try names(in: sample.layers) == [])
    }
}

/// Cancels the task that starts a step.
private struct CancellingProgress: ProgressReporter {
    let step: String
    func report(_ event: ProgressEvent) {
        if case .started(step, _) = event { withUnsafeCurrentTask { $0?.cancel() } }
    }
}
