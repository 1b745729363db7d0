import Kernel
import Testing

@Suite struct RadioFirmwareTests {
    private func missing(_ number: Int, _ files: [String]) -> [String] {
        RadioFirmware.missing(for: RadioFirmware.boards[number]) { files.contains($0) }
    }

    /// As drivers of the kernel ask: the board's own name before the chip's, in either folder, packed or not.
    @Test(arguments: [
        ["usr/lib/firmware/brcm/brcmfmac43455-sdio.bin", "usr/lib/firmware/brcm/brcmfmac43455-sdio.txt"],
        [
            "lib/firmware/brcm/brcmfmac43455-sdio.raspberrypi,4-model-b.bin.zst",
            "usr/lib/firmware/brcm/brcmfmac43455-sdio.raspberrypi,4-model-b.txt.xz",
        ],
    ])
    func filesThatWillDoAreFound(files: [String]) {
        #expect(missing(0, files) == [])
        #expect(missing(1, files) == ["brcm/brcmfmac43456-sdio.bin", "brcm/brcmfmac43456-sdio.txt"])
    }

    @Test func filesOfAnotherBoardWillNotDo() {
        let files = [
            "usr/lib/firmware/brcm/brcmfmac43455-sdio.bin",
            "usr/lib/firmware/brcm/brcmfmac43455-sdio.raspberrypi,3-model-b-plus.txt",
        ]
        #expect(missing(0, files) == ["brcm/brcmfmac43455-sdio.txt"])
        #expect(missing(2, []) == ["brcm/brcmfmac43455-sdio.bin", "brcm/brcmfmac43455-sdio.txt"])
    }
}
