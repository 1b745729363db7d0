import Diagnostics

extension ImageReport {
    /// For a person.
    package var text: String {
        var lines = [printable(file)]
        func add(_ name: String, _ value: String?) {
            guard let value, !value.isEmpty else { return }
            lines.append("  " + name + String(repeating: " ", count: max(1, 14 - name.count)) + value)
        }
        add("disk", "\(byteText(size)), signature \(signature)")
        if let packing {
            let blocks = packing.blocks == 1 ? "1 block" : "\(packing.blocks) blocks"
            let streams = packing.streams == 1 ? "" : " in \(packing.streams) streams"
            add(
                "packed", "xz, \(byteText(packing.size)), \(blocks) of at most \(byteText(packing.blockSize))\(streams)"
            )
        }
        add("manifest", manifest.map(printable))
        lines.append("")
        lines += partitionTable.lines.map { "  " + $0 }
        lines.append("")
        if let boot {
            add("boot files", "partition \(boot.partition)")
            add("  kernel", boot.kernel.map { printable($0) + (boot.kernelKind.map { ": \($0)" } ?? "") })
            add("  initramfs", boot.initramfs.map(printable))
            add("  command line", boot.commandLine.map(printable))
            for line in boot.deviceTree { add("  device tree", printable(line)) }
        }
        if let system { addSystem(system, add) }
        for line in notRead { add("not read", printable(line)) }
        if let blocksRead, let packing { add("unpacked", "\(blocksRead) of \(packing.blocks) blocks") }
        return lines.joined(separator: "\n") + "\n"
    }

    private var partitionTable: TextTable {
        TextTable(
            ["", "type", "start", "size", "holds", "label", "UUID", "used", "free", "at"],
            rightAligned: [0, 2, 3, 7, 8],
            rows: partitions.map { partition in
                [
                    "\(partition.number)", partition.type + (partition.active ? " *" : ""), byteText(partition.start),
                    byteText(partition.size), partition.fileSystem ?? "-", partition.label.map(printable) ?? "-",
                    partition.uuid ?? "-", partition.used.map(byteText) ?? "-", partition.free.map(byteText) ?? "-",
                    partition.mountPoint.map(printable) ?? "-",
                ]
            })
    }

    private func addSystem(_ system: System, _ add: (String, String?) -> Void) {
        let debian = system.debian.map { printable($0) }
        add("system", system.name.map { printable($0) + (debian.map { " (Debian \($0))" } ?? "") } ?? debian)
        add("", system.raspberryPi.map(printable))
        add("host name", system.hostname.map(printable))
        for kernel in system.kernels { add("kernel", printable(kernel)) }
        add("packages", system.packages.map(String.init))
        for user in system.users {
            let keys = user.keys == 0 ? "" : user.keys == 1 ? ", 1 SSH key" : ", \(user.keys) SSH keys"
            add(
                "login",
                "\(printable(user.name)) (\(user.uid)), \(printable(user.shell)), password \(user.password)\(keys)")
        }
        for (name, version) in system.runtimes.sorted(by: { $0.key < $1.key }) {
            add("runs", "\(printable(name)) \(printable(version))")
        }
        if let docker = system.docker {
            let names = docker.runtimes.map { printable($0) + ($0 == docker.defaultRuntime ? " (default)" : "") }
            add("docker", (names.isEmpty ? "daemon.json names no runtimes" : names.joined(separator: ", ")))
        }
    }
}

/// `1.5 GiB`, `268.0 MiB`, `512 B`.
func byteText(_ bytes: UInt64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"]
    var index = 0
    var scale: UInt64 = 1
    while index < units.count - 1, bytes / scale >= 1024 {
        scale *= 1024
        index += 1
    }
    if index == 0 { return "\(bytes) B" }
    let tenths = (UInt64((Double(bytes) / Double(scale) * 10).rounded()))
    return "\(tenths / 10).\(tenths % 10) \(units[index])"
}
