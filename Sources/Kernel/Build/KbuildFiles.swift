import Diagnostics
import Foundation
import Layers
import Storage
import SystemPackage

/// Counts the files that a configuration compiles, from the source's own lists (`obj-$(CONFIG_X) += a.o dir/`), without make: an
/// estimate for a progress line. What the lists say through make's functions, and programs of the build itself, are not counted.
package struct KbuildFiles {
    private let tree: FilePath
    private let config: KernelConfig

    /// - Parameter tree: a whole source.
    package init(tree: FilePath, config: KernelConfig) {
        self.tree = tree
        self.config = config
    }

    /// Linux, Makefile and Kbuild: the folders that a build of arm64 begins with.
    private static let start = [
        "init", "usr", "arch/arm64", "kernel", "certs", "mm", "fs", "ipc", "security", "crypto", "block", "io_uring",
        "drivers",
        "sound", "net", "virt", "lib", "arch/arm64/kernel", "arch/arm64/mm", "arch/arm64/lib", "arch/arm64/crypto",
        "arch/arm64/kvm", "arch/arm64/net", "arch/arm64/xen", "arch/arm64/boot/dts",
    ]

    /// nil when the source has no lists where they are looked for.
    package var count: Int? {
        var walk = Walk(tree: tree, config: config)
        for folder in Self.start { walk.visit(folder) }
        return walk.files.isEmpty ? nil : walk.files.count
    }

    private struct Walk {
        let tree: FilePath
        let config: KernelConfig
        var files: Set<String> = []
        var seen: Set<String> = []

        mutating func visit(_ folder: String) {
            guard seen.insert(folder).inserted, seen.count < 20_000 else { return }
            let place = tree.pushing(FilePath(folder))
            guard
                let bytes = (try? readFile(place.appending("Kbuild"), limit: 1 << 20))
                    ?? (try? readFile(place.appending("Makefile"), limit: 1 << 20))
            else { return }
            let lists = lists(String(decoding: bytes, as: UTF8.self))
            for target in ["obj", "lib", "core", "libs", "drivers", "net"] {
                for word in lists[target] ?? [] { add(word, folder, lists, depth: 0) }
            }
            for word in lists["subdir"] ?? [] {
                visit("\(folder)/\(word.hasSuffix("/") ? String(word.dropLast()) : word)")
            }
            for word in lists["dtb"] ?? [] where word.hasSuffix(".dtb") || word.hasSuffix(".dtbo") {
                files.insert("\(folder)/\(word)")
            }
        }

        private mutating func add(_ word: String, _ folder: String, _ lists: [String: [String]], depth: Int) {
            guard !word.contains("$"), !word.hasPrefix("/"), depth < 8 else { return }
            if word.hasSuffix("/") { return visit("\(folder)/\(word.dropLast())") }
            guard word.hasSuffix(".o") else { return }
            let name = String(word.dropLast(2))
            let parts = lists[name] ?? []
            if parts.isEmpty {
                let path = tree.pushing(FilePath("\(folder)/\(name)"))
                if ["c", "S"].contains(where: { exists(FilePath("\(path).\($0)")) }) {
                    files.insert("\(folder)/\(word)")
                }
            } else {
                for part in parts where part != word { add(part, folder, lists, depth: depth + 1) }
                // A composite may bear the name of one of its sources.
                if parts.contains(word) { files.insert("\(folder)/\(word)") }
            }
        }

        /// What is assigned to `NAME-y`, `NAME-m`, `NAME-objs` and `NAME-$(CONFIG_X)`, by NAME.
        private func lists(_ text: String) -> [String: [String]] {
            var lists: [String: [String]] = [:]
            // Whether each open condition is met.
            var conditions: [Bool] = []
            for line in text.replacing("\\\n", with: " ").splitLines() {
                let line = line.prefix { $0 != "#" }
                let words = line.split(whereSeparator: \.isWhitespace).map(String.init)
                guard let first = words.first else { continue }
                switch first {
                case "ifdef", "ifndef", "ifeq", "ifneq":
                    conditions.append(isMet(first, words.dropFirst().joined()))
                    continue
                case "else":
                    if let last = conditions.popLast() { conditions.append(!last) }
                    continue
                case "endif":
                    _ = conditions.popLast()
                    continue
                default: break
                }
                guard !conditions.contains(false), let equals = line.firstIndex(of: "=") else { continue }
                let target = line[..<equals].filter { !$0.isWhitespace && $0 != "+" && $0 != ":" }
                guard let dash = target.lastIndex(of: "-"), isSet(target[target.index(after: dash)...]) else {
                    continue
                }
                let values = line[line.index(after: equals)...].split(whereSeparator: \.isWhitespace).map(String.init)
                lists[String(target[..<dash]), default: []] += values
            }
            return lists
        }

        private func isSet(_ ending: Substring) -> Bool {
            if ["y", "m", "objs"].contains(ending) { return true }
            guard ending.hasPrefix("$(CONFIG_"), ending.hasSuffix(")") else { return false }
            return [.yes, .module].contains(config[String(ending.dropFirst(2).dropLast())])
        }

        /// Conditions on options are read; any other counts as met.
        private func isMet(_ kind: String, _ text: String) -> Bool {
            guard let range = text.range(of: "CONFIG_[A-Za-z0-9_]+", options: .regularExpression) else { return true }
            let value = config[String(text[range])]
            switch kind {
            case "ifdef": return value != .notSet
            case "ifndef": return value == .notSet
            default:
                let rest = text.replacingCharacters(in: range, with: "")
                let wanted: KernelOptionValue =
                    rest.contains("),y)") || rest.contains("\"y\"") ? .yes : rest.contains("),m)") ? .module : .notSet
                return (value == wanted) == (kind == "ifeq")
            }
        }
    }
}
