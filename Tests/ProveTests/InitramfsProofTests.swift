import Prove
import Storage
import SystemPackage
import Testing

@Suite struct InitramfsProofTests {
    private static let missing = "the image has no initramfs-tools"

    /// A board with the initramfs that piforge made, in the test's own folders.
    private func board() throws -> LocalShell {
        let programs = ["sync": "exit 0", "uname": "echo 6.12.1", "stat": "wc -c < \"$3\""]
        let shell = try LocalShell(programs: programs, replacing: ["/boot"])
        let folder = shell.folder.path.appending("boot").appending("firmware")
        try createFolder(folder)
        try writeAtomically(to: folder.appending("initrd.img-6.12.1"), bytes: Array("piforge's".utf8))
        return shell
    }

    @Test(arguments: [
        (
            "printf own | tee BOOT/initrd.img-6.12.1 > BOOT/firmware/initrd.img-6.12.1",
            Observation("initrd.img-6.12.1, 0.0 MB", passed: true)
        ),
        (
            "printf own > BOOT/initrd.img-6.12.1",
            Observation("initrd.img-6.12.1 is still the image's own", passed: false)
        ),
        (
            "printf own > BOOT/initrd.img-6.12.1; printf other > BOOT/firmware/initrd.img-6.12.1",
            Observation("initrd.img-6.12.1 is not what /boot/initrd.img-… is", passed: false)
        ),
        ("echo no space left; exit 1", Observation("no space left", passed: false)),
    ])
    func firmwareMustStartWhatTheBoardMade(update: String, seen: Observation) async throws {
        let shell = try board()
        let text = "#!/bin/sh\n" + update.replacing("BOOT", with: "\(shell.folder.path)/boot") + "\n"
        try writeAtomically(
            to: shell.folder.path.appending("bin").appending("update-initramfs"), mode: 0o755, bytes: Array(text.utf8))
        #expect(try await InitramfsProof.make("initrd.img-6.12.1", on: shell) == seen)
    }

    @Test func imageThatMakesNoInitramfsIsNotHeldToIt() async throws {
        let shell = ScriptedShell { _ in CommandResult(status: 127, output: "") }
        #expect(try await InitramfsProof.make("initrd.img", on: shell) == Observation(notRun: Self.missing))
        #expect(
            try await InitramfsProof.make(nil, on: shell)
                == Observation(notRun: "this kernel boots without an initramfs"))
        let none = ScriptedShell { _ in CommandResult(status: 0, output: "none") }
        #expect(try await InitramfsProof.modules(on: none) == Observation(notRun: Self.missing))
    }

    /// A kernel whose PCIe is built in, with an initramfs of these files.
    private func kernel(_ files: [String], without absent: String = "-") throws -> LocalShell {
        let modinfo = """
            case $2 in pcie_brcmstb) echo '(builtin)';; \(absent)) exit 1;;
            *) echo /lib/modules/6.12.1/kernel/drivers/$(echo $2 | tr _ -).ko.xz;; esac
            """
        let listing = files.map { "usr/lib/modules/6.12.1/kernel/\($0)" }.joined(separator: "\n")
        return try LocalShell(
            programs: ["uname": "echo 6.12.1", "modinfo": modinfo, "lsinitramfs": "cat <<E\n\(listing)\nE"],
            replacing: ["/run"])
    }

    private static let files = [
        "drivers/reset/reset-raspberrypi.ko", "drivers/usb/host/xhci-pci.ko.xz", "drivers/usb/host/xhci-pci-renesas.ko",
        "drivers/usb/storage/usb-storage.ko", "drivers/usb/storage/uas.ko", "drivers/scsi/sd-mod.ko",
    ]

    @Test func modulesOfAUSBRootMustBeInside() async throws {
        func observe(_ shell: LocalShell) async throws -> Observation {
            try createFolder(shell.folder.path.appending("run"))
            return try await InitramfsProof.modules(on: shell)
        }
        let has = "has: reset_raspberrypi, xhci_pci, xhci_pci_renesas, usb_storage, uas, sd_mod\nbuilt in: pcie_brcmstb"
        #expect(try await observe(kernel(Self.files)) == Observation(has, passed: true))
        // NixOS/nixpkgs issue 143884: a name that only begins so is another.
        let other = ["drivers/reset/reset-raspberrypi-x.ko"] + Self.files.dropFirst()
        let lacking = try await observe(kernel(other))
        #expect(lacking.verdict == .failed)
        #expect(lacking.seen.hasPrefix("lacks: reset_raspberrypi\nhas: xhci_pci, "))
        let older = try await observe(
            kernel(Self.files.filter { !$0.contains("renesas") }, without: "xhci_pci_renesas"))
        #expect(older.verdict == .ok)
        #expect(older.seen.hasSuffix("\nnot in this kernel: xhci_pci_renesas"))
    }

    @Test func listingThatBreaksOffFails() async throws {
        let shell = ScriptedShell { _ in CommandResult(status: 0, output: "reset_raspberrypi inside") }
        #expect(try await InitramfsProof.modules(on: shell).verdict == .failed)
    }
}
