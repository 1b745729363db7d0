import Digests
import Storage
import SystemPackage
import TestSupport
import Testing
import Tools
import Verify

/// Whether the radio of a Pi 4 would find its firmware in an image that joins a wireless network.
@Suite struct WifiFirmwareTests {
    /// The raw disk with a manifest that expects wifi, in a folder of its own.
    private func image() async throws -> TemporaryFolder {
        let image = try await TestImage.shared
        let folder = try TemporaryFolder(in: "/tmp", name: "piforge-verify")
        try image.write("t.img", to: folder.path.appending("t.img"))
        var manifest = image.manifest
        manifest.expectations.wifi = .init(ssid: "home", country: "DE")
        try manifest.write(to: folder.path.appending("t.manifest.json"))
        return folder
    }

    @Test func imageWithoutWifiIsNotAsked() async throws {
        let folder = try await TestImage.shared.copy()
        #expect(try await folder.verify()["wifi firmware"] == nil)
    }

    @Test func firmwareIsFoundOverLinks() async throws {
        let folder = try await image()
        #expect(
            try await folder.verify("t.img")["wifi firmware"] == """
                Pi 4B: brcmfmac43455, CM4: brcmfmac43455
                Pi 400: no brcm/brcmfmac43456-sdio.bin, no brcm/brcmfmac43456-sdio.txt
                """)
    }

    /// debugfs takes the file out of the image.
    @Test(arguments: ["usr/lib/firmware/brcm/brcmfmac43455-sdio.txt", "etc/alternatives/radio"])
    func missingFirmwareFails(name: String) async throws {
        let folder = try await image()
        let disk = folder.path.appending("t.img")
        let start = try await TestImage.shared.rootStart
        let part = folder.path.appending("root.ext4")
        try writeAtomically(to: part, bytes: try OpenFile.reading(disk).bytes(at: start, count: 16 << 20))
        try await ToolRunner().run(Judge.debugfs, ["-w", "-R", "rm /\(name)", part.string], place: "debugfs")
        try OpenFile.updating(disk).write(at: start, try readFile(part))
        let row = try #require(try await folder.verify("t.img")["wifi firmware"])
        #expect(row.hasPrefix("FAILED: Pi 4B: no brcm/brcmfmac43455-sdio."))
        #expect(row.hasSuffix("they are in firmware-brcm80211 (Debian) or linux-firmware (Ubuntu)"))
    }
}
