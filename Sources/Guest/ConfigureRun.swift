import Diagnostics
import Layers
import Storage
import SystemPackage

/// One boot of the micro-VM: makes its initramfs, follows its log, and tells what went wrong.
struct ConfigureRun {
    let request: ConfigureRequest
    let log: FilePath
    let progress: any ProgressReporter
    /// What progress and errors call the run.
    var step = MicroVM.step

    /// The initramfs with a dozen modules takes 10 MB of it, dpkg and perl 100.
    private static let memory = 1024
    private static let bootLimit = Duration.seconds(300)
    private static let logPort = "piforge.log"
    private static let resultPort = "piforge.result"

    /// What the guest said on its result port.
    struct Outcome {
        /// The last line's words: `done`, or `preinst PACKAGE STATUS` and the like. Empty when there was none.
        var words: [Substring] = []
        /// Which secret which package has made, and how.
        var made: [(number: Int, package: String, means: MadeSecret.Means)] = []
        /// Free bytes of the guest's disk and its free inodes, told when something failed.
        var free: (bytes: UInt64, inodes: UInt64)?

        init(lines: [Substring]) {
            for line in lines {
                let parts = line.split(separator: " ")
                if parts.first == "space", parts.count == 4, let blocks = UInt64(parts[1]), let size = UInt64(parts[2]),
                    let inodes = UInt64(parts[3])
                {
                    free = (blocks * size, inodes)
                } else if parts.first == "made", parts.count == 4, let number = Int(parts[1]),
                    let means = MadeSecret.Means(rawValue: String(parts[3]))
                {
                    made.append((number, String(parts[2]), means))
                } else if parts.first != "ready" {
                    words = parts
                }
            }
        }
    }

    /// Runs the job on the disk.
    ///
    /// - Throws: as ``MicroVM/configure(_:store:work:log:progress:qemu:)``.
    func run(on disk: FilePath, qemu: QEMU, work: FilePath) async throws -> MicroVM.Report {
        let kernel = work.appending("kernel")
        try writeAtomically(to: kernel) { file in
            var offset: UInt64 = 0
            try ContentReader().forEachChunk(of: request.kernel.image) { bytes in
                try file.write(at: offset, bytes)
                offset += UInt64(bytes.count)
            }
        }
        let initramfs = work.appending("initramfs")
        try ArchiveWriter(.cpio).write(JobInitramfs(request).entries, to: initramfs)

        var machine = MachineDescription(
            machine: "virt,gic-version=3", cpu: "cortex-a53", processors: 1, memory: Self.memory,
            serialPorts: [.init("serial0", log: log.removingLastComponent().appending(kernelLogName))])
        machine.accelerator = "tcg,thread=single,tb-size=1024"
        machine.kernel = kernel
        machine.initrd = initramfs
        machine.commandLine = "console=ttyAMA0 quiet panic=-1 mitigations=off nokaslr kpti=off rdinit=/init"
        machine.drives = [.init(disk)]
        machine.channels = [.init(Self.logPort, log: log), .init(Self.resultPort)]
        machine.clock = request.clock
        return try await VirtualMachine.run(machine, with: qemu, work: work, place: step) { machine in
            try await follow(machine)
        }
    }

    /// The guest kernel's console, beside the scripts' log: `configure.log` gives `configure.kernel.log`.
    private var kernelLogName: String { (log.stem ?? "configure") + ".kernel.log" }

    private func follow(_ machine: RunningMachine) async throws -> MicroVM.Report {
        let start = ContinuousClock.now
        let deadline = start + request.limits.total
        let output = machine.channels[0]
        let count = request.allPackages.count
        let total = count > 0 ? UInt64(count) : nil
        var log = ConfigureLog()
        var configured: Set<String> = []
        var cpu = 0.0
        var booted: ContinuousClock.Instant?
        do {
            while true {
                // Until the first script runs the kernel boots, which on a busy host takes its time.
                let silence = log.current == nil ? max(Self.bootLimit, request.limits.silence) : request.limits.silence
                let line = try await output.expect("\n", within: deadline - ContinuousClock.now, silence: silence)
                if booted == nil { booted = line.arrival }
                let known = log.timings.count
                log.take(line.before, at: line.arrival) {
                    cpu = machine.cpuSeconds ?? cpu
                    return cpu
                }
                for timing in log.timings[known...] { report(timing, endedAt: line.arrival) }
                if line.before.hasPrefix("status: ") { cpu = machine.cpuSeconds ?? cpu }
                if let current = log.current, current.script == .postinst, configured.insert(current.package).inserted {
                    progress.report(
                        .advanced(
                            step: step, completed: UInt64(configured.count), total: total, unit: .count,
                            detail: current.package))
                }
            }
        } catch is ConsoleEnded {
        } catch let timeout as ConsoleTimeout {
            throw hang(timeout, log)
        }
        let end = ContinuousClock.now
        let known = log.timings.count
        log.finish(at: end, cpu: cpu)
        for timing in log.timings[known...] { report(timing, endedAt: end) }
        let outcome = Outcome(lines: await rest(of: machine.channels[1]).splitLines())
        try Task.checkCancellation()
        guard outcome.words.first == "done", log.error == nil else { throw failure(outcome, log, machine) }
        return MicroVM.Report(
            timings: log.timings, wallSeconds: (end - start) / .seconds(1),
            bootSeconds: ((booted ?? end) - start) / .seconds(1), cpuSeconds: cpu, made: outcome.made)
    }

