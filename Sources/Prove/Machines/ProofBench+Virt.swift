import Diagnostics
import Digests
import Firmware
import Guest
import Storage
import SystemPackage

extension ProofBench {
    /// Boots the same disk, kernel and initramfs on QEMU's generic machine, over virtio and with network.
    ///
    /// - Returns: what the machine left, where it made an initramfs of its own; nil where it was not asked to, or failed.
    func proveOnVirt(otherMachineID: String?) async throws -> RemadeDisk? {
        let disk = try disk(.virt)
        var machine = try virtMachine(boot, files, root: "vda", label: "virt", log: log(.virt))
        let memory = machine.memory ?? 0
        machine.drives = [.init(disk, format: .qcow2, bus: .virtio)]
        // The archives of proof images as further disks, read where they lie: /dev/vdb and so on.
        var proofImages: [SHA256Digest: String] = [:]
        for digest in Set((image.manifest?.expectations.runtimes ?? []).compactMap { $0.proof?.image?.sha256 }).sorted(
            by: { $0.hex < $1.hex })
        {
            guard let path = try options.runtimeImage(digest) else { continue }
            proofImages[digest] =
                "/dev/vd\(Character(UnicodeScalar(UInt8(ascii: "a") + UInt8(clamping: machine.drives.count))))"
            machine.drives.append(.init(absolutePath(path), format: .raw, bus: .virtio, readOnly: true))
        }
        let archives = proofImages
        let expectsSSH = image.manifest.map { $0.expectations.ssh != nil } ?? true
        machine.network = .user(guestPorts: [sshPort], restricted: true)
        let session = try await start(.virt, machine) { running, console in
            try await checkVirt(running, console, expectsSSH, memory << 20, otherMachineID, archives)
        }
        return session.map { RemadeDisk(path: disk, session: $0) }
    }

    /// QEMU's generic machine, with what the firmware would start. It has no disk yet.
    ///
    /// - Parameters:
    ///   - root: the disk that stands for the SD card.
    ///   - label: the machine, as notes call it.
    func virtMachine(
        _ boot: FirmwareBoot, _ files: BootFolder, root: String, label: String, log: FilePath
    ) throws -> MachineDescription {
        var commandLine = CommandLine(boot.commandLine)
        for (index, word) in commandLine.words.enumerated() where word.hasPrefix("root=/dev/mmcblk0p") {
            let replacement = "root=/dev/\(root)" + word.dropFirst("root=/dev/mmcblk0p".count)
            recorder.note("\(label): the kernel's command line has \(replacement) in place of \(word)")
            commandLine.words[index] = replacement
        }
        let added = ["console=ttyAMA0,115200"] + Self.patience
        commandLine.add(added)
        recorder.note("\(label): added to the kernel's command line: \(added.joined(separator: " "))")

        // Twice the limit where there is one: else the machine would hold it, not the image.
        let limit = image.manifest?.expectations.memoryLimit.map { Int($0 >> 20) } ?? boot.totalMemory
        let memory = limit.map { min(2 * $0, 4096) } ?? 1024
        var machine = MachineDescription(
            machine: "virt,virtualization=on,gic-version=2", cpu: "cortex-a72", processors: 2,
            memory: max(512, memory), serialPorts: [.init("serial0", log: log)])
        machine.kernel = try path(boot.kernelName, in: files)
        machine.initrd = try boot.initramfsName.map { try path($0, in: files) }
        machine.commandLine = commandLine.text
        return machine
    }

    /// The port that the image's SSH server listens on.
    private var sshPort: UInt16 { UInt16(clamping: image.manifest?.expectations.ssh?.port ?? 22) }

