import Records
import XZ
import Diagnostics
import Disk
import Storage
import SystemPackage

extension Verification {
    /// Says where the first bad byte is, and what it lies in.
    func locateDamage(_ image: ImageContent, _ parts: [DiskPart], _ manifest: Manifest?) async throws {
        if let fault = image.fault {
            recorder.add("first bad byte", expected: "none", .failed(words(for: fault, size: image.size)))
        } else if let damage = image.damage.first {
            try await recorder.row("first bad byte", expected: "none") {
                .failed(try words(for: damage, image, parts, manifest))
            }
        } else if recorder.rows.contains(where: {
            ["sum", "image", "unpacked"].contains($0.check) && $0.verdict == .failed
        }) {
            recorder.add("first bad byte", expected: "none", .notChecked(unlocatable(image, manifest)))
        }
    }

    private func unlocatable(_ image: ImageContent, _ manifest: Manifest?) -> String {
        guard subject.isCompressed else { return "a raw disk has no checks of its own: nothing can be located" }
        if let manifest, image.unpackedDigest == manifest.image.uncompressedSHA256 {
            return "the disk is the manifest's, to the last byte: only how it is packed differs"
        }
        return "every block decodes: the file is another, not a damaged one, and nothing can be located"
    }

    private func words(for fault: XZFault, size: UInt64) -> String {
        if fault.range.isEmpty { return "offset \(size): the .xz ends there, before it is whole" }
        return "\(Self.span("offset", "offsets", fault.range)) of the .xz: \(fault.part)"
    }

    private func words(
        for damage: XZDamage, _ image: ImageContent, _ parts: [DiskPart], _ manifest: Manifest?
    ) throws -> String {
        let block = "block \(damage.block.number + 1) of \(image.blocks)"
        let instead = damage.earliest.map { ", or one of the bytes stored as they are from offset \($0) on" } ?? ""
        let start =
            "\(Self.span("offset", "offsets", damage.range)) of the .xz (\(block), its \(damage.part)\(instead))"
        guard !damage.unpacked.isEmpty else { return "\(start); the disk's bytes are whole" }
        let spoiled = "\(Self.span("byte", "bytes", damage.unpacked)) of the disk"
        return "\(start), \(spoiled): \(try things(in: damage.unpacked, image, parts, manifest))"
    }

    /// `offset 5` or `offsets 5 to 7`.
    private static func span(_ one: String, _ many: String, _ range: Range<UInt64>) -> String {
        range.count == 1
            ? "\(one) \(range.lowerBound)" : "\(many) \(range.lowerBound) to \(range.upperBound - 1)"
    }

    /// What lies in a stretch of the disk: the table, file systems and what is on them, gaps.
    private func things(
        in range: Range<UInt64>, _ image: ImageContent, _ read: [DiskPart], _ manifest: Manifest?
    ) throws -> String {
        // A table that is damaged itself stands in the manifest, too.
        var parts = read.isEmpty ? Self.parts(manifest) : read
        if parts.isEmpty, let disk = image.disk, !image.missing.contains(where: { $0.lowerBound < 512 }) {
            parts = (try? Self.parts(of: disk, place: subject.file)) ?? []
        }
        parts.sort { $0.range.lowerBound < $1.range.lowerBound }
        var things: [String] = []
        if range.lowerBound < 512 { things.append("partition table") }
        var position: UInt64 = 512
        for part in parts where part.range.lowerBound < image.diskSize {
            if position < part.range.lowerBound, range.overlaps(position..<part.range.lowerBound) {
                things.append("gap before partition \(part.number)")
            }
            if part.range.overlaps(range) {
                things.append(try self.things(in: range.clamped(to: part.range), part, image))
            }
            position = max(position, part.range.upperBound)
        }
        if position < range.upperBound, !parts.isEmpty { things.append("gap behind the last partition") }
        if parts.isEmpty { things.append("what cannot be told without a partition table") }
        return things.joined(separator: "; ")
    }

    private static func parts(_ manifest: Manifest?) -> [DiskPart] {
        (manifest?.partitionTable.partitions ?? []).compactMap { record in
            let (end, overflow) = record.start.addingReportingOverflow(record.size)
            guard !overflow else { return nil }
            let kind: DiskPart.Kind =
                switch record.filesystem {
                case "ext4": .ext4
                case "vfat": .fat
                default: .other(0)
                }
            return DiskPart(number: record.number, range: record.start..<end, kind: kind)
        }
    }

    private func things(in range: Range<UInt64>, _ part: DiskPart, _ image: ImageContent) throws -> String {
        let start = part.range.lowerBound
        let asked = range.lowerBound - start..<range.upperBound - start
        let missing = image.missing.filter(part.range.overlaps).map {
            $0.clamped(to: part.range).lowerBound - start..<$0.clamped(to: part.range).upperBound - start
        }
        let name: String
        let objects: [DiskObject]
        do {
            guard let disk = image.disk else { return "partition \(part.number)" }
            switch part.kind {
            case .ext4:
                name = "partition \(part.number), ext4"
                objects = try Ext4Map(disk, offset: start, damaged: missing).objects(in: asked)
            case .fat:
                name = "partition \(part.number), FAT"
                objects = try FATMap(
                    try FileSource(disk), offset: start, size: UInt64(part.range.count), damaged: missing,
                    place: subject.file
                ).objects(in: asked)
            case .other: return "partition \(part.number)"
            }
        } catch let failure as Failure {
            // Where these lie is known without them.
            if part.kind == .fat, asked.lowerBound < 512 { return "partition \(part.number), FAT: boot sector" }
            if part.kind == .ext4, asked.overlaps(1024..<2048) { return "partition \(part.number), ext4: superblock" }
            return "partition \(part.number), where nothing can be told: \(failure.message)"
        }
        if objects.isEmpty { return "\(name): no file" }
        let shown = objects.prefix(3).map(\.name).joined(separator: ", ")
        return "\(name): \(shown)" + (objects.count > 3 ? " and \(objects.count - 3) more" : "")
    }
}
