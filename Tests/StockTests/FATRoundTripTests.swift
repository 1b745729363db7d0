import Diagnostics
import Disk
import Layers
import Storage
import SystemPackage
import TestSupport
import Testing
import Tools

/// A FAT read here and copied out by mtools gives the same files.
@Suite struct FATRoundTripTests {
    let folder: TemporaryFolder
    var image: FilePath { folder.path.appending("boot.fat") }

    init() throws { folder = try TemporaryFolder(in: "/tmp", name: "piforge-stock-fat") }

    /// Each name with type, mode, time and SHA-256, as `find` and `sha256sum` print them.
    private func listing(_ layer: Layer) throws -> Set<String> {
        Set(
            layer.entries.map { entry in
                let path = String(decoding: entry.path.bytes, as: UTF8.self)
                switch entry.kind {
                case .regular(let content):
                    return "f \(String(entry.attributes.mode, radix: 8)) \(entry.attributes.mtime.seconds) "
                        + "\(content.digest) \(path)"
                case .directory: return "d \(String(entry.attributes.mode, radix: 8)) \(path)"
                default: return "\(entry)"
                }
            })
    }

    private func layer(of image: FilePath) throws -> Layer {
        let store = try LayerStore(folder: folder.path.appending("layers"))
        return try store.layer(.of(image.string), name: "fat") { try FATReader(image).readLayer(into: $0) }
    }

    @Test(arguments: [
        (12, 1, 2000), (12, 8, 12 << 10), (16, 1, 16 << 10), (16, 4, 128 << 10), (32, 1, 36 << 10),
        (32, 8, 300 << 10),
    ])
    func mtoolsFindsTheSameFiles(width: Int, sectors: Int, kibibytes: Int) async throws {
        try await Judge.shell(
            """
            mkfs.fat -F $1 -s $2 -n system-boot -i c0ffee01 -C boot.fat $3 > log 2>&1
            mkdir -p host/overlays host/Deep/er host/empty 'host/odd [x] folder'; cd host
            printf 'kernel=kernel8.bin\\n' > config.txt; printf UP > UPPER.TXT; printf lo > lower.txt; printf Mi > Mixed.Txt
            printf low > UPPER.low; : > empty.dat; printf long > 'a name with spaces & $HOME ~ é.txt'
            printf x > 'odd [x] folder/in it'; printf y > $(printf 'n%.0s' {1..200}).dtbo
            head -c 300001 /dev/urandom > Deep/er/noise.bin; for n in $(seq 60); do printf $n > overlays/overlay-$n.dtbo; done
            find . -type f -exec touch -d '2019-08-05 19:29:58' {} +; touch -d '2001-01-01 00:00:00' config.txt
            touch -d '2099-12-31 23:59:58' lower.txt
            for pair in "c0FFee:1980-01-01 00:00:00" "d:2038-02-01 01:02:04"; do printf z > ${pair%%:*}; touch -d "${pair#*:}" ${pair%%:*}; done
            mcopy -s -m -i ../boot.fat * ::/
            # Clusters that do not lie one after the other.
            mdel -i ../boot.fat ::/overlays/overlay-{1,3,5,7,9,11}.dtbo; head -c 20000 /dev/urandom > apart; touch -d '2020-02-29 12:00:00' apart
            mcopy -m -i ../boot.fat apart ::/; mattrib -i ../boot.fat +r ::/config.txt; mattrib -i ../boot.fat +h +s ::/UPPER.TXT
            """, ["\(width)", "\(sectors)", "\(kibibytes)"], in: folder.path)
        try await Judge.shell("fsck.fat -n boot.fat", in: folder.path)
        try await Judge.shell("mkdir out; mcopy -s -m -n -i boot.fat '::/*' out/", in: folder.path)
        let judged = try await Judge.shell(
            """
            cd out; find . -mindepth 1 -type d -printf 'd 755 %P\\n'
            find . -type f -printf '%T@ %P\\n' | while read -r time path; do
                mode=644; [ "$path" = config.txt ] && mode=444
                printf 'f %s %s %s %s\\n' $mode ${time%.*} $(sha256sum < "$path" | cut -c1-64) "$path"
            done
            """, in: folder.path)
        let read = try layer(of: image)
        let (ours, theirs) = (try listing(read), Set(judged.split(separator: "\n").map(String.init)))
        #expect(ours.symmetricDifference(theirs).sorted() == [])
        #expect(read.entries.count == 72)

        // Written again, mtools finds the same content; the times are the epoch's then.
        let again = folder.path.appending("again.fat")
        try await FAT.write(
            try Tree([read]), to: again, size: 64 << 20, label: "AGAIN", volumeID: 1, epoch: 1_700_000_000,
            tools: ToolRunner())
        try await Judge.shell(
            "mkdir again; mcopy -s -n -i again.fat '::/*' again/; diff -r out again; fsck.fat -n again.fat",
            in: folder.path)
    }

    @Test func theLabelIsTheRootFoldersAsLinuxHasIt() async throws {
        try await Judge.shell(
            "mkfs.fat -F 32 -s 1 -n system-boot -i c0ffee01 -C boot.fat 34816 > log 2>&1", in: folder.path)
        #expect(try FATReader(image).volumeLabel() == "system-boot")
        // The boot sector's label.
        try OpenFile.updating(image).write(at: 71, Array("OTHER      ".utf8))
        #expect(try FATReader(image).label == "OTHER")
        #expect(try FATReader(image).volumeLabel() == "system-boot")
        try await Judge.shell("mlabel -c -i boot.fat ::", in: folder.path)
        try OpenFile.updating(image).write(at: 71, Array("NO NAME    ".utf8))
        #expect(try FATReader(image).volumeLabel() == nil)
        #expect(try FATReader(image).uuid == "C0FF-EE01")
    }

    @Test(arguments: [12, 16])
    func aLoopAndALostClusterAreRefused(width: Int) async throws {
        try await Judge.shell(
            """
            mkfs.fat -F $1 -s 1 -C boot.fat $(($1 == 12 ? 1024 : 16384)) > log 2>&1
            head -c 2000 /dev/zero > file; mcopy -i boot.fat file ::/
            """, ["\(width)"], in: folder.path)
        let reader = try FATReader(image)
        let entry = try #require(try reader.entries().first)
        #expect(try reader.bytes(of: entry) == [UInt8](repeating: 0, count: 2000))
        // The second cluster of the file is made to be followed by itself, then by one that is not there.
        let file = try OpenFile.updating(image)
        let table = UInt64(try file.bytes(at: 14, count: 1)[0]) * 512
        try file.write(at: table + (width == 12 ? 4 : 6), width == 12 ? [0x30, 0x00] : [3, 0])
        let loop = failure { try FATReader(image).bytes(of: entry) }
        #expect(loop?.message == "the FAT file system is damaged: its clusters go round in a circle")
        try file.write(at: table + (width == 12 ? 4 : 6), width == 12 ? [0xf0, 0xee] : [0xee, 0xfe])
        let lost = failure { try FATReader(image).bytes(of: entry) }
        #expect(
            lost?.message
                == "the FAT file system is damaged: cluster \(width == 12 ? 3823 : 65262) is not on the disk")
    }
}
