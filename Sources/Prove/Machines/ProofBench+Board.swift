import Diagnostics
import Firmware
import Guest
import Storage
import SystemPackage

extension ProofBench {
    /// Services that need minutes on QEMU's slow SD card; they are judged on virt.
    private static let heavyServices = ["docker.service", "docker.socket", "containerd.service"]
    /// QEMU tells the kernel of the memory below the VideoCore's share of the first GiB alone, of the 2 GiB it has.
    private static let boardMemory: UInt64 = 960 << 20

    /// Boots on QEMU's Raspberry Pi 4 as the firmware would, with the image as the SD card.
    ///
    /// - Returns: the machine id that the board made.
    func proveOnBoard() async throws -> String? {
        let deviceTree = work.appending("raspi4b.dtb")
        try writeAtomically(to: deviceTree, bytes: boot.deviceTree)
        for note in try await BoardDeviceTree.fit(deviceTree, tools: tools) { recorder.note("raspi4b: \(note)") }
        var commandLine = CommandLine(boot.commandLine)
        let console = try await BoardDeviceTree.console(deviceTree, tools: tools)
        var added = ["earlycon=pl011,mmio32,0xfe201000", "console=\(console),115200"]
        // The firmware sets the device tree's memory node; in QEMU's direct boot QEMU does, so mem= stands in.
        if let total = boot.totalMemory, commandLine.values(of: "mem").isEmpty { added.append("mem=\(total)M") }
        added += Self.patience + Self.heavyServices.map { "systemd.mask=\($0)" }
        commandLine.add(added)
        recorder.note("raspi4b: added to the kernel's command line: \(added.joined(separator: " "))")

        var machine = MachineDescription(
            machine: "raspi4b", processors: 4, serialPorts: [.init("serial0", log: log(.raspi4b))])
        machine.kernel = try path(boot.kernelName)
        machine.initrd = try boot.initramfsName.map { try path($0) }
        machine.deviceTree = deviceTree
        machine.commandLine = commandLine.text
        machine.drives = [.init(try disk(.raspi4b), format: .qcow2, bus: .sd)]
        return try await start(.raspi4b, machine) { _, console in try await checkBoard(console) }
    }

    private func checkBoard(_ console: SerialConsole) async throws -> String? {
        guard let (shell, _) = try await logIn(.raspi4b, on: console) else { return nil }
        let system = BootedSystem(
            machine: "raspi4b", shell: shell, image: image, diskSize: cardSize, probe: probe, user: login.user)
        var checks: [Check] = [.model, .interruptController, .kvmDevice, .kvmGuest]
        checks.append(.memory(limit: system.memoryLimit(boot), machine: Self.boardMemory))
        checks += [.rootDevice("/dev/mmcblk"), .rootChecked]
        if system.expectations?.growsRoot ?? true { checks.append(.rootGrown(diskSize: cardSize)) }
        let made = image.manifest?.secrets?.filter(\.isMadeAtFirstBoot) ?? []
        if !made.isEmpty { checks.append(.secrets(made)) }
        if let expected = system.expectations {
            checks += [.kernelRelease(expected.kernelRelease), .hostname(expected.hostname)]
            if !expected.kernelConfig.isEmpty { checks.append(.kernelConfig(expected.kernelConfig)) }
        }
        checks.append(.login)
        if let wifi = system.expectations?.wifi { checks += Check.wifi(wifi) }
        try await recorder.run(checks, on: system, console: console)
        let identity = try await row(.machineID(other: nil), on: system, console)
        try await recorder.row(
            "raspi4b", "power off", expected: "the kernel powers down", console: console
        ) {
            // QEMU's board halts without ending, so the kernel's own last words are waited for.
            console.send("dmesg -n 7; systemctl poweroff\r")
            _ = try await console.wait(for: ["reboot: Power down", "reboot: System halted"], within: .longCommand)
            return Observation("reboot: Power down", passed: true)
        }
        return identity.passed ? identity.seen : nil
    }

    /// Makes one check and tells what it saw.
    func row(_ check: Check, on system: BootedSystem, _ console: SerialConsole) async throws -> Observation {
        try await recorder.row(
            system.machine, check.name, expected: check.expected, console: console
        ) { try await check.observe(system) }
    }
}

extension BootedSystem {
    /// The recipe's limit, or where there is no manifest config.txt's, in bytes.
    func memoryLimit(_ boot: FirmwareBoot) -> UInt64? {
        expectations.map(\.memoryLimit) ?? boot.totalMemory.map { UInt64($0) << 20 }
    }
}
