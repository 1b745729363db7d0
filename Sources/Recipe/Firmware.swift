extension Recipe {
    /// The Raspberry Pi's boot files and their settings.
    package struct Firmware: Sendable, Equatable {
        /// The Debian package that has start4.elf and fixup4.dat.
        package var package = "raspi-firmware"
        /// Lines added at the end of config.txt.
        package var config: [String] = []
        /// Words added at the end of the kernel's command line.
        package var cmdline: [String] = []

        package init() {}
    }
}

extension Recipe.Firmware {
    static let shape = Shape<Recipe.Firmware>.object(
        Self(),
        [
            Key("package", \.package, Recipe.Packages.name, "The Debian package of the boot files."),
            Key(
                "config", \.config,
                .list(of: configLine, called: "list of lines", limit: 200),
                example: .array([.string("gpu_mem=16"), .string("hdmi_force_hotplug=1")]),
                "Lines added to config.txt, behind piforge's own. A line without effect is an error "
                    + "(docs/firmware.md)."),
            Key(
                "cmdline", \.cmdline, commandLine,
                example: .array([.string("quiet"), .string("usbcore.autosuspend=-1")]),
                "Words added to the kernel's command line."),
        ])

    /// The firmware cuts lines off behind 98 characters (Raspberry Pi documentation, config.txt, "File format").
    private static let configLine = Shape<String>.text(
        "a line of config.txt",
        pattern: "(\\[[A-Za-z0-9=:.,_+&<>-]+\\]|#[^\\n]*|[A-Za-z0-9_:-]+=[^\\n]*|(include|initramfs) [^\\n]+)",
        expected: "key=value, or a section such as [pi4]", limit: 98
    ).refusing { line in
        let key = String(line.prefix { $0 != "=" && $0 != " " })
        return managedConfig[key].map { Refusal("'\(key)' is piforge's own line", next: $0) }
    }

    private static let managedConfig = [
        "arm_64bit": "leave it out; piforge makes 64-bit images",
        "kernel": "use the key kernel",
        "initramfs": "leave it out; piforge makes the initramfs and names it",
        "cmdline": "use firmware.cmdline for more words on the kernel's command line",
        "total_mem": "use memory.limit",
        "os_prefix": "leave it out; the boot files lie at the top of the boot partition",
    ]

    static let commandLine = Shape<[String]>.list(of: commandLineWord, called: "list of words", limit: 100)

    private static let commandLineWord = Shape<String>.text(
        "a word of the command line", pattern: "[!-~]+", expected: "printable ASCII without spaces; one word an item",
        limit: 512
    ).refusing { word in
        let key = String(word.prefix { $0 != "=" })
        return managedWords[key].map { Refusal("'\(key)=' is piforge's own", next: $0) }
    }

    private static let managedWords = [
        "root": "leave it out; piforge points it at the root file system",
        "mem": "use memory.limit",
    ]
}
