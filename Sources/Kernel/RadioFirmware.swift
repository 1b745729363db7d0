/// The files that the kernel asks for to start the radio of a Pi 4, in /usr/lib/firmware.
///
/// The chip's program is brcm/CHIP-sdio.bin, its settings are brcm/CHIP-sdio.txt; of both, the file with the board's name, the first
/// compatible of its device tree, goes before. Without either of them there is no wlan0 (Linux, drivers/net/wireless/broadcom/
/// brcm80211/brcmfmac: sdio.c, brcmf_sdio_prepare_fw_request; firmware.c, brcm_alt_fw_path). Each may be compressed (Linux,
/// drivers/base/firmware_loader/main.c: .zst, .xz).
package enum RadioFirmware {
    /// A board with a radio.
    package struct Board: Sendable, Equatable {
        /// As people call it: `Pi 4B`.
        package var name: String
        /// The first compatible of its device tree.
        package var compatible: String
        /// How the names of its files in /usr/lib/firmware/brcm begin: `brcmfmac43455`.
        package var chip: String
    }

    /// The boards that an image is for.
    package static let boards = [
        Board(name: "Pi 4B", compatible: "raspberrypi,4-model-b", chip: "brcmfmac43455"),
        Board(name: "Pi 400", compatible: "raspberrypi,400", chip: "brcmfmac43456"),
        Board(name: "CM4", compatible: "raspberrypi,4-compute-module", chip: "brcmfmac43455"),
    ]

    /// What brings the files.
    package static let packages = "firmware-brcm80211 (Debian) or linux-firmware (Ubuntu)"

    private static let folders = ["usr/lib/firmware/brcm", "lib/firmware/brcm"]

    /// The files that a board lacks, by the name that will do for every board: `brcm/brcmfmac43455-sdio.bin`; none when its radio starts.
    ///
    /// - Parameter isFile: whether a path, without a leading slash, leads to a regular file, links followed.
    package static func missing(for board: Board, isFile: (String) throws -> Bool) rethrows -> [String] {
        try ["bin", "txt"].filter { suffix in
            for folder in folders {
                for name in ["\(board.chip)-sdio.\(board.compatible).\(suffix)", "\(board.chip)-sdio.\(suffix)"] {
                    for packed in ["", ".zst", ".xz"] where try isFile("\(folder)/\(name)\(packed)") { return false }
                }
            }
            return true
        }.map { "brcm/\(board.chip)-sdio.\($0)" }
    }
}
