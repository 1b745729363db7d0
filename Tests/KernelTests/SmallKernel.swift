import Layers
import Storage
import SystemPackage

/// A kernel's source tree with nothing in it but what a test needs: Kconfig files, a Makefile that tells a version.
enum SmallKernel {
    static let kconfig = """
        mainmenu "Small"

        config MODULES
        \tbool "Loadable modules"
        \tmodules
        \tdefault y

        source "arch/$(SRCARCH)/Kconfig"

        config NET
        \tbool "Networking"

        config VSOCKETS
        \ttristate "Sockets of virtual machines"
        \tdepends on NET

        config VHOST
        \ttristate

        config VHOST_VSOCK
        \ttristate "Their host's side"
        \tdepends on VSOCKETS && (EVENTFD || !NET)
        \tselect VHOST

        config EVENTFD
        \tbool "Event files"
        \tdefault y

        config BRIDGE
        \ttristate "A bridge"
        \tdepends on NET

        config BRIDGE_FILTER
        \ttristate "Its filter"
        \tdepends on BRIDGE

        config NEEDED
        \tbool "Needed"

        config NEEDS
        \tbool "Needs"
        \tdefault y
        \tselect NEEDED

        config CMDLINE
        \tstring "Command line"

        config LOG_SHIFT
        \tint "Size of the log"
        \trange 12 25
        \tdefault 17

        choice
        \tprompt "Pages"

        config PAGES_4K
        \tbool "4 KiB"

        config PAGES_64K
        \tbool "64 KiB"

        endchoice

        """

    static let files: [(path: String, text: String)] = [
        ("Makefile", "# SPDX\nVERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 9\n"), ("Kconfig", kconfig),
        ("Kbuild", "obj-y += init/\n"), ("arch/arm64/Kconfig", "config ARM64\n\tdef_bool y\n"),
        ("arch/arm64/configs/defconfig", "CONFIG_MODULES=y\n"), ("arch/x86/Kconfig", "config X86\n\tdef_bool y\n"),
        ("scripts/kconfig/Makefile", "\n"), ("init/main.c", "int main;\n"), ("drivers/net/Kconfig.debug", "\n"),
    ]

    /// Writes the tree into a folder.
    static func write(to folder: FilePath, without left: Set<String> = []) throws {
        for (path, text) in files where !left.contains(path) {
            try writeAtomically(to: folder.pushing(FilePath(path)), bytes: Array(text.utf8))
        }
    }

    /// A configuration of it.
    static let config = """
        CONFIG_MODULES=y
        CONFIG_ARM64=y
        # CONFIG_NET is not set
        CONFIG_EVENTFD=y
        CONFIG_NEEDED=y
        CONFIG_NEEDS=y
        CONFIG_CMDLINE=""
        CONFIG_LOG_SHIFT=17
        CONFIG_PAGES_4K=y
        # CONFIG_PAGES_64K is not set

        """
}
