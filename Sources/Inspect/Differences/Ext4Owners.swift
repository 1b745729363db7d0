import Diagnostics
import Disk
import Layers

/// What lies where on an ext file system that two images have.
struct Ext4Owners: SectorOwners {
    private enum Thing {
        case area(Ext4Area)
        case content(EntryPath, logical: UInt64, isUnwritten: Bool)
        case folder(EntryPath)
        case map(EntryPath)
        case attributes(EntryPath)
        case special(String)
    }

    private struct Span: DiskSpan {
        var range: Range<UInt64>
        var thing: Thing
    }

    private let a: ByteOwners.Side
    private let b: ByteOwners.Side
    private let reader: Ext4Reader
    private let files: FileComparison
    /// Of the first image, in disk order; then of the second.
    private let spans: [SpanTable<Span>]
    /// The first name of each inode of the first image, then of the second.
    private let names: [[UInt32: EntryPath]]
    private let isLaidOutTheSame: Bool

    init(_ a: ByteOwners.Side, _ b: ByteOwners.Side, _ files: FileComparison) throws {
        guard let one = a.volume.ext4, let other = b.volume.ext4 else {
            throw Failure(at: a.disk.path.string, "partition \(a.volume.number) is no ext4")
        }
        self.a = a
        self.b = b
        self.files = files
        reader = one
        isLaidOutTheSame =
            one.areas == other.areas && one.inodeSize == other.inodeSize && one.descriptorSize == other.descriptorSize
        names = [Self.names(files.old), Self.names(files.new)]
        spans = [
            try Self.spans(one, files.old, names[0]),
            try Self.spans(other, files.new, names[1]),
        ]
    }

    private static func names(_ files: [EntryPath: ImageFile]) -> [UInt32: EntryPath] {
        Dictionary(
            files.compactMap { path, file in file.inode.map { ($0, path) } }, uniquingKeysWith: { min($0, $1) })
    }

    private static func spans(
        _ reader: Ext4Reader, _ files: [EntryPath: ImageFile], _ names: [UInt32: EntryPath]
    ) throws -> SpanTable<Span> {
        var spans = reader.areas.map { Span(range: $0.range, thing: .area($0)) }
        for (inode, path) in names {
            try Task.checkCancellation()
            let isFolder = files[path]?.kind == .directory
            for run in (try? reader.runs(of: inode)) ?? [] {
                spans.append(
                    Span(
                        range: run.range,
                        thing: isFolder
                            ? .folder(path) : .content(path, logical: run.logical, isUnwritten: run.isUnwritten)))
            }
            spans += try reader.mapBlocks(of: inode).map { Span(range: $0, thing: .map(path)) }
            if let block = try reader.attributeBlock(of: inode) {
                spans.append(Span(range: block, thing: .attributes(path)))
            }
        }
        // Linux, Documentation/filesystems/ext4/special_inodes.rst.
        for (inode, name) in [(UInt32(7), "room for more group descriptors"), (8, "journal")] {
            for run in (try? reader.runs(of: inode)) ?? [] {
                spans.append(Span(range: run.range, thing: .special(name)))
            }
            spans += ((try? reader.mapBlocks(of: inode)) ?? []).map { Span(range: $0, thing: .special(name)) }
        }
        return SpanTable(spans)
    }

    // MARK: Owners

    func owners(of sector: UInt64, until end: UInt64) throws -> (owners: [SectorOwner], end: UInt64) {
        guard sector < reader.size else { return ([SectorOwner(name: "what lies behind the file system")], end) }
        let here = spans[0].span(at: sector)
        if let span = here.span { return try owners(span, sector, min(end, here.next)) }
        let there = spans[1].span(at: sector)
        let next = min(end, here.next, there.next)
        if let span = there.span {
            return ([SectorOwner(name: "\(title(span.thing)), free space in the first image")], next)
        }
        return ([SectorOwner(name: "free space")], next)
    }

    private func owners(_ span: Span, _ sector: UInt64, _ end: UInt64) throws -> ([SectorOwner], UInt64) {
        switch span.thing {
        case .area(let area): return (try owners(area, sector), sector + 512)
        case .content(let path, let logical, let isUnwritten):
            let position = logical + sector - span.range.lowerBound
            // The sector that a file ends in is looked at alone.
            let size = files.old[path]?.size ?? 0
            let last = size / 512 * 512
            let next =
                position < last ? min(end, sector + last - position) : position == last ? min(end, sector + 512) : end
            return ([SectorOwner(name: contentTitle(path, position, isUnwritten))], next)
        default: return ([SectorOwner(name: title(span.thing))], end)
        }
    }

    private func title(_ thing: Thing) -> String {
        switch thing {
        case .area(let area): title(area)
        case .content(let path, _, _): "content of \(printable(files.name(path)))"
        case .folder(let path): "names of the folder \(printable(files.name(path)))"
        case .map(let path): "block map of \(printable(files.name(path)))"
        case .attributes(let path): "attribute block of \(printable(files.name(path)))"
        case .special(let name): name
        }
    }

