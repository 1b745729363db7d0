/// A root file system's /etc/fstab (fstab(5)), as far as it says where a partition is mounted.
package struct FileSystemTable: Sendable {
    /// A line's first three fields.
    package struct Line: Sendable, Equatable {
        /// `LABEL=…`, `UUID=…`, `PARTUUID=…` or a device, without quotes.
        package var source: String
        /// An absolute path, escapes taken off; `none` for what is mounted nowhere, such as swap.
        package var mountPoint: String
        /// The file system's type as fstab(5) has it: `ext4`, `vfat`, `swap`, `auto`.
        package var type: String
    }

    /// What may be said of a partition to name it.
    package struct Names: Sendable {
        /// From 1.
        package var number: Int
        /// The file system's label; nil for none.
        package var label: String?
        /// The file system's UUID or serial number, of either case; nil for none.
        package var uuid: String?
        /// As Linux gives it (``PartitionTable/partitionUUID(_:)``).
        package var partitionUUID: String

        package init(number: Int, label: String?, uuid: String?, partitionUUID: String) {
            self.number = number
            self.label = label
            self.uuid = uuid
            self.partitionUUID = partitionUUID
        }
    }

    /// In the file's order, without comments and lines of fewer than three fields.
    package let lines: [Line]

    /// - Parameter text: the whole file. Nothing in it is refused.
    package init(_ text: String) {
        lines = text.split(whereSeparator: \.isNewline).compactMap { line in
            let fields = line.split(whereSeparator: { $0 == " " || $0 == "\t" }).map { Self.unescaped($0) }
            guard fields.count >= 3, !fields[0].hasPrefix("#") else { return nil }
            return Line(source: fields[0].filter { $0 != "\"" }, mountPoint: fields[1], type: fields[2])
        }
    }

    /// The line that mounts a partition.
    package func line(mounting partition: Names) -> Line? {
        lines.first { names($0.source, partition) && $0.mountPoint.hasPrefix("/") }
    }

    /// The first line that mounts a FAT.
    package var firstFAT: Line? { lines.first { ["vfat", "msdos"].contains($0.type) && $0.mountPoint.hasPrefix("/") } }

    private func names(_ source: String, _ partition: Names) -> Bool {
        func value(_ tag: String, _ folder: String) -> String? {
            if source.hasPrefix(tag + "=") { return String(source.dropFirst(tag.count + 1)) }
            let path = "/dev/disk/\(folder)/"
            return source.hasPrefix(path) ? String(source.dropFirst(path.count)) : nil
        }
        if let label = value("LABEL", "by-label") { return label == partition.label }
        if let uuid = value("UUID", "by-uuid") { return uuid.lowercased() == partition.uuid?.lowercased() }
        if let uuid = value("PARTUUID", "by-partuuid") { return uuid.lowercased() == partition.partitionUUID }
        // A partition of the disk: mmcblk0p1, nvme0n1p1, sda1, vda1.
        guard let name = source.split(separator: "/").last, source.hasPrefix("/dev/") else { return false }
        let digits = name.reversed().prefix { $0.isNumber }.reversed()
        let disk = name.dropLast(digits.count)
        let known = ["mmcblk", "nvme", "sd", "vd", "hd"].contains { disk.hasPrefix($0) }
        return known && Int(String(digits)) == partition.number
    }

    /// `\040` and its like: bytes in octal.
    private static func unescaped(_ field: Substring) -> String {
        var bytes: [UInt8] = []
        var rest = Array(field.utf8)[...]
        while let byte = rest.popFirst() {
            let digits = rest.prefix(3)
            if byte == UInt8(ascii: "\\"), digits.count == 3,
                let value = UInt8(String(decoding: digits, as: UTF8.self), radix: 8)
            {
                bytes.append(value)
                rest = rest.dropFirst(3)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
