import Diagnostics
import Disk
import Layers
import Storage
import SystemPackage
import Testing
import Tools

@Suite struct Ext4WriterTests {
    let folder: TemporaryFolder
    var image: FilePath { folder.path.appending("root.ext4") }

    init() throws { folder = try TemporaryFolder(in: "/tmp", name: "piforge-ext4") }

    @Test func e2fsckFindsNothing() async throws {
        try await Ext4.write(try everyKindOfInode(), to: image, ext4Options(), tools: ToolRunner())
        let check = try await Judge.print(Judge.e2fsck, ["-fn", image.string])
        #expect(check.status == 0, "\(check.text)")
        print(check.text)
    }
}
