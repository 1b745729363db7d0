extension FieldTable {
    private static let common = [
        Entry("jump", 0, 3, .bytes), Entry("OEM name", 3, 8, .text), Entry("bytes per sector", 11, 2),
        Entry("sectors per cluster", 13, 1), Entry("reserved sectors", 14, 2), Entry("tables", 16, 1),
        Entry("root entries", 17, 2), Entry("sectors, 16 bits", 19, 2), Entry("media", 21, 1, .hex),
        Entry("sectors per table, 16 bits", 22, 2), Entry("sectors per track", 24, 2), Entry("heads", 26, 2),
        Entry("hidden sectors", 28, 4), Entry("sectors", 32, 4),
    ]

    /// Microsoft, FAT: General Overview of On-Disk Format 1.03, "Boot Sector and BPB".
    static func bootSector(isFAT32: Bool) -> FieldTable {
        let start = isFAT32 ? 64 : 36
        let extended = [
            Entry("drive number", start, 1, .hex), Entry("state", start + 1, 1, .hex),
            Entry("boot signature", start + 2, 1, .hex), Entry("serial number", start + 3, 4, .hex),
            Entry("label", start + 7, 11, .text), Entry("type", start + 18, 8, .text),
            Entry("boot code", start + 26, 510 - start - 26, .blob), Entry("signature", 510, 2, .hex),
        ]
        guard isFAT32 else { return FieldTable(common + extended) }
        return FieldTable(
            common + [
                Entry("sectors per table", 36, 4), Entry("flags", 40, 2, .hex), Entry("version", 42, 2),
                Entry("root cluster", 44, 4), Entry("FSInfo sector", 48, 2), Entry("copy's sector", 50, 2),
                Entry("reserved", 52, 12, .bytes),
            ] + extended)
    }

    /// The same, "FAT32 FSInfo Sector Structure".
    static let fsInfo = FieldTable([
        Entry("lead signature", 0, 4, .hex), Entry("structure signature", 484, 4, .hex), Entry("free clusters", 488, 4),
        Entry("next free cluster", 492, 4), Entry("trail signature", 508, 4, .hex),
    ])

    /// The same, "FAT 32 Byte Directory Entry Structure".
    static let directoryEntry = FieldTable([
        Entry("name", 0, 11, .text), Entry("attributes", 11, 1, .hex), Entry("case", 12, 1, .hex),
        Entry("creation time, hundredths", 13, 1), Entry("creation time", 14, 2, .hex),
        Entry("creation date", 16, 2, .hex), Entry("access date", 18, 2, .hex), Entry("first cluster, high", 20, 2),
        Entry("time", 22, 2, .hex), Entry("date", 24, 2, .hex), Entry("first cluster", 26, 2), Entry("size", 28, 4),
    ])
}
