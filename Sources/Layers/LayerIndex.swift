import Diagnostics
import Digests
import SystemPackage

/// The table of a layer's entries as it stands at the end of a layer file (`LayerFile`). Integers are little-endian;
/// a byte string is its length in four bytes, then its bytes.
///
///     whiteouts   u32 count, then paths
///     entries     u32 count, then for each:
///                 path · mode u16 · uid u32 · gid u32 · mtime i64 + u32 · u16 count of xattrs (name, value)
///                 kind u8, then by kind:
///                   0 regular: size u64, SHA-256 (32 bytes), offset u64, runs of zeros: u32 count, then from u64, to u64 in blocks
///                   1 directory   2 symlink: target   3 hard link: path
///                   4 character device, 5 block device: major u32, minor u32   6 fifo   7 socket
enum LayerIndex {
    /// - Parameter locatingContent: false leaves the offsets and the runs of zeros out, for a digest that does not depend on storage.
    ///   Of content in a file, the runs must be known.
    static func encode(_ layer: Layer, locatingContent: Bool) -> [UInt8] {
        var out = ByteWriter()
        out.u32(layer.whiteouts.count)
        for path in layer.whiteouts { out.string(path.bytes) }
        out.u32(layer.entries.count)
        for entry in layer.entries {
            out.string(entry.path.bytes)
            out.integer(entry.attributes.mode)
            out.integer(entry.attributes.uid)
            out.integer(entry.attributes.gid)
            out.integer(entry.attributes.mtime.seconds)
            out.integer(entry.attributes.mtime.nanoseconds)
            out.integer(UInt16(entry.attributes.xattrs.count))
            for attribute in entry.attributes.xattrs {
                out.string(Array(attribute.name.utf8))
                out.string(attribute.value)
            }
            switch entry.kind {
            case .regular(let content):
                out.integer(UInt8(0))
                out.integer(content.size)
                out.bytes += content.digest.bytes
                if locatingContent, case .file(_, let offset) = content.source {
                    out.integer(offset)
                    let zeros = content.zeros?.blocks ?? []
                    out.u32(zeros.count)
                    for run in zeros {
                        out.integer(run.lowerBound)
                        out.integer(run.upperBound)
                    }
                }
            case .directory: out.integer(UInt8(1))
            case .symlink(let target):
                out.integer(UInt8(2))
                out.string(target)
            case .hardLink(let target):
                out.integer(UInt8(3))
                out.string(target.bytes)
            case .characterDevice(let major, let minor):
                out.integer(UInt8(4))
                out.integer(major)
                out.integer(minor)
            case .blockDevice(let major, let minor):
                out.integer(UInt8(5))
                out.integer(major)
                out.integer(minor)
            case .fifo: out.integer(UInt8(6))
            case .socket: out.integer(UInt8(7))
            }
        }
        return out.bytes
    }

    /// - Parameter file: the layer file that the offsets refer to.
    static func decode(_ bytes: [UInt8], name: String, file: FilePath) throws -> Layer {
        var input = ByteReader(bytes: bytes, place: file.string)
        var layer = Layer(name: name)
        for _ in 0..<(try input.count(minimumBytes: 4)) {
            layer.whiteouts.append(try EntryPath(validating: input.string()))
        }
        // The root's path is empty.
        let count = try input.count(minimumBytes: 29)
        layer.entries.reserveCapacity(count)
        for _ in 0..<count {
            let path = try EntryPath(validating: input.string())
            let mode: UInt16 = try input.integer()
            let uid: UInt32 = try input.integer()
            let gid: UInt32 = try input.integer()
            let mtime = Timestamp(seconds: try input.integer(), nanoseconds: try input.integer())
            var xattrs: [ExtendedAttribute] = []
            let xattrCount: UInt16 = try input.integer()
            for _ in 0..<xattrCount {
                let name = String(decoding: try input.string(), as: UTF8.self)
                xattrs.append(ExtendedAttribute(name: name, value: try input.string()))
            }
            let attributes = Attributes(mode: mode, uid: uid, gid: gid, mtime: mtime, xattrs: xattrs)
            layer.entries.append(Entry(path, attributes, try decodeKind(&input, file: file)))
        }
        return layer
    }

    private static func decodeKind(_ input: inout ByteReader, file: FilePath) throws -> EntryKind {
        let tag: UInt8 = try input.integer()
        switch tag {
        case 0:
            let size: UInt64 = try input.integer()
            guard let digest = SHA256Digest(bytes: try input.take(32)) else { throw input.damaged() }
            let offset: UInt64 = try input.integer()
            var zeros: [Range<UInt64>] = []
            for _ in 0..<(try input.count(minimumBytes: 16)) {
                let (start, end): (UInt64, UInt64) = (try input.integer(), try input.integer())
                guard start < end else { throw input.damaged() }
                zeros.append(start..<end)
            }
            guard let zeros = ZeroRuns(blocks: zeros, contentSize: size) else { throw input.damaged() }
            return .regular(Content(size: size, digest: digest, source: .file(file, offset: offset), zeros: zeros))
        case 1: return .directory
        case 2: return .symlink(try input.string())
        case 3: return .hardLink(try EntryPath(validating: input.string()))
        case 4: return .characterDevice(major: try input.integer(), minor: try input.integer())
        case 5: return .blockDevice(major: try input.integer(), minor: try input.integer())
        case 6: return .fifo
        case 7: return .socket
        default: throw input.damaged()
        }
    }
}

/// Appends little-endian integers and length-prefixed byte strings.
struct ByteWriter {
    var bytes: [UInt8] = []

    mutating func integer(_ value: some FixedWidthInteger) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    mutating func u32(_ value: Int) { integer(UInt32(value)) }

    mutating func string(_ value: [UInt8]) {
        u32(value.count)
        bytes += value
    }
}

/// Reads what `ByteWriter` wrote, and never past the end.
struct ByteReader {
    let bytes: [UInt8]
    let place: String
    private var position = 0

    init(bytes: [UInt8], place: String) {
        self.bytes = bytes
        self.place = place
    }

    func damaged() -> Failure {
        .damagedCache(at: place, "the layer's index is damaged at byte \(position)")
    }

    mutating func integer<Value: FixedWidthInteger>() throws -> Value {
        let size = MemoryLayout<Value>.size
        guard bytes.count - position >= size else { throw damaged() }
        let value = bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: position, as: Value.self) }
        position += size
        return Value(littleEndian: value)
    }

    mutating func take(_ count: Int) throws -> [UInt8] {
        guard count >= 0, bytes.count - position >= count else { throw damaged() }
        defer { position += count }
        return Array(bytes[position..<(position + count)])
    }

    mutating func string() throws -> [UInt8] {
        let count: UInt32 = try integer()
        return try take(Int(count))
    }

    /// A count of items of at least `minimumBytes` each: more than the rest could hold is damage.
    mutating func count(minimumBytes: Int) throws -> Int {
        let count: UInt32 = try integer()
        guard Int(count) <= (bytes.count - position) / minimumBytes else { throw damaged() }
        return Int(count)
    }
}
