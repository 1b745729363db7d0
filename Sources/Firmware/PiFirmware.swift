import Storage
import Diagnostics
import Tools

/// Acts as the firmware of a Pi 4 does between power-on and the kernel: reads config.txt from the boot partition,
/// finds kernel, initramfs, device tree and command line, and refuses what the real firmware could not boot.
///
/// Source: Raspberry Pi documentation, "The config.txt file", section "Boot options", and "Boot folder contents".
package enum PiFirmware {
    /// Linux on arm64 keeps this many bytes of its command line, the closing zero among them
    /// (arch/arm64/include/uapi/asm/setup.h, COMMAND_LINE_SIZE).
    static let longestCommandLine = 2047

    /// Finds what the firmware would start.
    ///
    /// - Throws: `Failure`, at a file of the boot partition, for what the firmware cannot boot.
    package static func boot(from files: any BootFiles, tools: ToolRunner = ToolRunner()) async throws -> FirmwareBoot {
        let config = try FirmwareConfig { try files.text($0) }
        try requireStartFiles(config, files)
        guard try config.flag("arm_64bit", default: true) else {
            throw Failure(
                at: "config.txt", "the kernel would be started in 32-bit mode", expected: "arm_64bit=1",
                found: "arm_64bit=0")
        }
        var notes = config.notes
        let board = FirmwareBoard.pi4ModelB
        let prefix = try osPrefix(config, board, files)
        if let wanted = config.settings["os_prefix"], wanted != prefix {
            notes.append("os_prefix=\(wanted) is ignored: no kernel and device tree are there")
        }

        let kernelName = name(kernelSetting(config), prefix)
        let kernel = try need(kernelName, "kernel", files)
        try await check(kernel, kernelName, tools)

        var initramfsName: String?
        if let line = config.initramfs {
            initramfsName = name(line.file, prefix)
            if line.address != "followkernel" {
                notes.append("initramfs is put right after the kernel, not at \(line.address)")
            }
        } else if let file = config.settings["ramfsfile"], !file.isEmpty {
            initramfsName = name(file, prefix)
        } else if try config.flag("auto_initramfs", default: false) {
            initramfsName = prefix + "initramfs8"
        }
        let initramfs = try initramfsName.map { try need($0, "initramfs", files) }

        let deviceTreeName = try deviceTree(config, board, prefix, files)
        let deviceTree = try need(deviceTreeName, "device tree", files)
        guard deviceTree.starts(with: FlattenedDeviceTree.magic) else {
            throw Failure(
                at: deviceTreeName, "the device tree is no flattened device tree (it does not begin with d00dfeed)")
        }
        notes += config.deviceTreeLines.map { "\($0) is not applied: QEMU's board has no such hardware" }

        let commandLineName = name(config.settings["cmdline"] ?? "cmdline.txt", prefix)
        return FirmwareBoot(
            config: config, kernelName: kernelName, kernel: kernel, initramfsName: initramfsName, initramfs: initramfs,
            deviceTreeName: deviceTreeName, deviceTree: deviceTree,
            commandLine: try commandLine(commandLineName, files), totalMemory: try totalMemory(config), notes: notes)
    }

    /// The second stage's own two files (Pi 4: start4.elf and fixup4.dat, or those that config.txt names).
    static func startFiles(_ config: FirmwareConfig) throws -> (start: String, fixup: String) {
        let variant =
            if try config.flag("start_x", default: false) { "x" } else if try config.flag("start_debug", default: false)
            { "db" } else if config.settings["gpu_mem"] == "16" { "cd" } else { "" }
        return (
            config.settings["start_file"] ?? "start4\(variant).elf",
            config.settings["fixup_file"] ?? "fixup4\(variant).dat"
        )
    }

    private static func requireStartFiles(_ config: FirmwareConfig, _ files: any BootFiles) throws {
        let names = try startFiles(config)
        for name in [names.start, names.fixup] {
            guard let size = try files.size(name) else {
                throw Failure(at: name, "the boot partition has no such file; the board would not start")
            }
            guard size > 0 else { throw Failure(at: name, "the file is empty; the board would not start") }
        }
    }

    /// What stands in front of the names of the system's own files. The firmware ignores a prefix under which there is no kernel, or
    /// no device tree; `upstream_kernel=1` makes one where nothing else does.
    static func osPrefix(
        _ config: FirmwareConfig, _ board: FirmwareBoard, _ files: any BootFiles
    ) throws -> String {
        let standard = try config.flag("upstream_kernel", default: false) ? "upstream/" : ""
        let prefix = config.settings["os_prefix"] ?? standard
        guard !prefix.isEmpty, try files.size(name(kernelSetting(config), prefix)) != nil,
            try files.size(deviceTree(config, board, prefix, files)) != nil
        else { return "" }
        return prefix
    }

    /// The name of the device tree: the one that config.txt has, or the first of the board's own that is there.
    static func deviceTree(
        _ config: FirmwareConfig, _ board: FirmwareBoard, _ prefix: String, _ files: any BootFiles
    ) throws -> String {
        if let wanted = config.settings["device_tree"] { return name(wanted, prefix) }
        let names = board.deviceTrees.map { prefix + $0 }
        return try names.first { try files.size($0) != nil } ?? names[0]
    }

    private static func kernelSetting(_ config: FirmwareConfig) -> String { config.settings["kernel"] ?? "kernel8.img" }

    /// A name that begins with a slash goes past the prefix (Raspberry Pi documentation, `os_prefix`).
    private static func name(_ file: String, _ prefix: String) -> String {
        file.hasPrefix("/") ? String(file.dropFirst()) : prefix + file
    }

    private static func need(_ name: String, _ kind: String, _ files: any BootFiles) throws -> [UInt8] {
        guard !name.isEmpty, !name.hasSuffix("/") else {
            throw Failure(at: "config.txt", "the \(kind) has no name")
        }
        guard let bytes = try files.contents(name) else {
            throw Failure(at: name, "the boot partition has no such file; config.txt makes it the \(kind)")
        }
        guard !bytes.isEmpty else { throw Failure(at: name, "the \(kind) is an empty file") }
        return bytes
    }

    private static func check(_ kernel: [UInt8], _ name: String, _ tools: ToolRunner) async throws {
        var image = KernelImage(kernel)
        var wrapping = ""
        if image == .gzip {
            let result = try await tools.result(.gzip, ["-dc"], input: kernel)
            guard result.status == 0 else {
                throw Failure(at: name, "the kernel is a damaged gzip file", found: result.errors.trimmed)
            }
            image = KernelImage(result.output)
            wrapping = " in a gzip file"
        }
        guard image == .arm64 else {
            throw Failure(
                at: name, "the firmware cannot boot this kernel", expected: "a raw arm64 Image or a gzip of one",
                found: image.summary + wrapping)
        }
    }

    private static func commandLine(_ name: String, _ files: any BootFiles) throws -> String {
        guard let text = try files.text(name) else {
            throw Failure(at: name, "the boot partition has no such file; the kernel would have no command line")
        }
        let lines = text.split(whereSeparator: \.isNewline).map(\.trimmed).filter { !$0.isEmpty }
        guard lines.count == 1 else {
            throw Failure(
                at: name, "the kernel's command line must be one line", expected: "1 line", found: "\(lines.count)")
        }
        guard lines[0].utf8.count <= longestCommandLine else {
            throw Failure(
                at: name, "the kernel's command line is too long", expected: "at most \(longestCommandLine) bytes",
                found: "\(lines[0].utf8.count)")
        }
        return lines[0]
    }

    /// `total_mem`: MiB; the firmware takes nothing below 128.
    private static func totalMemory(_ config: FirmwareConfig) throws -> Int? {
        guard let value = try config.integer("total_mem") else { return nil }
        guard value >= 128, value <= 8192 else {
            throw Failure(
                at: "config.txt", "total_mem is out of range", expected: "128 to 8192 (MiB)", found: "\(value)")
        }
        return Int(value)
    }
}

