import Diagnostics
import Disk
import Layers
import Storage
import SystemPackage
import TestSupport
import Testing
import Tools

private let parts: [(kind: Partition.Kind, size: UInt64)] = [(.fat32, 64 << 20), (.linux, (32 << 20) + 4096)]

private let gptConversion =
    "with a raw copy of it: sgdisk --gpttombr=1:2 COPY.img && sfdisk --part-type COPY.img 1 c, where 1 is the FAT boot "
    + "partition and 2 the root (sgdisk --print COPY.img; Debian's packages gdisk and fdisk)"

@Suite struct PartitionTableTests {
    @Test func sfdiskReadsWhatIsWritten() async throws {
        let folder = try TemporaryFolder(in: "/tmp", name: "piforge-mbr")
        let table = try PartitionTable.laidOut(signature: 0x00ff_ee01, parts)
        let disk = folder.path.appending("disk")
        try writeAtomically(to: disk) { file in
            try file.write(at: 0, table.encoded())
            try file.truncate(to: table.diskSize)
        }
        let verify = try await Judge.print(Judge.sfdisk, ["--verify", disk.string])
        #expect(verify.status == 0)
        #expect(verify.text.contains("No errors detected."), "\(verify.text)")
        let json = try await ToolRunner().run(Judge.sfdisk, ["--json", disk.string], place: "sfdisk").text
        for part in [
            #""label": "dos""#, #""id": "0x00ffee01""#, #""start": 8192"#, #""size": 131072"#, #""type": "c""#,
            #""bootable": true"#, #""start": 139264"#, #""size": 65544"#, #""type": "83""#,
        ] { #expect(json.contains(part), "\(part)\n\(json)") }
        #expect(table.partitionUUID(2) == "00ffee01-02")
        // sfdisk writes the same sector for the same layout, addresses in cylinders and heads included.
        let script = """
            label: dos
            label-id: 0x00ffee01
            start=8192, size=131072, type=c, bootable
            start=139264, size=65544, type=83

            """
        let theirs = folder.path.appending("theirs")
        try writeAtomically(to: theirs) { try $0.truncate(to: table.diskSize) }
        _ = try await ToolRunner().run(Judge.sfdisk, [theirs.string], input: Array(script.utf8), place: "sfdisk")
        let written = try OpenFile.reading(theirs).bytes(at: 0, count: 512)
        #expect(written == table.encoded())
    }

    @Test(arguments: [
        ([Partition(type: 0xc, start: 8192, count: 0)], "disk: partition 1 has no sectors"),
        ([Partition(type: 0xc, start: 0, count: 8)], "disk: partition 1 begins at sector 0, on the partition table"),
        (
            [Partition(type: 0xc, start: 8192, count: 8192), Partition(type: 0x83, start: 10000, count: 8)],
            "disk: partitions 1 and 2 overlap at sector 10000"
        ),
        (
            [Partition(type: 0x83, start: 16000, count: 1000)],
            """
            disk: partition 1 goes beyond the end of the disk
              expected: at most 16384 sectors
              found:    sectors 16000 to 16999
            """
        ),
        (
            [Partition(type: 0xee, start: 1, count: 16383)],
            """
            disk: the disk has a GPT partition table, as disks for PCs have
              expected: an MBR with primary partitions
              next:     \(gptConversion)
            """
        ),
        // A hybrid table: a partition of its own beside the protective one.
        (
            [Partition(type: 0x83, start: 8192, count: 8), Partition(type: 0xee, start: 1, count: 8191)],
            """
            disk: the disk has a GPT partition table, as disks for PCs have
              expected: an MBR with primary partitions
              next:     \(gptConversion)
            """
        ),
        (
            [Partition(type: 0xc, start: 8192, count: 8), Partition(type: 0x05, start: 9000, count: 8)],
            """
            disk: partition 2 is an extended partition
              expected: an MBR with primary partitions
              found:    type 0x5
            """
        ),
    ])
    func badTablesAreRefused(partitions: [Partition], message: String) {
        let sector = PartitionTable(signature: 1, partitions: partitions).encoded()
        let error = failure {
            try PartitionTable(decoding: sector, diskSize: 16384 * 512, place: "disk")
        }
        #expect(error?.description == message)
    }

    @Test func sectorWithoutSignatureIsRefused() {
        let error = failure {
            try PartitionTable(decoding: [UInt8](repeating: 0, count: 512), diskSize: 1 << 20, place: "disk")
        }
        #expect(error?.description == "disk: no partition table\n  expected: the bytes 55 aa at offset 510")
    }

    @Test func layoutsThatDoNotFitAreRefused() {
        for (sizes, message): ([UInt64], String) in [
            ([1, 1, 1, 1, 1], "too many partitions\n  expected: at most 4\n  found:    5"),
            ([1, 0], "partition 2 has no size"),
            ([1, 3 << 40], "partition 2 ends beyond 2 TiB, the most this table can hold"),
        ] {
            let error = failure {
                try PartitionTable.laidOut(signature: 1, sizes.map { (.linux, $0) })
            }
            #expect(error?.description == "partition table: \(message)")
        }
    }
}

/// Data known to be at some places only.
private struct Islands: ByteSource {
    let size: UInt64
    let islands: [Range<UInt64>]

