import Diagnostics
import Disk
import Layers

/// What lies where on a FAT file system that two images have.
struct FATOwners: SectorOwners {
    private let a: ByteOwners.Side
    private let b: ByteOwners.Side
    private enum Thing {
        case area(String)
        case folder(EntryPath)
        case content(EntryPath)
    }

    private struct Span: DiskSpan {
        var range: Range<UInt64>
        var thing: Thing
        /// The first byte within the file.
        var logical: UInt64 = 0
    }

    private let files: FileComparison
    private let isFAT32: Bool
    private let size: UInt64
    /// Of the first image, in disk order; then of the second.
    private let spans: [SpanTable<Span>]

    init(_ a: ByteOwners.Side, _ b: ByteOwners.Side, _ one: FATVolume, _ other: FATVolume, _ files: FileComparison)
        throws
    {
        self.a = a
        self.b = b
        self.files = files
        size = one.reader.size
        spans = [try Self.spans(one), try Self.spans(other)]
        let start = a.volume.partition.offset
        let sector = try a.disk.source.bytes(start..<start + 512)
        isFAT32 = sector[22] == 0 && sector[23] == 0
    }

    private static func spans(_ volume: FATVolume) throws -> SpanTable<Span> {
        var spans = try volume.reader.areas().map { Span(range: $0.range, thing: .area($0.name)) }
        for entry in try volume.entries() {
            var logical: UInt64 = 0
            for range in (try? volume.reader.ranges(of: entry)) ?? [] {
                spans.append(
                    Span(
                        range: range, thing: entry.isFolder ? .folder(entry.path) : .content(entry.path),
                        logical: logical))
                logical += UInt64(range.count)
            }
        }
        return SpanTable(spans)
    }

    func owners(of sector: UInt64, until end: UInt64) throws -> (owners: [SectorOwner], end: UInt64) {
        guard sector < size else { return ([SectorOwner(name: "what lies behind the file system")], end) }
        let here = spans[0].span(at: sector)
        let there = spans[1].span(at: sector)
        guard let span = here.span else {
            let next = min(end, here.next, there.next)
            if let other = there.span {
                return ([SectorOwner(name: "\(title(other)), free space in the first image")], next)
            }
            let isReserved = sector < (spans[0].first { title($0).hasPrefix("file allocation") }?.range.lowerBound ?? 0)
            return ([SectorOwner(name: isReserved ? "reserved sector \(sector / 512)" : "free space")], next)
        }
        switch span.thing {
        case .content(let path):
            let position = span.logical + sector - span.range.lowerBound
            let last = (files.old[path]?.size ?? 0) / 512 * 512
            let limit = min(end, here.next)
            let next =
                position < last
                ? min(limit, sector + last - position) : position == last ? min(limit, sector + 512) : limit
            return ([content(path, position)], next)
        case .folder(let path):
            let (old, new) = try bytes(sector..<sector + 512)
            return (entries(old, new, "/\(path.description.dropFirst())"), sector + 512)
        case .area(let name):
            let (old, new) = try bytes(sector..<sector + 512)
            switch name {
            case "boot sector", "boot sector's copy":
                let fields = FieldTable.bootSector(isFAT32: isFAT32).differences(old, new)
                return ([SectorOwner(name: name, fields: fields)], sector + 512)
            case "FSInfo sector":
                return ([SectorOwner(name: name, fields: FieldTable.fsInfo.differences(old, new))], sector + 512)
            case "root folder": return (entries(old, new, "/"), sector + 512)
            default: return ([SectorOwner(name: name)], min(end, here.next))
            }
        }
    }

    private func title(_ span: Span) -> String {
        switch span.thing {
        case .area(let name): name
        case .folder(let path): "names of the folder \(printable(files.name(path)))"
        case .content(let path): "content of \(printable(files.name(path)))"
        }
    }

    /// The names of a folder that differ in a sector.
    private func entries(_ old: [UInt8], _ new: [UInt8], _ folder: String) -> [SectorOwner] {
        stride(from: 0, to: 512, by: 32).compactMap { start in
            let (one, other) = (Array(old[start..<start + 32]), Array(new[start..<start + 32]))
            guard one != other else { return nil }
            let isLong = one[11] & 0x3f == 0x0f || other[11] & 0x3f == 0x0f
            guard !isLong, one[0] != 0, other[0] != 0 else {
                return SectorOwner(name: "names of the folder \(printable(folder))")
            }
            let name = printable(one.prefix(8).filter { $0 != 0x20 } + [UInt8(ascii: ".")] + one[8..<11])
            return SectorOwner(
                name: "entry \(name) of the folder \(printable(folder))",
                fields: FieldTable.directoryEntry.differences(one, other))
        }
    }

    private func content(_ path: EntryPath, _ position: UInt64) -> SectorOwner {
        let size = files.old[path]?.size ?? 0
        let isBehind = position >= size || (position + 512 > size && !files.changedContent.contains(path))
        let name = printable(files.name(path))
        return SectorOwner(name: isBehind ? "unused bytes behind the end of \(name)" : "content of \(name)")
    }

    private func bytes(_ range: Range<UInt64>) throws -> (old: [UInt8], new: [UInt8]) {
        let (one, other) = (a.volume.partition.offset, b.volume.partition.offset)
        return (
            try a.disk.source.bytes(one + range.lowerBound..<one + range.upperBound),
            try b.disk.source.bytes(other + range.lowerBound..<other + range.upperBound)
        )
    }
}
