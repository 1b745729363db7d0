import Diagnostics
import Foundation
import Storage
import SystemPackage
import Tools

/// Runs QEMU machines.
package enum VirtualMachine {
    /// Starts a machine, hands it to `body`, and ends it when `body` returns or throws, whatever the guest is doing.
    ///
    /// Nothing is left behind: neither a process (not even when this process is killed) nor a socket.
    ///
    /// - Parameters:
    ///   - work: a folder for the machine's sockets; it is created when missing.
    ///   - place: what the machine is for, for the first words of errors.
    /// - Throws: what `body` throws; `Failure` with QEMU's own words when it did not start or broke off.
    package static func run<Value: Sendable>(
        _ description: MachineDescription, with qemu: QEMU, work: FilePath, place: String,
        _ body: @Sendable (RunningMachine) async throws -> Value
    ) async throws -> Value {
        let folder = try TemporaryFolder(in: work, name: "machine")
        let serial = try description.serialPorts.map { try LineListener(name: $0.name, in: folder.path) }
        let channels = try description.channels.map { try LineListener(name: $0.name, in: folder.path) }
        let monitor = try LineListener(name: "monitor", in: folder.path)
        let arguments = try description.arguments(socket: \.name, monitor: monitor.name)

        let (result, left) = try await ToolRunner(environment: ["TMPDIR": folder.path.string])
            .withRunning(qemu.path, arguments, directory: folder.path) { tool in
                func connect(_ listener: LineListener, log: FilePath?) async throws -> SerialConsole {
                    let connection = try await accept(listener, from: tool)
                    return try SerialConsole(name: listener.name, connection: connection, log: log)
                }
                var machine = RunningMachine(tool: tool)
                for (port, listener) in zip(description.serialPorts, serial) {
                    machine.serial.append(try await connect(listener, log: port.log))
                }
                for (port, listener) in zip(description.channels, channels) {
                    machine.channels.append(try await connect(listener, log: port.log))
                }
                machine.monitor = try await connect(monitor, log: nil)
                do { return try await body(machine) } catch let error as ConsoleTimeout {
                    let last = machine.serial.first?.lastLines(8).joined(separator: "\n            ")
                    throw Failure(
                        at: place,
                        error.silent ? "the guest has gone silent" : "the guest did not answer in time",
                        found: last.map { "its console's last lines:\n            \($0)" })
                }
            }
        withExtendedLifetime(folder) {}
        try Task.checkCancellation()
        func endedEarly() -> Failure {
            let said = left.errors.splitLines().suffix(8).joined(separator: "\n            ")
            return Failure(
                at: place, "the virtual machine ended too early (QEMU's status is \(left.status))",
                found: said.isEmpty ? nil : said)
        }
        switch result {
        // 128 and more: ended by a signal, such as ours.
        case .success(let value):
            guard left.status == 0 || left.status >= 128 else { throw endedEarly() }
            return value
        case .failure(let error) where error is ConsoleEnded: throw endedEarly()
        case .failure(let error): throw error
        }
    }

    /// Waits until QEMU has connected, or has ended instead.
    private static func accept(_ listener: LineListener, from tool: RunningTool) async throws -> LineConnection {
        let deadline = ContinuousClock.now + .seconds(30)
        while ContinuousClock.now < deadline {
            try Task.checkCancellation()
            if let connection = listener.accept(waiting: .milliseconds(20)) { return connection }
            if ProcessStatus(of: tool.identifier).map(\.hasEnded) ?? true { throw ConsoleEnded() }
            await Task.yield()
        }
        throw Failure(at: "qemu-system-aarch64", "QEMU did not open its port '\(listener.name)' within 30 seconds")
    }
}

/// A machine that runs. It lives no longer than the closure it was handed to.
package struct RunningMachine: Sendable {
    let tool: RunningTool
    /// The serial ports, in the description's order.
    package internal(set) var serial: [SerialConsole] = []
    /// The virtio-serial channels, in the description's order.
    package internal(set) var channels: [SerialConsole] = []
    var monitor: SerialConsole?

    init(tool: RunningTool) { self.tool = tool }

    /// QEMU's process id.
    package var processIdentifier: Int32 { tool.identifier }

    /// The CPU time that QEMU has used, in seconds; nil when it has ended.
    package var cpuSeconds: Double? { ProcessStatus(of: tool.identifier)?.cpuSeconds }

    /// Waits until the machine has switched itself off.
    ///
    /// - Throws: ``ConsoleTimeout``, `CancellationError`.
    package func waitForEnd(within limit: Duration) async throws { try await monitor?.waitForEnd(within: limit) }

    /// Ends the machine at once, as pulling the plug does.
    package func terminate() { tool.terminate() }

    /// The port of the host's loopback address that leads to a TCP port of the guest.
    ///
    /// - Throws: `Failure` when the description does not forward that port.
    package func hostPort(forGuest port: UInt16) async throws -> UInt16 {
        // "  TCP[HOST_FORWARD]  13       127.0.0.1 38917       10.0.2.15    22       0     0"
        for line in try await monitorCommand("info usernet").split(whereSeparator: \.isNewline) {
            let words = line.split(whereSeparator: \.isWhitespace)
            guard words.count >= 6, words[0] == "TCP[HOST_FORWARD]", words[5] == "\(port)" else { continue }
            if let found = UInt16(words[3]) { return found }
        }
        throw Failure(at: "qemu-system-aarch64", "the machine has no way to the guest's TCP port \(port)")
    }

    /// Runs a command of QEMU's human monitor and returns what it prints (QEMU Machine Protocol,
    /// `human-monitor-command`). One task at a time may do so.
    func monitorCommand(_ command: String) async throws -> String {
        guard let monitor else { return "" }
        struct Command: Encodable {
            let execute: String
            let arguments: [String: String]
        }
        struct Reply: Decodable { let `return`: String }
        monitor.send(#"{"execute":"qmp_capabilities"}"# + "\n")
        let call = Command(execute: "human-monitor-command", arguments: ["command-line": command])
        let bytes = try jsonBytes(call, .oneLine, at: "QEMU's monitor")
        monitor.send(String(decoding: bytes, as: UTF8.self) + "\n")
        while true {
            // Greetings, events and the answer to qmp_capabilities are no strings, and are passed over.
            let line = try await monitor.expect("\n", within: .seconds(30)).before
            if let reply = try? JSONDecoder().decode(Reply.self, from: Data(line.utf8)) { return reply.return }
        }
    }
}

/// What the kernel tells about a process (proc(5), /proc/PID/stat).
struct ProcessStatus {
    let hasEnded: Bool
    let cpuSeconds: Double

    /// Nil when there is no such process.
    init?(of identifier: Int32) {
        guard let file = try? FileDescriptor.open("/proc/\(identifier)/stat", .readOnly, options: .closeOnExec) else {
            return nil
        }
        defer { try? file.close() }
        var bytes = [UInt8](repeating: 0, count: 1024)
        guard let count = try? bytes.withUnsafeMutableBytes({ try file.read(into: $0) }) else { return nil }
        // The program's name, in parentheses, may itself hold spaces and parentheses.
        let text = String(decoding: bytes[..<count], as: UTF8.self)
        guard let end = text.lastIndex(of: ")") else { return nil }
        let fields = text[text.index(after: end)...].split(separator: " ")
        guard fields.count > 13, let user = Double(fields[11]), let system = Double(fields[12]) else { return nil }
        hasEnded = fields[0] == "Z" || fields[0] == "X"
        cpuSeconds = (user + system) / Double(sysconf(CInt(_SC_CLK_TCK)))
    }
}