    func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws {
        for index in 0..<buffer.count {
            let place = offset + UInt64(index)
            buffer[index] = islands.contains { $0.contains(place) } ? UInt8(place % 251) + 1 : 0
        }
    }

    func nextData(from offset: UInt64) throws -> Range<UInt64>? {
        islands.first { $0.upperBound > offset }.map { max(offset, $0.lowerBound)..<$0.upperBound }
    }
}

@Suite struct DiskImageTests {
    private let boot = Islands(size: 10000, islands: [0..<512, 9000..<10000])
    private let root = Islands(size: 5000, islands: [100..<200])

    private func image() throws -> DiskImage {
        let table = try PartitionTable.laidOut(signature: 7, [(.fat32, 10240), (.linux, 8192)])
        return try DiskImage(table, contents: [boot, root])
    }

    @Test func dataIsFoundAndReadAcrossItsPieces() throws {
        let image = try image()
        let first: UInt64 = 4 << 20
        let second: UInt64 = 8 << 20
        #expect(image.size == 12 << 20)
        var found: [Range<UInt64>] = []
        var position: UInt64 = 0
        while let next = try image.nextData(from: position) {
            found.append(next)
            position = next.upperBound
        }
        #expect(found == [0..<512, first..<first + 512, first + 9000..<first + 10000, second + 100..<second + 200])
        // From within the first content over the gap into the second.
        var bytes = [UInt8](repeating: 0xff, count: Int(second - first) - 9800)
        try bytes.withUnsafeMutableBytes { try image.read(at: first + 9990, into: $0) }
        #expect(bytes[0] == UInt8(9990 % 251) + 1)
        #expect(bytes[10] == 0)
        #expect(bytes.count { $0 != 0 } == 10 + 90)
        try bytes.withUnsafeMutableBytes { try image.read(at: 1 << 20, into: $0) }
        #expect(bytes.count { $0 != 0 } == 1512)
    }

    @Test func writtenOutItIsTheSameDisk() async throws {
        let folder = try TemporaryFolder(in: "/tmp", name: "piforge-disk")
        let image = try image()
        let path = folder.path.appending("disk.img")
        try image.write(to: path)
        var bytes = [UInt8](repeating: 0, count: Int(image.size))
        try bytes.withUnsafeMutableBytes { try image.read(at: 0, into: $0) }
        #expect(try readFile(path) == bytes)
        let verify = try await Judge.print(Judge.sfdisk, ["--verify", path.string])
        #expect(verify.text.contains("No errors detected."), "\(verify.text)")
    }

    @Test func contentLongerThanItsPartitionIsRefused() throws {
        let table = try PartitionTable.laidOut(signature: 7, [(.fat32, 512)])
        let error = failure { try DiskImage(table, contents: [boot]) }
        #expect(error?.message == "the content of partition 1 is longer than the partition")
    }
}
