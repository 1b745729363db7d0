import Recipe

extension Recipe {
    /// What piforge itself needs in the image besides what the recipe names: an init, the tools of the first boot, the
    /// initramfs's userland, the kernel and the firmware.
    var ownPackages: [String] {
        let first = disk.grow ? ["fdisk"] : []
        // A stock image has its init, its logins and its network.
        if stock != nil {
            return first + ["busybox-static", "e2fsprogs", "dosfstools", firmware.package] + kernelPackages
        }
        var names =
            first + [
                "systemd-sysv", "udev", "dbus", "kmod", "passwd", "login", "netbase", "busybox-static", "e2fsprogs",
                "dosfstools", firmware.package,
            ]
        // Before Debian 12 it is a part of the package systemd.
        if base != .debian(suite: "bullseye") { names.append("systemd-resolved") }
        return names + kernelPackages
    }

    /// The kernel's package in the archive; none where the kernel is compiled.
    private var kernelPackages: [String] { kernel.source == nil ? [kernel.package] : [] }
}
