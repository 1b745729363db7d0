import Records
import Diagnostics
import Disk
import Storage
import SystemPackage
import Tools

/// A partition of the disk that is looked at.
struct DiskPart: Sendable, Equatable {
    enum Kind: Sendable, Equatable {
        case ext4, fat
        /// With the table's type byte.
        case other(UInt8)
    }

    /// From 1.
    var number: Int
    /// Bytes of the disk.
    var range: Range<UInt64>
    var kind: Kind
}

extension Verification {
    /// Judges the partition table, here and by sfdisk, and gives the partitions; none when it cannot be read.
    func checkPartitionTable(_ image: ImageContent, _ manifest: Manifest?) async throws -> [DiskPart] {
        var parts: [DiskPart] = []
        let absence = image.absence(of: 0..<512)
        let expected = manifest == nil ? "valid" : "valid, as in the manifest"
        try await recorder.row("partition table", expected: expected) {
            guard absence == nil, let disk = image.disk else { return .notChecked(absence ?? "") }
            let source = try FileSource(disk)
            let table = try PartitionTable(reading: source, place: subject.file)
            parts = try Self.parts(of: table, source)
            guard let record = manifest?.partitionTable else {
                return .ok("\(table.partitions.count) partitions")
            }
            let found = Self.record(table)
            let asked = Self.record(record)
            let wrong = zip(found, asked).filter { $0 != $1 }.map { "\($0) instead of \($1)" }
            guard found.count == asked.count, wrong.isEmpty else {
                return .failed((wrong + ["\(found.count - 1) partitions"]).joined(separator: "\n"))
            }
            return .ok("\(table.partitions.count) partitions, as in the manifest")
        }
        try await recorder.row("sfdisk --verify", expected: "no errors") {
            guard absence == nil, let disk = image.disk else { return .notChecked(absence ?? "") }
            let result = try await tools.result(.sfdisk, ["--verify", disk.string])
            let lines = (result.text + result.errors).split(whereSeparator: \.isNewline).map {
                String($0).replacing("\(disk): ", with: "")
            }
            // It ends with status 0 whatever it finds.
            guard lines.contains("No errors detected.") else { return .failed(lines.prefix(6).joined(separator: "\n")) }
            return .ok("no errors detected")
        }
        return parts
    }

    static func parts(of disk: FilePath, place: String) throws -> [DiskPart] {
        let source = try FileSource(disk)
        return try parts(of: try PartitionTable(reading: source, place: place), source)
    }

    private static func parts(of table: PartitionTable, _ disk: FileSource) throws -> [DiskPart] {
        try zip(table.numbers, table.partitions).map { number, partition in
            let range = partition.offset..<partition.offset + partition.size
            return DiskPart(number: number, range: range, kind: try kind(partition, disk))
        }
    }

    /// A table as lines that are the same for the same table.
    private static func record(_ table: PartitionTable) -> [String] {
        ["mbr \(hex(table.signature))"]
            + zip(table.numbers, table.partitions).map { number, partition in
                "partition \(number) of type \(hex(partition.type)), \(partition.size) bytes from \(partition.offset)"
            }
    }

    private static func record(_ table: Manifest.PartitionTable) -> [String] {
        func plain(_ text: String) -> String {
            let digits = text.lowercased().trimmingPrefix("0x")
            return UInt64(digits, radix: 16).map { hex($0) } ?? text
        }
        return ["\(table.scheme) \(plain(table.identifier))"]
            + table.partitions.map {
                "partition \($0.number) of type \(plain($0.type)), \($0.size) bytes from \($0.start)"
            }
    }

    private static func hex(_ number: some BinaryInteger) -> String { "0x" + String(number, radix: 16) }

    private static func kind(_ partition: Partition, _ disk: FileSource) throws -> DiskPart.Kind {
        if Partition.fatTypes.contains(partition.type) { return .fat }
        // The superblock's magic number (Linux, Documentation/filesystems/ext4/super.rst), unless it is damaged.
        var magic: [UInt8] = [0, 0]
        if partition.size >= 2048 {
            try magic.withUnsafeMutableBytes { try disk.read(at: partition.offset + 1024 + 56, into: $0) }
        }
        return magic == [0x53, 0xef] || partition.type == 0x83 ? .ext4 : .other(partition.type)
    }

    /// Has the file systems judged by e2fsck and fsck.fat.
    func checkFileSystems(_ image: ImageContent, _ parts: [DiskPart]) async throws {
        guard let disk = image.disk, !parts.isEmpty else {
            let reason = image.absence(of: 0..<512) ?? "there are no partitions"
            recorder.add("file systems", expected: "clean", .notChecked(reason))
            return
        }
        let judge = FileSystemCheck(tools: tools)
        for part in parts {
            let name =
                switch part.kind {
                case .ext4: "e2fsck, partition \(part.number)"
                case .fat: "fsck.fat, partition \(part.number)"
                case .other: "partition \(part.number)"
                }
            try await recorder.row(name, expected: "clean") {
                if let absence = image.absence(of: part.range) { return .notChecked(absence) }
                do {
                    switch part.kind {
                    case .ext4:
                        // e2fsck(8): options of its input and output follow a question mark.
                        try await judge.checkExt4(
                            FilePath("\(disk)?offset=\(part.range.lowerBound)"), place: subject.file)
                    case .fat:
                        let copy = work.appending("partition-\(part.number)")
                        defer { removeTree(copy) }
                        try Self.copy(part.range, of: disk, to: copy)
                        try await judge.checkFAT(copy, place: subject.file)
                    case .other(let type):
                        return .notChecked("its type is \(Self.hex(type)), neither Linux nor FAT")
                    }
                } catch let failure as Failure where failure.found != nil && failure.place == subject.file {
                    return .failed(failure.found ?? failure.message)
                }
                return .ok("clean")
            }
        }
    }

    /// Copies a part of a disk into a sparse file.
    private static func copy(_ range: Range<UInt64>, of disk: FilePath, to path: FilePath) throws {
        let source = try FileSource(disk)
        let file = try OpenFile.creating(path)
        try file.truncate(to: UInt64(range.count))
        let target = SparseFile(file)
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        var position = range.lowerBound
        while position < range.upperBound, let data = try source.nextData(from: position) {
            position = max(position, data.lowerBound)
            let end = min(data.upperBound, range.upperBound)
            while position < end {
                try Task.checkCancellation()
                let count = Int(min(UInt64(buffer.count), end - position))
                try buffer.withUnsafeMutableBytes {
                    let piece = UnsafeMutableRawBufferPointer(rebasing: $0[..<count])
                    try source.read(at: position, into: piece)
                    try target.write(at: position - range.lowerBound, UnsafeRawBufferPointer(piece))
                }
                position += UInt64(count)
            }
        }
    }
}
