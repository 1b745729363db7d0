import Diagnostics
import Foundation
import Guest
import Storage
import SystemPackage
import TestSupport
import Testing

@Suite struct VirtualMachineTests {
    let folder: TemporaryFolder
    let work: FilePath

    init() throws {
        folder = try TemporaryFolder(in: "/tmp", name: "guest-tests")
        // Longer than a socket's address allows.
        work = folder.path.appending(String(repeating: "long", count: 30))
    }

    private func run<Value: Sendable>(_ body: @Sendable (RunningMachine) async throws -> Value) async throws -> Value {
        try await VirtualMachine.run(
            EchoGuest.machine(in: folder), with: QEMU.locate(), work: work, place: "test", body)
    }

    /// Neither a process nor a socket is there any more.
    private func expectNothingLeft() throws {
        #expect(try FileManager.default.contentsOfDirectory(atPath: work.string) == [])
        #expect(try !EchoGuest.isRunning("\(folder.path)/"))
    }

    @Test func aConsoleTakesInputAndGivesOutput() async throws {
        try await run { machine in
            let console = machine.serial[0]
            try await console.expect("ready\n", within: .seconds(60))
            console.send("one two three")
            let match = try await console.expect(["three", "two"], within: .seconds(60))
            #expect(match.index == 1)
            #expect(match.before == "one ")
            try await console.expect(" three", within: .seconds(60))
            console.sendLine("four")
            #expect(try await console.expect("\r", within: .seconds(60)).before == "four")
            #expect(console.lastLines(1) == ["one two threefour"])
            console.send("q")
            try await machine.waitForEnd(within: .seconds(60))
        }
        let log = try readFile(folder.path.appending("serial.log"))
        #expect(String(decoding: log, as: UTF8.self) == "ready\none two threefour\r")
        try expectNothingLeft()
    }

    @Test func aGuestThatDoesNotAnswerIsAnErrorWithItsLastLines() async throws {
        let failure = await failure {
            try await run { _ = try await $0.serial[0].expect("login:", within: .seconds(1)) }
        }
        #expect(
            failure?.description == """
                test: the guest did not answer in time
                  found:    its console's last lines:
                            ready
                """)
        try expectNothingLeft()
    }

    @Test func aGuestThatHasGoneSilentIsAnError() async throws {
        let failure = await failure {
            try await run { _ = try await $0.serial[0].expect("login:", within: .seconds(60), silence: .seconds(1)) }
        }
        #expect(failure?.message == "the guest has gone silent")
    }

    @Test func aMachineThatEndsTooEarlyIsAnError() async throws {
        let failure = await failure {
            try await run { machine in
                machine.serial[0].send("q")
                try await machine.serial[0].expect("login:", within: .seconds(60))
            }
        }
        #expect(failure?.message == "the virtual machine ended too early (QEMU's status is 0)")
        try expectNothingLeft()
    }

    @Test func whatQEMUSaysIsInTheErrorWhenItDoesNotStart() async throws {
        var machine = try EchoGuest.machine(in: folder)
        machine.cpu = "cortex-z80"
        let description = machine
        let failure = await failure {
            try await VirtualMachine.run(description, with: QEMU.locate(), work: work, place: "test") {
                try await $0.serial[0].expect("ready", within: .seconds(60))
            }
        }
        #expect(failure?.message == "the virtual machine ended too early (QEMU's status is 1)")
        #expect(failure?.found?.contains("unable to find CPU model 'cortex-z80'") == true)
        try expectNothingLeft()
    }

    @Test func cancellingEndsTheMachine() async throws {
        let (ready, signal) = AsyncStream.makeStream(of: Void.self)
        let task = Task {
            try await run { machine in
                try await machine.serial[0].expect("ready", within: .seconds(60))
                signal.yield()
                try await machine.serial[0].expect("login:", within: .seconds(600))
            }
        }
        for await _ in ready { break }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        try expectNothingLeft()
    }

    @Test func aForwardedPortIsTold() async throws {
        var machine = try EchoGuest.machine(in: folder)
        machine.network = .user(guestPorts: [22, 80], restricted: true)
        let ports = try await VirtualMachine.run(machine, with: QEMU.locate(), work: work, place: "test") { machine in
            let failure = await failure { try await machine.hostPort(forGuest: 8080) }
            #expect(failure?.message == "the machine has no way to the guest's TCP port 8080")
            return [try await machine.hostPort(forGuest: 22), try await machine.hostPort(forGuest: 80)]
        }
        #expect(ports[0] != 0 && ports[1] != 0 && ports[0] != ports[1])
    }

    /// QEMU refuses a disk on a bus that is not there, so a machine that runs has both.
    @Test func aDiskMayHangOnAUSBPort() async throws {
        var machine = try EchoGuest.machine(in: folder)
        let disk = folder.path.appending("disk")
        try writeAtomically(to: disk, bytes: [UInt8](repeating: 0, count: 1 << 20))
        machine.drives = [.init(disk, bus: .usb)]
        _ = try await VirtualMachine.run(machine, with: QEMU.locate(), work: work, place: "test") { machine in
            try await machine.serial[0].expect("ready\n", within: .seconds(60))
        }
        try expectNothingLeft()
    }
}