    private func contentTitle(_ path: EntryPath, _ position: UInt64, _ isUnwritten: Bool) -> String {
        let name = printable(files.name(path))
        if isUnwritten { return "blocks of \(name) that were never written" }
        let size = files.old[path]?.size ?? 0
        // The last sector holds the file's end, and what follows it.
        let isBehind = position >= size || (position + 512 > size && !files.changedContent.contains(path))
        return isBehind ? "unused bytes behind the end of \(name)" : "content of \(name)"
    }

    private func title(_ area: Ext4Area) -> String {
        let copy = area.group == 0 ? "" : "'s copy in group \(area.group)"
        switch area.kind {
        case .bootBlock: return "boot block"
        case .superblock: return "superblock\(copy)"
        case .descriptors: return "group descriptors" + (area.group == 0 ? "" : "' copy in group \(area.group)")
        case .blockBitmap: return "block bitmap of group \(area.group)"
        case .inodeBitmap: return "inode bitmap of group \(area.group)"
        case .inodeTable: return "inode table of group \(area.group)"
        }
    }

    // MARK: Fields

    private func owners(_ area: Ext4Area, _ sector: UInt64) throws -> [SectorOwner] {
        guard isLaidOutTheSame else { return [SectorOwner(name: title(area))] }
        switch area.kind {
        case .superblock:
            // Behind its 1,024 bytes the rest of the block is unused.
            guard sector < area.range.lowerBound + 1024 else {
                return [SectorOwner(name: "unused bytes behind the \(title(area))")]
            }
            let range = area.range.lowerBound..<area.range.lowerBound + 1024
            let (old, new) = try bytes(range)
            return [SectorOwner(name: title(area), fields: FieldTable.superblock.differences(old, new))]
        case .descriptors:
            return try records(area, sector, reader.descriptorSize, .groupDescriptor) { index in
                "descriptor of group \(index)" + (area.group == 0 ? "" : ", in its copy in group \(area.group)")
            }
        case .inodeTable:
            return try records(area, sector, reader.inodeSize, .inode(size: Int(reader.inodeSize))) { index in
                let number = area.group * reader.inodesPerGroup + UInt32(index) + 1
                let path = names[0][number] ?? names[1][number]
                let note = path.map { printable(files.name($0)) } ?? Self.special[number] ?? "no file's"
                return "inode \(number) (\(note))"
            }
        case .blockBitmap: return [SectorOwner(name: title(area), fields: try bits(sector, area))]
        default: return [SectorOwner(name: title(area))]
        }
    }

    private static let special: [UInt32: String] = [
        1: "bad blocks", 3: "user quota", 4: "group quota", 5: "boot loader", 6: "undelete folder",
        7: "room for more group descriptors", 8: "journal", 9: "exclude bitmap", 10: "replica",
    ]

    /// The records of a table that differ in a sector.
    private func records(
        _ area: Ext4Area, _ sector: UInt64, _ size: UInt64, _ table: FieldTable, name: (UInt64) -> String
    ) throws -> [SectorOwner] {
        guard size > 0 else { return [] }
        let first = (sector - area.range.lowerBound) / size
        let last = (sector + 511 - area.range.lowerBound) / size
        let owners = try (first...last).compactMap { index -> SectorOwner? in
            let start = area.range.lowerBound + index * size
            guard start + size <= area.range.upperBound else { return nil }
            let (old, new) = try bytes(start..<start + size)
            if old == new { return nil }
            let fields = table.differences(old, new)
            guard fields.allSatisfy({ table.isSum($0.field) }) else {
                return SectorOwner(name: name(index), fields: fields)
            }
            // All of them change with the UUID.
            return SectorOwner(
                name: "checksums in the \(title(area))",
                fields: fields.map {
                    ImageDifferences.Field(object: name(index), field: $0.field, old: $0.old, new: $0.new)
                })
        }
        return owners.isEmpty ? [SectorOwner(name: title(area))] : owners
    }

    /// Blocks whose bit differs, at most four of a sector.
    private func bits(_ sector: UInt64, _ area: Ext4Area) throws -> [ImageDifferences.Field] {
        let (old, new) = try bytes(sector..<sector + 512)
        let perGroup = UInt64(reader.blocksPerGroup)
        let first = UInt64(area.group) * perGroup + reader.firstBlock + (sector - area.range.lowerBound) * 8
        func isSet(_ bit: Int, _ bytes: [UInt8]) -> Bool { bytes[bit / 8] >> UInt8(bit % 8) & 1 != 0 }
        let blocks = (0..<512 * 8).filter { isSet($0, old) != isSet($0, new) }
        return blocks.prefix(4).map { bit in
            let isUsed = isSet(bit, old)
            return ImageDifferences.Field(
                object: "", field: "block \(first + UInt64(bit))", old: isUsed ? "used" : "free",
                new: isUsed ? "free" : "used")
        }
    }

    private func bytes(_ range: Range<UInt64>) throws -> (old: [UInt8], new: [UInt8]) {
        let (one, other) = (a.volume.partition.offset, b.volume.partition.offset)
        return (
            try a.disk.source.bytes(one + range.lowerBound..<one + range.upperBound),
            try b.disk.source.bytes(other + range.lowerBound..<other + range.upperBound)
        )
    }
}
