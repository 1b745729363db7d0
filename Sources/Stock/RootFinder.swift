import Diagnostics
import Disk
import SystemPackage

/// Finds the root file system: the one with an /etc/fstab.
struct RootFinder {
    /// More than any fstab has, in bytes.
    private static let tableLimit: UInt64 = 1 << 20

    let image: String
    private var tables: [Int: FileSystemTable] = [:]
    /// Why a Linux partition is none.
    private var reasons: [Failure] = []

    init(image: String) { self.image = image }

    /// Looks for an fstab, and notes what file system the partition holds.
    ///
    /// - Throws: `Failure` when its file system is damaged on the way to the fstab.
    mutating func look(at partition: inout StockPartition, _ file: FilePath, place: String) throws {
        let reader: Ext4Reader
        do { reader = try Ext4Reader(file, place: place) } catch let failure as Failure {
            reasons.append(failure)
            return
        }
        partition.fileSystem = reader.kind
        partition.label = reader.label.isEmpty ? nil : reader.label
        partition.uuid = reader.uuid
        guard let entry = try reader.entry(at: "etc/fstab") else {
            reasons.append(Failure(at: place, "the file system has no /etc/fstab"))
            return
        }
        guard case .regular(let size) = entry.kind, size <= Self.tableLimit else {
            throw Failure(
                at: "\(place): /etc/fstab", "not an fstab", expected: "a file of at most \(Self.tableLimit) bytes")
        }
        var bytes: [UInt8] = []
        try reader.forEachChunk(of: entry) { bytes += $0 }
        tables[partition.number] = FileSystemTable(String(decoding: bytes, as: UTF8.self))
    }

    /// - Parameter usualLabels: what decides between several.
    /// - Throws: `Failure` when there is none, or several.
    func root(
        in partitions: [StockPartition], usualLabels: [String]
    ) throws -> (StockPartition, FileSystemTable) {
        let found = partitions.filter { tables[$0.number] != nil }
        let usual = found.filter { $0.label.map(usualLabels.contains) ?? false }
        if let root = found.count == 1 ? found.first : usual.count == 1 ? usual.first : nil,
            let table = tables[root.number]
        {
            return (root, table)
        }
        guard found.isEmpty else {
            throw Failure(
                at: image, "several partitions could be the root file system",
                expected: "one with an /etc/fstab, or one of them labelled "
                    + usualLabels.joined(separator: " or "),
                found: found.map(\.description).joined(separator: ", "))
        }
        // One partition alone: why it cannot be read is the whole story.
        if reasons.count == 1 { throw reasons[0] }
        guard reasons.isEmpty else {
            throw Failure(
                at: image, "no partition holds a root file system", expected: "an ext4 with an /etc/fstab",
                found: reasons.map { "\($0.place.replacing(image + ": ", with: "")): \($0.message)" }.joined(
                    separator: "\n            "))
        }
        throw Failure(
            at: image, "the image has no Linux partition", expected: "a partition of type 0x83",
            found: partitions.isEmpty
                ? "an empty partition table"
                : partitions.map { "partition \($0.number) of type 0x\(String($0.type, radix: 16))" }
                    .joined(separator: ", "))
    }
}