    private func checkVirt(
        _ running: RunningMachine, _ console: SerialConsole, _ expectsSSH: Bool, _ memory: Int,
        _ otherMachineID: String?, _ proofImages: [SHA256Digest: String]
    ) async throws -> ConsoleLogin.Session? {
        guard let (shell, session) = try await logIn(.virt, on: console) else { return nil }
        var root: any RootShell = shell
        if expectsSSH, let ssh = try await connect(running, console, shell, session) { root = ssh }
        let system = BootedSystem(
            machine: "virt", shell: root, image: image, diskSize: cardSize, probe: probe, user: login.user,
            proofImages: proofImages)
        var checks: [Check] = [.units, .login, .kvmDevice, .kvmGuest]
        let virtualizers = image.manifest?.accounts.filter { $0.groups.contains("kvm") }.map(\.name) ?? []
        if !virtualizers.isEmpty { checks.append(.kvmGroup(virtualizers)) }
        if let user = image.manifest?.accounts.first(where: { $0.name == login.user })?.name {
            checks.append(.ping(user))
        }
        checks.append(.memory(limit: system.memoryLimit(boot), machine: UInt64(memory)))
        checks += [.rootDevice("/dev/vda"), .rootChecked]
        if system.expectations?.growsRoot ?? true { checks.append(.rootGrown(diskSize: cardSize)) }
        let made = image.manifest?.secrets?.filter(\.isMadeAtFirstBoot) ?? []
        if !made.isEmpty { checks.append(.secrets(made)) }
        if let expected = system.expectations {
            checks += [.kernelRelease(expected.kernelRelease), .hostname(expected.hostname)]
            if !expected.kernelConfig.isEmpty { checks.append(.kernelConfig(expected.kernelConfig)) }
        }
        checks.append(.machineID(other: otherMachineID))
        if let manifest = image.manifest, manifest.base?.accountsLocked ?? true {
            checks.append(.otherAccounts(ours: manifest.accounts.map(\.name)))
        }
        if expectsSSH { checks.append(.hostKeys) }
        checks += [.packageDatabase, .timeStamps]
        let docker = try await hasDocker(system)
        if docker { checks += Check.docker(system) }
        checks += (system.expectations?.runtimes ?? []).flatMap(Check.runtime)
        if docker { checks.append(.dockerCleared) }
        if let wifi = system.expectations?.wifi { checks += Check.wifi(wifi) }
        checks.append(.bootFiles)
        try await recorder.run(checks, on: system, console: console)
        let remade = options.thorough ? try await remakeInitramfs(system, console) : false
        try await recorder.row(
            "virt", "power off", expected: "the machine switches itself off", console: console
        ) {
            console.send("systemctl poweroff\r")
            try await running.waitForEnd(within: .longCommand)
            return Observation("off", passed: true)
        }
        return remade ? session : nil
    }

    /// What the manifest says; without one, whether the program is there.
    private func hasDocker(_ system: BootedSystem) async throws -> Bool {
        if let expected = system.expectations { return expected.docker }
        return try await system.shell.run("command -v dockerd", within: .command).status == 0
    }

    /// Logs in over SSH: with a key, which must work, and with the password, as configured.
    ///
    /// - Returns: a way to run commands as root over SSH; nil when the key does not get in.
    private func connect(
        _ running: RunningMachine, _ console: SerialConsole, _ shell: SerialShell, _ session: ConsoleLogin.Session
    ) async throws -> SSHClient? {
        let folder = work.appending("ssh")
        try createFolder(folder)
        var key = options.sshKey.map(absolutePath)
        if key == nil {
            let made = try await SSHClient.makeKey(in: folder, tools: tools)
            key = made.path
            try await authorise(made.publicKey, shell)
            recorder.note("virt: a key of the proof was let in for \(login.user), over the serial console")
        }
        guard let key else { return nil }
        let client = SSHClient(
            user: login.user, password: session.password, port: try await running.hostPort(forGuest: sshPort), key: key,
            folder: folder, machine: "virt", tools: tools)
        let entered = try await recorder.row(
            "virt", "SSH login with a key", expected: login.user, console: console
        ) {
            // The server may still be making its host keys when the console's login is there.
            var result = CommandResult(status: 255, output: "")
            for _ in 0..<12 {
                result = try await client.plain("id -un", within: .command)
                if result.status != 255 { break }
                _ = try await shell.run("sleep 5", within: .command)
            }
            return Observation(result.output, passed: result.status == 0 && result.output == login.user)
        }
        let allowed = image.manifest?.expectations.ssh?.passwordLogin
        try await recorder.row(
            "virt", "SSH login with the password",
            expected: allowed.map { $0 ? "gets in" : "refused: keys only" } ?? "either"
        ) {
            let result = try await client.logInWithPassword(within: .command)
            let entered = result.status == 0 && result.output.contains("logged in")
            // The server's own list of methods tells a refusal of passwords from a wrong one.
            let offered = result.output.contains("(") && result.output.contains("password")
            let keysOnly = !entered && result.output.contains("Permission denied (publickey)")
            let seen = entered ? "gets in" : keysOnly ? "refused: keys only" : result.output
            return Observation(
                seen, passed: allowed.map { $0 ? entered : keysOnly } ?? (entered || keysOnly || !offered))
        }
        return entered.passed ? client : nil
    }

    private func authorise(_ publicKey: String, _ shell: SerialShell) async throws {
        let user = login.user
        let script =
            "h=$(getent passwd \(user) | cut -d: -f6) && install -d -m 700 -o \(user) -g \"$(id -gn \(user))\" $h/.ssh && "
            + "echo '\(publicKey)' >> $h/.ssh/authorized_keys && "
            + "chown \(user): $h/.ssh/authorized_keys && chmod 600 $h/.ssh/authorized_keys"
        let result = try await shell.run(script, within: .command)
        guard result.status == 0 else {
            throw Failure(at: "virt", "the proof's key could not be let in", found: result.output)
        }
    }
}
