import Records
import Diagnostics
import Firmware
import Guest
import Storage
import SystemPackage

/// What virt left: its disk, with an initramfs that the booted system made, and how to log in to it.
struct RemadeDisk: Sendable {
    /// Over the image's bytes; the machine that wrote to it is off.
    let path: FilePath
    let session: ConsoleLogin.Session
}

extension ProofBench {
    /// The second boot, as rows and notes call it.
    private static let label = "virt, USB"

    var usbLog: FilePath { options.logs.appending("\(image.name).virt-usb.serial.log") }

    /// Has the booted system make its own initramfs.
    ///
    /// - Returns: whether it has one that the firmware would start.
    func remakeInitramfs(_ system: BootedSystem, _ console: SerialConsole) async throws -> Bool {
        let made = try await row(.initramfsMade(boot.initramfsName), on: system, console)
        _ = try await row(.initramfsModules, on: system, console)
        return made.passed
    }

    /// Boots a disk with what its own boot partition has by now, as a disk on a USB port.
    ///
    /// - Returns: whether a machine was started at all.
    func proveOnUSB(_ disk: RemadeDisk) async throws -> Bool {
        guard let (boot, files) = try await remadeBoot(disk) else { return false }
        var machine = try virtMachine(boot, files, root: "sda", label: Self.label, log: usbLog)
        machine.drives = [.init(disk.path, format: .qcow2, bus: .usb)]
        let session = disk.session
        _ = try await start(Self.label, machine) { running, console -> Bool? in
            try await checkUSB(running, console, session)
            return true
        }
        return true
    }

    /// What the firmware would start from the disk now; nil, and a failed row, for nothing, or for the image's own initramfs.
    private func remadeBoot(_ disk: RemadeDisk) async throws -> (FirmwareBoot, BootFolder)? {
        var found: (FirmwareBoot, BootFolder)?
        let row = try await recorder.row(
            Self.label, "boot files of the board", expected: "what a Pi 4 can boot, with another initramfs"
        ) {
            let source = try CopyOnWriteSource(disk.path, over: image.raw)
            let files = try image.bootFiles(of: source, into: work.appending("boot-remade"))
            let remade = try await PiFirmware.boot(from: files, tools: tools)
            found = (remade, files)
            let names = [remade.kernelName, remade.initramfsName, remade.deviceTreeName].compactMap { $0 }
            guard let initramfs = remade.initramfs, initramfs != boot.initramfs else {
                return Observation("\(names.joined(separator: ", ")): the image's own initramfs", passed: false)
            }
            return Observation(names.joined(separator: ", "), passed: true)
        }
        return row.passed ? found : nil
    }

    private func checkUSB(
        _ running: RunningMachine, _ console: SerialConsole, _ session: ConsoleLogin.Session
    ) async throws {
        let name = Self.label
        let login = ConsoleLogin(console, machine: name)
        let limit = options.bootLimit
        let prompt = try await recorder.row(
            name, "boot to the serial login", expected: "a prompt within \(limit.components.seconds) s",
            console: console
        ) {
            try await login.waitForPrompt(within: limit)
            return Observation("login:", passed: true)
        }
        guard prompt.passed else { return }
        var shell: SerialShell?
        try await recorder.row(name, "root's shell", expected: "sudo with the password", console: console) {
            let account = Credentials.Login(user: self.login.user, password: session.password)
            let got = try await login.logIn(as: account, newPassword: newPassword, within: .command)
            let root = try await SerialShell.asRoot(
                on: console, user: account.user, password: got.password, machine: name, within: .command)
            let id = try await root.run("id -un", within: .command)
            shell = root
            return Observation(id.output, passed: id.output == "root" && !got.changedPassword)
        }
        guard let shell else { return }
        let system = BootedSystem(
            machine: name, shell: shell, image: image, diskSize: cardSize, probe: probe, user: self.login.user)
        var checks: [Check] = [.rootDevice("/dev/sd"), .units]
        if let expected = system.expectations { checks.append(.kernelRelease(expected.kernelRelease)) }
        try await recorder.run(checks, on: system, console: console)
        try await recorder.row(name, "power off", expected: "the machine switches itself off", console: console) {
            console.send("systemctl poweroff\r")
            try await running.waitForEnd(within: .longCommand)
            return Observation("off", passed: true)
        }
    }
}
