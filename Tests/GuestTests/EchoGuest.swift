import Guest
import Storage
import SystemPackage

/// A guest of 80 bytes for the machine `virt`: prints "ready", then sends back what comes on its UART, and switches
/// itself off at a "q".
enum EchoGuest {
    /// A64 instructions.
    private static let code: [UInt32] = [
        0xd2a1_2001,  //    movz x1, #0x900, lsl #16      the PL011
        0x1000_0222,  //    adr  x2, message
        0x3840_1443,  // 1: ldrb w3, [x2], #1
        0x3400_0063,  //    cbz  w3, 2f
        0xb900_0023,  //    str  w3, [x1]
        0x17ff_fffd,  //    b    1b
        0xb940_1824,  // 2: ldr  w4, [x1, #0x18]          flags; bit 4: nothing has come
        0x3727_ffe4,  //    tbnz w4, #4, 2b
        0xb940_0023,  //    ldr  w3, [x1]
        0x1200_1c63,  //    and  w3, w3, #0xff
        0x7101_c47f,  //    cmp  w3, #'q'
        0x5400_0060,  //    b.eq 3f
        0xb900_0023,  //    str  w3, [x1]
        0x17ff_fff9,  //    b    2b
        0x5280_0100,  // 3: mov  w0, #8                   PSCI SYSTEM_OFF
        0x72b0_8000,  //    movk w0, #0x8400, lsl #16
        0xd400_0002,  //    hvc  #0
        0x17ff_fffd,  //    b    3b
    ]

    /// Describes a machine that runs it.
    static func machine(in folder: TemporaryFolder) throws -> MachineDescription {
        let bytes = code.flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) } }
        let path = folder.path.appending("echo")
        try writeAtomically(to: path, bytes: bytes + Array("ready\n\0".utf8))
        var machine = MachineDescription(
            machine: "virt", cpu: "cortex-a53", processors: 1, memory: 64,
            serialPorts: [.init("serial0", log: folder.path.appending("serial.log"))])
        machine.kernel = path
        return machine
    }

    /// Whether a process has this text in its command line.
    static func isRunning(_ text: String) throws -> Bool {
        var found = false
        for identifier in processes() {
            guard let line = try? readProcessFile(FilePath("/proc/\(identifier)/cmdline")) else { continue }
            if line.contains(text) { found = true }
        }
        return found
    }
}