/// What the firmware hands to the kernel.
package struct FirmwareBoot: Sendable {
    /// config.txt and what it includes, as a Pi 4 Model B reads them.
    package var config: FirmwareConfig
    /// A path in the boot partition, behind the prefix that is in force (`os_prefix`).
    package var kernelName: String
    /// The file's bytes: a raw arm64 `Image`, or a gzip of one as it is packed.
    package var kernel: [UInt8]
    /// A path in the boot partition, as ``kernelName``; nil boots without one.
    package var initramfsName: String?
    /// The file's bytes, never empty; nil without ``initramfsName``.
    package var initramfs: [UInt8]?
    /// A path in the boot partition, as ``kernelName``.
    package var deviceTreeName: String
    /// The file's bytes, without what `dtoverlay` and `dtparam` lines would change; they begin as a flattened device tree does.
    package var deviceTree: [UInt8]
    /// One line without its end: 1 to 2047 bytes.
    package var commandLine: String
    /// `total_mem`, in MiB; nil leaves all of the board's memory.
    package var totalMemory: Int?
    /// What of config.txt was not followed, and why.
    package var notes: [String]
}

/// The files of a boot partition, found whatever the case of their names' letters is.
package protocol BootFiles: Sendable {
    /// Bytes; nil when there is no such file.
    func size(_ name: String) throws -> UInt64?
    /// The whole file; nil when there is none.
    func contents(_ name: String) throws -> [UInt8]?
}

extension BootFiles {
    /// A file's text; nil when there is none.
    ///
    /// - Throws: `Failure` for one that is too large for what people write.
    func text(_ name: String) throws -> String? {
        guard let size = try size(name) else { return nil }
        guard size <= 1 << 20 else {
            throw Failure(
                at: name, "the file is too large for settings", expected: "at most 1 MiB", found: "\(size) bytes")
        }
        return try contents(name).map { String(decoding: $0, as: UTF8.self) }
    }
}
