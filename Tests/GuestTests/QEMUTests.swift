import Diagnostics
import Guest
import Storage
import SystemPackage
import TestSupport
import Testing
import Tools

@Suite struct QEMUTests {
    /// A program of that name that prints a text, as a tool; the path leads out of the first folder searched.
    private func fake(_ text: String, in folder: TemporaryFolder) throws -> Tool {
        let path = folder.path.appending("qemu-system-aarch64")
        try writeAtomically(to: path, mode: 0o755, bytes: Array("#!/bin/sh\necho '\(text)'\n".utf8))
        return Tool("../../..\(path)", package: "qemu-system-arm", purpose: "test")
    }

    @Test func theInstalledVersionIsTold() async throws {
        let qemu = try await QEMU.locate()
        #expect(qemu.version.split(separator: ".").count == 3)
    }

    @Test func aMissingQEMUIsNamedWithTheCommandThatInstallsIt() async throws {
        let missing = Tool("qemu-system-none", package: "qemu-system-arm", purpose: "run maintainer scripts")
        let failure = await failure { try await QEMU.locate(missing) }
        #expect(
            failure?.description == """
                qemu-system-none: the program is not installed; it is needed to run maintainer scripts
                  next:     make setup (or: sudo apt-get install qemu-system-arm)
                """)
    }

    @Test func anOldQEMUIsRefused() async throws {
        let folder = try TemporaryFolder(in: "/tmp", name: "guest-tests")
        let tool = try fake("QEMU emulator version 7.2.17 (Debian 1:7.2+dfsg-7)", in: folder)
        let failure = await failure { try await QEMU.locate(tool) }
        #expect(
            failure?.description == """
                \(folder.path)/qemu-system-aarch64: QEMU is too old
                  expected: 9.0 or newer
                  found:    7.2.17
                  next:     make setup (or, on Debian 12: sudo apt-get install -t bookworm-backports qemu-system-arm)
                """)
    }

    @Test func aProgramThatIsNotQEMUIsRefused() async throws {
        let folder = try TemporaryFolder(in: "/tmp", name: "guest-tests")
        let tool = try fake("hello", in: folder)
        let failure = await failure { try await QEMU.locate(tool) }
        #expect(
            failure?.description == """
                \(folder.path)/qemu-system-aarch64: the program does not tell its version
                  expected: QEMU emulator version N
                  found:    hello
                """)
    }
}