    private func report(_ timing: ScriptTiming, endedAt end: ContinuousClock.Instant) {
        progress.report(
            .worked(
                step: step, part: "\(timing.package): \(timing.script.title)", from: end - .seconds(timing.seconds),
                to: end))
    }

    /// All that has come on a port of a machine that has ended.
    private func rest(of port: SerialConsole) async -> String {
        var text = ""
        while let match = try? await port.expect("\n", within: .seconds(5)) { text += match.before + "\n" }
        return text
    }

    // MARK: What went wrong

    private func hang(_ timeout: ConsoleTimeout, _ log: ConfigureLog) -> Failure {
        let what = log.current.map { "the \($0.script.title)" } ?? "the micro-VM"
        let found =
            timeout.silent
            ? "nothing printed for \(request.limits.silence.components.seconds) seconds"
            : "not done after \(request.limits.total.components.seconds) seconds"
        return Failure(
            at: log.current.map { place(of: $0.package) } ?? step, "\(what) hangs",
            found: [found, log.lastLines()].compactMap(\.self).joined(separator: "\n            "), next: advice)
    }

    private func failure(_ outcome: Outcome, _ log: ConfigureLog, _ machine: RunningMachine) -> Failure {
        let package = log.error?.package ?? log.current?.package
        let place = package.map { self.place(of: $0) } ?? step
        if log.sawFullDisk || outcome.free.map({ $0.bytes < 1 << 20 || $0.inodes == 0 }) ?? false {
            return Failure(
                at: place, "the micro-VM's disk is full",
                expected: "room for the \(request.freeSpace >> 20) MiB that maintainer scripts may write",
                found: outcome.free.map { "\($0.bytes >> 10) KiB and \($0.inodes) inodes free" },
                next: "raise disk.free_space, or install fewer packages")
        }
        switch outcome.words.first {
        case "remove", "preinst", "unpack", "configure", "done":
            guard let script = log.current?.script else { break }
            if let message = log.error?.message, status(in: message) == nil {
                return Failure(at: place, "dpkg: \(message)", found: log.lastLines(), next: advice)
            }
            let status = log.error.flatMap { self.status(in: $0.message) } ?? outcome.words.last.map(String.init)
            let number = status.map { "with status \($0)" } ?? "with an error"
            return Failure(at: place, "the \(script.title) ended \(number)", found: log.lastLines(), next: advice)
        case "run" where outcome.words.count == 3:
            return Failure(
                at: step, "\(outcome.words[1]) ended with status \(outcome.words[2])", found: log.lastLines(),
                next: advice)
        case "boot":
            return Failure(
                at: step, outcome.words.dropFirst().joined(separator: " "), found: log.lastLines(), next: advice
            )
        default: break
        }
        let console = machine.serial.first?.lastLines(.max) ?? []
        if let panic = console.first(where: { $0.contains("Kernel panic") }) {
            return Failure(at: place, "the micro-VM's kernel panicked", found: panic, next: advice)
        }
        return Failure(
            at: place, "the micro-VM ended before its work was done",
            found: console.suffix(8).joined(separator: "\n            "), next: advice)
    }

    private var advice: String { "read all that it printed: \(log.string)" }

    /// `openssh-server 1:10.0p1-7`.
    private func place(of package: String) -> String {
        request.allPackages.first { $0.name == package }?.description ?? package
    }

    /// The exit status in dpkg's message: "... subprocess returned error exit status 3".
    private func status(in message: String) -> String? {
        guard let range = message.firstRange(of: "error exit status ") else { return nil }
        return String(message[range.upperBound...])
    }
}
