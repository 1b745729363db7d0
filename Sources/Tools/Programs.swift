// The programs that piforge runs, each once: what doctor lists, what errors name, and what `make setup` installs
// (scripts/packages.txt, which a test compares).

extension Tool {
    // Packages and signatures.
    /// Runs in folders of its own: nothing of the host's apt is read or written.
    package static let aptGet = Tool("apt-get", package: "apt", purpose: "resolve packages and verify the archive")
    /// Sees one keyring, with the pinned keys and no others.
    package static let gpgv = Tool("gpgv", package: "gpgv", purpose: "verify OpenPGP signatures")
    /// Needed by kernels from source only.
    package static let dpkgDeb = Tool("dpkg-deb", package: "dpkg", purpose: "make and read a kernel's package")
    /// Tells doctor the packages' versions, and a kernel's build that of debhelper.
    package static let dpkgQuery = Tool("dpkg-query", package: "dpkg", purpose: "tell the versions of programs")
    /// Run as `openssl rehash`.
    package static let openssl = Tool("openssl", package: "openssl", purpose: "hash the certificates' subjects")

    // Disks.
    /// Its version shapes an image's bytes.
    package static let mke2fs = Tool("mke2fs", package: "e2fsprogs", purpose: "create ext4 file systems")
    /// Always run with `-n`: it changes nothing.
    package static let e2fsck = Tool("e2fsck", package: "e2fsprogs", purpose: "check ext4 file systems")
    /// Its version shapes an image's bytes.
    package static let mkfsFAT = Tool("mkfs.fat", package: "dosfstools", purpose: "create FAT file systems")
    /// Always run with `-n`: it changes nothing.
    package static let fsckFAT = Tool("fsck.fat", package: "dosfstools", purpose: "check FAT file systems")
    /// Its version shapes an image's bytes.
    package static let mmd = Tool("mmd", package: "mtools", purpose: "create folders on FAT file systems")
    /// Its version shapes an image's bytes.
    package static let mcopy = Tool("mcopy", package: "mtools", purpose: "copy files to FAT file systems")
    /// Needed by `verify` only.
    package static let sfdisk = Tool("sfdisk", package: "fdisk", purpose: "check the partition table")
    /// Needed by `verify` only.
    package static let gzip = Tool("gzip", package: "gzip", purpose: "look into a compressed kernel")

    // Machines.
    /// The kernel kills what it starts when piforge dies in whatever way (prctl(2), PR_SET_PDEATHSIG).
    package static let setpriv = Tool("setpriv", package: "util-linux", purpose: "end programs together with piforge")
    /// ``Guest/QEMU`` knows the least version.
    package static let qemu = Tool(
        "qemu-system-aarch64", package: "qemu-system-arm", purpose: "run maintainer scripts and to boot the image")
    /// Needed by `prove` on the machine raspi4b only.
    package static let fdtget = Tool(
        "fdtget", package: "device-tree-compiler", purpose: "fit the device tree to QEMU's board")
    /// Needed by `prove` on the machine raspi4b only.
    package static let fdtput = Tool(
        "fdtput", package: "device-tree-compiler", purpose: "fit the device tree to QEMU's board")
    /// Needed by `prove` only.
    package static let ssh = Tool("ssh", package: "openssh-client", purpose: "log in to the booted image")
    /// Signs with an SSH key, verifies such signatures, and makes the proof's key pair.
    package static let sshKeygen = Tool(
        "ssh-keygen", package: "openssh-client", purpose: "make and check SSH signatures")

    // Kernels.
    /// Its version is part of what a compiled kernel is kept under.
    package static let arm64GCC = Tool(
        "aarch64-linux-gnu-gcc", package: "gcc-aarch64-linux-gnu", purpose: "compile kernels and the proof's guest")
    /// Its version is part of what a compiled kernel is kept under.
    package static let arm64LD = Tool(
        "aarch64-linux-gnu-ld", package: "binutils-aarch64-linux-gnu", purpose: "link the kernel")
    /// Its version shapes the modules' indexes.
    package static let depmod = Tool("depmod", package: "kmod", purpose: "index the kernel's modules")
    package static let gcc = Tool("gcc", package: "gcc", purpose: "build the kernel's Kconfig")
    package static let flex = Tool("flex", package: "flex", purpose: "build the kernel's Kconfig")
    package static let bison = Tool("bison", package: "bison", purpose: "build the kernel's Kconfig")
    package static let make = Tool("make", package: "make", purpose: "configure and compile the kernel")
    package static let patch = Tool("patch", package: "patch", purpose: "apply patches to a kernel's source")
    package static let git = Tool("git", package: "git", purpose: "get a kernel's source at a commit")
    package static let dpkgBuildpackage = Tool(
        "dpkg-buildpackage", package: "dpkg-dev", purpose: "make the kernel's package")
    package static let dhBuilddeb = Tool("dh_builddeb", package: "debhelper", purpose: "make the kernel's package")
    package static let fakeroot = Tool("fakeroot", package: "fakeroot", purpose: "make packages of older kernels")
    package static let rsync = Tool("rsync", package: "rsync", purpose: "collect the kernel's headers")
    package static let bc = Tool("bc", package: "bc", purpose: "compute the kernel's timer constants")
    package static let cpio = Tool("cpio", package: "cpio", purpose: "make the kernel's empty initramfs")
    package static let perl = Tool("perl", package: "perl", purpose: "run the kernel's scripts")
    package static let xz = Tool("xz", package: "xz-utils", purpose: "compress parts of the kernel")
    package static let shell = Tool("sh", package: "dash", purpose: "run the kernel's scripts")
    /// Compiles run without it, too.
    package static let ccache = Tool("ccache", package: "ccache", purpose: "compile no file of a kernel twice")
    /// Needed to install and run Kconfiglib, in a folder of the cache.
    package static let python3 = Tool("python3", package: "python3-venv", purpose: "explain a kernel's configuration")
    package static let environment = Tool(
        "env", package: "coreutils", purpose: "run Python in an environment of its own")

    // Signatures of one's own.
    /// Needed by `--sign` with a key of gpg's only.
    package static let gpg = Tool("gpg", package: "gnupg", purpose: "sign the list of sums")
}

/// Every program that piforge runs.
package enum ToolCatalogue {
    /// What every build needs, in the order in which it runs them.
    package static let build: [Tool] = [
        .aptGet, .gpgv, .mke2fs, .e2fsck, .mkfsFAT, .fsckFAT, .mmd, .mcopy, .depmod, .openssl, .setpriv,
        .qemu,
    ]

    /// What some commands and recipes need besides: verify and prove, kernels from source, signatures.
    package static let other: [Tool] = [
        .sfdisk, .gzip, .fdtget, .fdtput, .ssh, .sshKeygen, .gpg, .arm64GCC, .arm64LD, .gcc, .make, .flex,
        .bison, .patch, .git, .dpkgBuildpackage, .dhBuilddeb, .dpkgDeb, .dpkgQuery, .fakeroot, .rsync, .bc,
        .cpio, .perl, .xz, .shell, .ccache, .python3, .environment,
    ]

    /// What doctor looks for: ``build``, then ``other``.
    package static let all = build + other
}
