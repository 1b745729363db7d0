import Records
import Diagnostics
import Firmware
import Guest
import Storage
import SystemPackage
import Tools

/// What both machines of a proof are made from.
struct ProofBench: Sendable {
    let options: ProofOptions
    let image: ProofImage
    let files: BootFolder
    let boot: FirmwareBoot
    let login: Credentials.Login
    let newPassword: String
    let probe: [UInt8]
    let qemu: QEMU
    let tools: ToolRunner
    let recorder: ProofRecorder
    /// A folder that is removed when the proof ends.
    let work: FilePath

    /// An emulated board is many times slower than a real one: systemd's 90 seconds for a disk to appear and for a
    /// service to start would pass there.
    static let patience = ["systemd.default_device_timeout_sec=900", "systemd.default_timeout_start_sec=900"]

    var cardSize: UInt64 { CopyOnWriteDisk.cardSize(for: image.size) }

    func log(_ machine: ProofMachine) -> FilePath {
        options.logs.appending("\(image.name).\(machine.rawValue).serial.log")
    }

    /// A disk for a machine: the image's bytes, and room beyond them.
    func disk(_ machine: ProofMachine) throws -> FilePath {
        let path = work.appending("\(machine.rawValue).qcow2")
        try CopyOnWriteDisk.create(path, over: image.raw, size: cardSize)
        return path
    }

    /// The path of a boot file that the firmware has found; in the image's files where no others are given.
    func path(_ name: String, in others: BootFolder? = nil) throws -> FilePath {
        let files = others ?? files
        guard let path = files.path(of: name) else {
            throw Failure(at: name, "the boot partition has no such file")
        }
        return absolutePath(path)
    }

    /// Starts a machine, hands its console to `body`, and makes a row of whatever kept it from running.
    func start<Value: Sendable>(
        _ machine: ProofMachine, _ description: MachineDescription,
        _ body: @escaping @Sendable (RunningMachine, SerialConsole) async throws -> Value?
    ) async throws -> Value? {
        try await start(machine.rawValue, description, body)
    }

    /// Starts a machine under the name that its rows have.
    func start<Value: Sendable>(
        _ name: String, _ description: MachineDescription,
        _ body: @escaping @Sendable (RunningMachine, SerialConsole) async throws -> Value?
    ) async throws -> Value? {
        do {
            return try await VirtualMachine.run(description, with: qemu, work: work, place: name) { running in
                try await body(running, running.serial[0])
            }
        } catch let error as Failure {
            try await recorder.row(name, "virtual machine", expected: "runs to the proof's end") { throw error }
            return nil
        }
    }

    /// Waits for the login prompt, logs in and becomes root; a row for each.
    ///
    /// - Returns: root's shell and the session; nil when the image does not let us in.
    func logIn(
        _ machine: ProofMachine, on console: SerialConsole
    ) async throws -> (shell: SerialShell, session: ConsoleLogin.Session)? {
        let name = machine.rawValue
        let login = ConsoleLogin(console, machine: name)
        let limit = options.bootLimit
        let prompt = try await recorder.row(
            name, "boot to the serial login", expected: "a prompt within \(limit.components.seconds) s",
            console: console
        ) {
            try await login.waitForPrompt(within: limit)
            return Observation("login:", passed: true)
        }
        guard prompt.passed else { return nil }

        let account = image.manifest?.accounts.first { $0.name == self.login.user }
        let words =
            switch account?.passwordExpired {
            case true?: "\(self.login.user) gets in, after changing the password"
            case false?: "\(self.login.user) gets in, with the password as it is"
            case nil: "\(self.login.user) gets in"
            }
        var session: ConsoleLogin.Session?
        try await recorder.row(name, "serial login", expected: words, console: console) {
            let got = try await login.logIn(as: self.login, newPassword: newPassword, within: .command)
            session = got
            return Observation(
                got.changedPassword ? "in, password changed" : "in, password not changed",
                passed: account.map { $0.passwordExpired == got.changedPassword } ?? true)
        }
        guard let session else { return nil }

        var shell: SerialShell?
        try await recorder.row(name, "root's shell", expected: "sudo with the password", console: console) {
            let root = try await SerialShell.asRoot(
                on: console, user: self.login.user, password: session.password, machine: name, within: .command)
            let id = try await root.run("id -un", within: .command)
            shell = root
            return Observation(id.output, passed: id.output == "root")
        }
        return shell.map { ($0, session) }
    }
}
