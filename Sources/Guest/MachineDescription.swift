import Diagnostics
import SystemPackage

/// What a QEMU machine is made of.
package struct MachineDescription: Sendable {
    /// QEMU's `-M`: `virt,gic-version=3`, `raspi4b`.
    package var machine: String
    /// QEMU's `-cpu`; nil leaves the machine's own.
    package var cpu: String?
    /// QEMU's `-accel`.
    package var accelerator = "tcg"
    /// QEMU's `-smp`.
    package var processors: Int
    /// MiB; nil leaves the machine's own (raspi4b has a fixed 2 GiB).
    package var memory: Int?
    /// QEMU's `-kernel`; nil leaves it out. A path that is not absolute is relative to the working folder of piforge.
    package var kernel: FilePath?
    /// QEMU's `-initrd`, as ``kernel``.
    package var initrd: FilePath?
    /// QEMU's `-dtb`, as ``kernel``.
    package var deviceTree: FilePath?
    /// The kernel's command line.
    package var commandLine: String?
    /// In the order in which QEMU is told of them.
    package var drives: [Drive] = []
    /// Another than ``Network/none`` only for machines with PCI.
    package var network = Network.none
    /// At least one; the first is the machine's first UART.
    package var serialPorts: [Port]
    /// Named virtio-serial ports: `/dev/vportNpM` in the guest, the first one `/dev/vport0p1`. Only for machines with PCI.
    package var channels: [Port] = []
    /// What the machine's real-time clock shows at the start, in seconds since 1970 UTC; nil shows the host's time.
    package var clock: Int64?
    /// Further arguments, as they are.
    package var arguments: [String] = []

    package init(
        machine: String, cpu: String? = nil, processors: Int, memory: Int? = nil,
        serialPorts: [Port] = [Port("serial0")]
    ) {
        self.machine = machine
        self.cpu = cpu
        self.processors = processors
        self.memory = memory
        self.serialPorts = serialPorts
    }

    /// A disk of the machine.
    package struct Drive: Sendable {
        /// What QEMU calls the form of the file.
        package enum Format: String, Sendable { case raw, qcow2 }
        /// What the drive hangs on.
        package enum Bus: Sendable {
            /// A virtio-blk device: `/dev/vda`, `/dev/vdb`, … in order.
            case virtio
            /// A disk on a USB port of a PCIe controller, as a Pi 4 has it: `/dev/sda`, … Only for machines with PCI.
            case usb
            /// The card in the SD slot. Its size must be a power of two.
            case sd
        }

        /// The file of the host; relative to the working folder of piforge where it is not absolute.
        package var path: FilePath
        /// QEMU is told of it, and does not guess.
        package var format: Format
        package var bus: Bus
        /// Whether what the guest writes is thrown away at the end.
        package var snapshot: Bool
        /// Whether QEMU opens the file for reading alone.
        package var readOnly: Bool
        /// The volume's serial number, as `/sys/block/vda/serial` shows it.
        package var serial: String?

        package init(
            _ path: FilePath, format: Format = .raw, bus: Bus = .virtio, snapshot: Bool = false,
            readOnly: Bool = false, serial: String? = nil
        ) {
            self.path = path
            self.format = format
            self.bus = bus
            self.snapshot = snapshot
            self.readOnly = readOnly
            self.serial = serial
        }
    }

    /// How the machine is connected.
    package enum Network: Sendable {
        case none
        /// QEMU's own user-mode network. Each guest TCP port named here is reached on a free port of the host's
        /// loopback address, which ``RunningMachine/hostPort(forGuest:)`` tells. `restricted` cuts everything else off.
        case user(guestPorts: [UInt16], restricted: Bool)
    }

    /// A line between guest and host.
    package struct Port: Sendable {
        /// For the log, errors and, for channels, `/sys/class/virtio-ports/*/name`: letters, digits, dots and hyphens.
        package var name: String
        /// A file that keeps all that the guest sends.
        package var log: FilePath?

        package init(_ name: String, log: FilePath? = nil) {
            self.name = name
            self.log = log
        }
    }

    /// The arguments for QEMU. Sockets are named relative to the folder QEMU works in.
    func arguments(socket: (Port) -> String, monitor: String) throws -> [String] {
        var list = [
            "-M", machine, "-accel", accelerator, "-smp", "\(processors)", "-display", "none", "-nodefaults",
            "-no-user-config", "-no-reboot",
        ]
        if let cpu { list += ["-cpu", cpu] }
        if let memory { list += ["-m", "\(memory)"] }
        if let kernel { list += ["-kernel", absolute(kernel)] }
        if let initrd { list += ["-initrd", absolute(initrd)] }
        if let deviceTree { list += ["-dtb", absolute(deviceTree)] }
        if let commandLine { list += ["-append", commandLine] }
        if let clock { list += ["-rtc", "base=\(calendarTime(clock)),clock=vm"] }
        if drives.contains(where: { $0.bus == .usb }) { list += ["-device", "qemu-xhci,id=usb"] }
        for (index, drive) in drives.enumerated() { list += arguments(of: drive, index) }
        switch network {
        case .none: list += ["-nic", "none"]
        case .user(let ports, let restricted):
            let forwards = ports.map { ",hostfwd=tcp:127.0.0.1:0-:\($0)" }.joined()
            list += ["-netdev", "user,id=net0,restrict=\(restricted ? "on" : "off")\(forwards)"]
            list += ["-device", "virtio-net-pci,netdev=net0,romfile="]
        }
        for port in serialPorts {
            list += ["-chardev", "socket,id=\(port.name),path=\(socket(port))", "-serial", "chardev:\(port.name)"]
        }
        if !channels.isEmpty { list += ["-device", "virtio-serial-pci"] }
        for port in channels {
            list += ["-chardev", "socket,id=\(port.name),path=\(socket(port))"]
            list += ["-device", "virtserialport,chardev=\(port.name),name=\(port.name)"]
        }
        list += ["-chardev", "socket,id=monitor,path=\(monitor)", "-mon", "chardev=monitor,mode=control"]
        return list + arguments
    }

    private func arguments(of drive: Drive, _ index: Int) -> [String] {
        // A comma ends a value in QEMU's options; two stand for one.
        let file = absolute(drive.path).replacing(",", with: ",,")
        var options = "file=\(file),format=\(drive.format.rawValue),cache=unsafe,discard=unmap"
        if drive.snapshot { options += ",snapshot=on" }
        if drive.readOnly { options += ",readonly=on" }
        switch drive.bus {
        case .sd: return ["-drive", options + ",if=sd"]
        case .usb:
            return [
                "-drive", options + ",werror=report,if=none,id=drive\(index)", "-device",
                "usb-storage,bus=usb.0,drive=drive\(index)",
            ]
        case .virtio:
            let serial = drive.serial.map { ",serial=\($0)" } ?? ""
            return [
                // A full disk of the host is the guest's I/O error; by itself QEMU would stop the machine and wait.
                "-drive", options + ",werror=report,if=none,id=drive\(index)", "-device",
                "virtio-blk-pci,drive=drive\(index)\(serial)",
            ]
        }
    }
}

/// A path that means the same from whatever folder it is used.
private func absolute(_ path: FilePath) -> String {
    path.isAbsolute ? path.string : workingFolder().pushing(path).string
}
