import Records
import Diagnostics
import Digests
import Firmware
import Guest
import Storage
import SystemPackage
import Tools

/// A machine that the proof boots the image on.
package enum ProofMachine: String, Sendable, CaseIterable, Codable {
    /// QEMU's Raspberry Pi 4 Model B, with the image as its SD card.
    case raspi4b
    /// QEMU's generic arm64 machine, with the image as a virtio disk and with network.
    case virt
}

/// What is to be proved, and with what.
package struct ProofOptions: Sendable {
    /// `NAME.img.xz` or `NAME.img`. Its sums, manifest and credentials are looked for beside it.
    package var image: FilePath
    /// Each is proved on once, in the order of ``ProofMachine``.
    package var machines: [ProofMachine] = ProofMachine.allCases
    /// nil takes `NAME.credentials` beside the image.
    package var credentials: FilePath?
    /// A private key that the image lets in; nil makes one for this proof and lets it in over the console.
    package var sshKey: FilePath?
    /// Where the serial logs go: `NAME.raspi4b.serial.log`, `NAME.virt.serial.log`.
    package var logs: FilePath
    /// Where the unpacked image is kept for the next proof.
    package var cache: FilePath
    /// The cache's folder as the command line wrote it, for commands that messages name; nil for the default.
    package var givenCache: String?
    /// Finds the archive of a runtime's proof image by its digest; nil where it is not to be had.
    package var runtimeImage: @Sendable (SHA256Digest) throws -> FilePath? = { _ in nil }
    /// Whether the booted system makes its own initramfs on virt, and is booted again with it, as a USB disk: minutes more.
    package var thorough = false
    /// How long a machine may take to its login prompt.
    package var bootLimit = Duration.seconds(900)

    package init(image: FilePath, logs: FilePath, cache: FilePath) {
        self.image = image
        self.logs = logs
        self.cache = cache
    }

    /// The proof of the same image with the same cache, as a message names it.
    var command: String {
        (["piforge prove", image.string.shellWord] + cacheArguments(givenCache)).joined(separator: " ")
    }
}

/// Boots the shipped bytes of an image, copy on write, and checks what runs.
package enum Prover {
    /// Proves an image.
    ///
    /// A check that fails, a boot that hangs and an image that a Pi would not boot are rows of the report, not errors.
    ///
    /// - Parameter newPassword: what expired passwords are changed to, on the proof's copies alone.
    /// - Throws: `Failure` when the proof cannot be made: no image, no credentials, a missing or too old QEMU;
    ///   `CancellationError`, with nothing left behind but the unpacked image in the cache.
    package static func run(
        _ options: ProofOptions, tools: ToolRunner = ToolRunner(), progress: any ProgressReporter = SilentProgress(),
        newPassword: String = randomPassword()
    ) async throws -> ProofReport {
        let qemu = try await QEMU.locate()
        let recorder = ProofRecorder(progress: progress)
        let file = options.image.lastComponent?.string ?? options.image.string
        let image = try await ProofImage.open(options.image, cache: options.cache, progress: progress)
        func report(_ logs: [FilePath]) -> ProofReport {
            ProofReport(
                image: file, sha256: image.digest.hex, rows: recorder.rows, notes: recorder.notes,
                logs: logs.map(\.string))
        }
        try await recorder.row("image", "digest", expected: image.listedDigest?.hex ?? "a list of sums beside it") {
            guard image.listedDigest != nil || image.manifest?.image.file == file else {
                recorder.note(
                    "there are neither sums nor a manifest beside the image: only what it says itself is checked")
                return Observation("\(image.digest.hex), not listed", passed: true)
            }
            return Observation(image.digest.hex, passed: true)
        }
        let credentials = try readCredentials(options, image)
        try createFolder(options.cache)
        TemporaryFolder.removeAbandoned(in: options.cache.appending("work"))
        let work = try TemporaryFolder(in: options.cache.appending("work"), name: "prove")
        let files = try image.bootFiles(into: work.path.appending("boot"))
        guard let boot = try await firmware(files, image, recorder, tools) else { return report([]) }
        let bench = ProofBench(
            options: options, image: image, files: files, boot: boot, login: credentials, newPassword: newPassword,
            probe: try await ProbeProgram.executable(cache: options.cache, tools: tools), qemu: qemu, tools: tools,
            recorder: recorder, work: work.path)
        try createFolder(options.logs)
        var logs: [FilePath] = []
        var identity: String?
        for machine in ProofMachine.allCases where options.machines.contains(machine) {
            logs.append(bench.log(machine))
            switch machine {
            case .raspi4b: identity = try await bench.proveOnBoard()
            case .virt:
                guard let remade = try await bench.proveOnVirt(otherMachineID: identity) else { break }
                if try await bench.proveOnUSB(remade) { logs.append(bench.usbLog) }
            }
        }
        withExtendedLifetime(work) {}
        return report(logs)
    }

    /// What the firmware would start; nil, and a failed row, when it would start nothing.
    private static func firmware(
        _ files: BootFolder, _ image: ProofImage, _ recorder: ProofRecorder, _ tools: ToolRunner
    ) async throws -> FirmwareBoot? {
        var boot: FirmwareBoot?
        try await recorder.row("firmware", "boot files", expected: "what a Pi 4 can boot") {
            let found = try await PiFirmware.boot(from: files, tools: tools)
            boot = found
            let parts = [found.kernelName, found.initramfsName, found.deviceTreeName].compactMap { $0 }
            return Observation(parts.joined(separator: ", "), passed: true)
        }
        for note in boot?.notes ?? [] { recorder.note("firmware: \(note)") }
        if boot != nil {
            for setting in try PiFirmware.ineffectiveSettings(files) {
                recorder.note("firmware: \(setting.summary)\(setting.isCertain ? "" : " (not certain)")")
            }
        }
        if let boot, let limit = image.manifest?.expectations.memoryLimit {
            try await recorder.row("firmware", "total_mem", expected: "\(limit >> 20)") {
                let seen = boot.totalMemory.map(String.init) ?? "not set"
                return Observation(seen, passed: boot.totalMemory.map(UInt64.init) == limit >> 20)
            }
        }
        return boot
    }

    private static func readCredentials(_ options: ProofOptions, _ image: ProofImage) throws -> Credentials.Login {
        let beside = image.path.removingLastComponent().appending("\(image.name).credentials")
        let path = options.credentials ?? beside
        guard exists(path) else {
            throw Failure(
                .usage, at: path.string, "there are no credentials to log in with",
                next: "\(options.command) --credentials FILE, one user:password a line")
        }
        let logins = try Credentials.read(path).logins
        guard let first = logins.first else {
            throw Failure(
                .usage, at: path.string, "the credentials name no user", expected: "user:password, one a line")
        }
        // Somebody who may become root is who the checks need; root itself is as good.
        let administrators = image.manifest?.accounts.filter { $0.groups.contains("sudo") || $0.name == "root" }
        return logins.first { login in administrators?.contains { $0.name == login.user } ?? false } ?? first
    }

    /// A password that no rule of pam_unix objects to.
    package static func randomPassword() -> String {
        let letters = Array("abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789")
        return "Proof-7-" + String((0..<16).compactMap { _ in letters.randomElement() })
    }
}
