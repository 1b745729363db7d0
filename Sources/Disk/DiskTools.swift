import Tools

/// The external programs that write file systems.
public enum DiskTools {
    public static let mke2fs = Tool("mke2fs", package: "e2fsprogs", purpose: "create ext4 file systems")
    public static let mkfsFAT = Tool("mkfs.fat", package: "dosfstools", purpose: "create FAT file systems")
    public static let mmd = Tool("mmd", package: "mtools", purpose: "create folders on FAT file systems")
    public static let mcopy = Tool("mcopy", package: "mtools", purpose: "copy files to FAT file systems")

    /// All of them, for whoever checks that the machine has what is needed.
    public static let all = [mke2fs, mkfsFAT, mmd, mcopy]
}
