import Disk
import Layers
import Storage
import SystemPackage

let epoch: Int64 = 1_700_000_000

func attributes(_ mode: UInt16 = 0o644, uid: UInt32 = 0, gid: UInt32 = 0, _ xattrs: [ExtendedAttribute] = [])
    -> Attributes
{
    Attributes(
        mode: mode, uid: uid, gid: gid, mtime: Timestamp(seconds: 1_600_000_000, nanoseconds: 123_456_789),
        xattrs: xattrs)
}

func file(_ path: EntryPath, _ text: String, _ mode: UInt16 = 0o644) -> Entry {
    Entry(path, attributes(mode), .regular(Content(text)))
}

/// The capability CAP_NET_RAW+ep, as getxattr(2) gives it (Linux, uapi/linux/capability.h, revision 2).
let netRaw = ExtendedAttribute(
    name: "security.capability", value: [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])

/// 300 KiB: data, a hole of 200 KiB, data.
let sparseBytes =
    [UInt8](repeating: 7, count: 50 << 10) + [UInt8](repeating: 0, count: 200 << 10)
    + [UInt8](repeating: 9, count: 50 << 10)

let longTarget = String(repeating: "component/", count: 20) + "end"

/// A tree with every type of inode and the corners of each.
func everyKindOfInode() throws -> Tree {
    var layer = Layer(name: "every kind")
    layer.addDirectory(.root, attributes(0o755))
    layer.addDirectory("dir", attributes(0o1777, uid: 70_000, gid: 80_000))
    layer.addFile("hello", attributes(0o4755, uid: 1000, gid: 1001), text: "hello, world\n")
    layer.addFile("empty", attributes(), text: "")
    layer.entries += [
        Entry("dir/second-name", attributes(), .hardLink("hello")),
        Entry("ping", attributes(0o755, [netRaw]), .regular(Content("elf"))),
        Entry(
            "many-attributes",
            attributes(
                0o644, [ExtendedAttribute(name: "user.long", value: [UInt8](repeating: 0x41, count: 1000)), netRaw]),
            .regular(Content("x"))),
        Entry("sparse", attributes(), .regular(Content(sparseBytes))),
        Entry("null", attributes(0o666), .characterDevice(major: 1, minor: 3)),
        Entry("big-minor", attributes(0o600), .characterDevice(major: 259, minor: 70_000)),
        Entry("sda", attributes(0o660, gid: 6), .blockDevice(major: 8, minor: 0)),
        Entry("pipe", attributes(0o600), .fifo), Entry("socket", attributes(0o755), .socket),
        Entry(try EntryPath(validating: [0xff, 0x20, 0x0a, 0x22]), attributes(), .regular(Content("odd name"))),
    ]
    layer.addSymlink("fast", to: "hello", attributes(0o777))
    layer.addSymlink("fast59", to: String(repeating: "f", count: 59), attributes(0o777))
    layer.addSymlink("slow60", to: String(repeating: "s", count: 60), attributes(0o777))
    layer.addSymlink("slow", to: longTarget, attributes(0o777))
    return try Tree([layer])
}

func ext4Options(size: UInt64 = 32 << 20) -> Ext4Options {
    Ext4Options(
        size: size, label: "writable", uuid: "11111111-2222-8333-8444-555555555555",
        hashSeed: "66666666-7777-8888-9999-aaaaaaaaaaaa", epoch: epoch)
}
