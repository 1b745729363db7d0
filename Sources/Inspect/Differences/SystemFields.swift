import Diagnostics
import Firmware
import Kernel
import Layers

/// What differs of two systems: what they start with, their packages, their kernels' options.
enum SystemFields {
    // MARK: Boot files

    /// Settings of config.txt that a Pi 4 reads, and words of the command line.
    static func boot(_ one: ImageFiles, _ other: ImageFiles) -> [ImageDifferences.Field] {
        let (old, new) = (BootSettings(one), BootSettings(other))
        var list: [ImageDifferences.Field] = []
        for key in Set(old.settings.keys).union(new.settings.keys).sorted() {
            compare("config.txt", printable(key), old.settings[key], new.settings[key], into: &list)
        }
        addChanges("config.txt", old.deviceTree, new.deviceTree, into: &list)
        addChanges("command line", old.words, new.words, into: &list)
        return list
    }

    /// What is in one list and not in the other, each as often as it is.
    private static func addChanges(
        _ object: String, _ old: [String], _ new: [String], into list: inout [ImageDifferences.Field]
    ) {
        for change in new.difference(from: old) {
            switch change {
            case .remove(_, let word, _):
                list.append(ImageDifferences.Field(object: object, field: "", old: printable(word), new: nil))
            case .insert(_, let word, _):
                list.append(ImageDifferences.Field(object: object, field: "", old: nil, new: printable(word)))
            }
        }
    }

    private struct BootSettings {
        var settings: [String: String] = [:]
        var deviceTree: [String] = []
        var words: [String] = []

        /// What cannot be read is as if it were not there: its files are compared, too.
        init(_ files: ImageFiles) {
            guard let mount = files.mounts.first(where: { $0.volume.fat != nil }) else { return }
            func text(_ name: String) throws -> String? {
                let path = try EntryPath(validating: Array(mount.path.bytes) + [UInt8(ascii: "/")] + Array(name.utf8))
                return try files.bytes(at: path, limit: 1 << 20).map { String(decoding: $0, as: UTF8.self) }
            }
            guard let config = try? FirmwareConfig(contents: text) else { return }
            settings = config.settings.mapValues { printable($0) }
            settings["initramfs"] = config.initramfs.map { printable("\($0.file) \($0.address)") }
            deviceTree = config.deviceTreeLines
            let prefix = config.settings["os_prefix"] ?? ""
            let name = config.settings["cmdline"] ?? "cmdline.txt"
            let line = (try? text(prefix + name)) ?? nil
            words = (line ?? ((try? text(name)) ?? nil) ?? "").split(whereSeparator: \.isWhitespace).prefix(1000)
                .map(String.init)
        }
    }

    // MARK: Packages

    static func packages(_ old: [String: String], _ new: [String: String]) -> [ImageDifferences.Package] {
        Set(old.keys).union(new.keys).sorted().filter { old[$0] != new[$0] }.map {
            ImageDifferences.Package(name: $0, old: old[$0], new: new[$0])
        }
    }

    // MARK: Kernels

    /// The options that differ between configurations of the same kernel; where each image has one kernel alone, between
    /// those two.
    ///
    /// - Throws: `Failure` where a configuration is none.
    static func kernelOptions(_ one: ImageFiles, _ other: ImageFiles) throws -> [ImageDifferences.Field] {
        let (old, new) = (try configurations(one), try configurations(other))
        var pairs = Set(old.keys).intersection(new.keys).sorted().map { ($0, $0) }
        if pairs.isEmpty, old.count == 1, new.count == 1 { pairs = [(old.keys.first ?? "", new.keys.first ?? "")] }
        var list: [ImageDifferences.Field] = []
        for (name, twin) in pairs {
            guard let before = old[name], let after = new[twin] else { continue }
            let (first, second) = (
                try one.bytes(of: before, limit: 4 << 20), try other.bytes(of: after, limit: 4 << 20)
            )
            guard first != second else { continue }
            let object = name == twin ? printable(name) : "\(printable(name)), \(printable(twin))"
            let (left, right) = (try KernelConfig(first, at: name), try KernelConfig(second, at: twin))
            for option in Set(left.options).union(right.options).sorted() where left[option] != right[option] {
                compare(
                    object, option, printable(left[option].description), printable(right[option].description),
                    into: &list)
            }
        }
        return list
    }

    private static func configurations(_ files: ImageFiles) throws -> [String: ImageFile] {
        guard let boot = try? files.find("boot".utf8) else { return [:] }
        let found = try files.children(of: boot).filter { $0.path.name.starts(with: "config-".utf8) }
        return Dictionary(
            found.compactMap { file in
                guard case .regular = file.kind else { return nil }
                return (exactText(file.path.name), file)
            }, uniquingKeysWith: { $1 })
    }
}
