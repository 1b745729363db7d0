import Diagnostics
import Layers

/// One kernel installed in a tree: where its image, modules, configuration and device trees are.
package struct KernelRelease: Sendable, Hashable {
    /// What `uname -r` says: `6.12.48+deb13-arm64`.
    package let name: String
    /// The image, `boot/vmlinuz-NAME`.
    package let image: EntryPath
    /// The module folder, `usr/lib/modules/NAME` (or the place `lib/modules/NAME` leads to).
    package let modules: EntryPath
    /// The configuration it was built with, `boot/config-NAME`, where the tree has it.
    package let config: EntryPath?
    /// The folder of the `bcm2711-*.dtb` files, where the tree has one (Debian: `usr/lib/linux-image-NAME/broadcom`).
    package let deviceTrees: EntryPath?

    /// The kernels that have both an image and a module folder, oldest first.
    package static func all(in tree: Tree) -> [KernelRelease] {
        let prefix = Array("vmlinuz-".utf8)
        var found: [KernelRelease] = []
        for image in tree.children(of: "boot") where image.name.starts(with: prefix) && tree.content(image) != nil {
            let release = image.name.dropFirst(prefix.count)
            guard let modules = tree.resolve(EntryPath("lib/modules").appending(release)) else { continue }
            let text = String(decoding: release, as: UTF8.self)
            let config = EntryPath("boot").appending("config-\(text)")
            found.append(
                KernelRelease(
                    name: text, image: image, modules: modules, config: tree.content(config) == nil ? nil : config,
                    deviceTrees: deviceTreeFolder(text, tree)))
        }
        return found.sorted { VersionOrder.precedes($0.name, $1.name) }
    }

    /// The kernel of that name, or the newest one.
    ///
    /// - Throws: `Failure` naming the kernels that are there.
    package static func find(_ name: String? = nil, in tree: Tree) throws -> KernelRelease {
        let releases = all(in: tree)
        if let release = name.map({ name in releases.last { $0.name == name } }) ?? releases.last { return release }
        throw Failure(
            at: "kernel", "the tree holds no \(name.map { "kernel '\($0)'" } ?? "kernel") with an image and modules",
            expected: "/boot/vmlinuz-RELEASE and /lib/modules/RELEASE",
            found: releases.isEmpty ? "none" : releases.map(\.name).joined(separator: ", "),
            next: "add a kernel package, such as linux-image-arm64, to the recipe's packages")
    }

    private static func deviceTreeFolder(_ release: String, _ tree: Tree) -> EntryPath? {
        let candidates: [EntryPath] = [
            EntryPath("usr/lib").appending("linux-image-\(release)").appending("broadcom"),
            EntryPath("lib/firmware").appending(release).appending("device-tree").appending("broadcom"),
            EntryPath("boot/dtbs").appending(release).appending("broadcom"),
        ]
        return candidates.compactMap { tree.resolve($0) }.first { tree[$0]?.kind == .directory }
    }
}

/// Orders release names as people read them: runs of digits by value, the rest by bytes.
enum VersionOrder {
    static func precedes(_ a: String, _ b: String) -> Bool {
        var left = Array(a.utf8)[...]
        var right = Array(b.utf8)[...]
        while let x = left.first, let y = right.first {
            if isDigit(x), isDigit(y) {
                let m = number(&left)
                let n = number(&right)
                if m != n { return m.count == n.count ? m.lexicographicallyPrecedes(n) : m.count < n.count }
            } else if x != y {
                return x < y
            } else {
                left.removeFirst()
                right.removeFirst()
            }
        }
        return left.isEmpty && !right.isEmpty
    }

    /// Takes the digits off the front; leading zeros do not count.
    private static func number(_ text: inout ArraySlice<UInt8>) -> [UInt8] {
        let digits = text.prefix(while: isDigit)
        text = text.dropFirst(digits.count)
        return Array(digits.drop { $0 == UInt8(ascii: "0") })
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
}
