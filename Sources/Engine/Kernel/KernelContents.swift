import Debian
import Diagnostics
import Digests
import Kernel
import Layers
import Storage

/// What a compiled kernel's package holds.
struct KernelContents {
    private let kernel: BuiltKernel
    private let tree: Tree
    private let boot = EntryPath("boot")
    private var deviceTrees: EntryPath { EntryPath("usr/lib").appending("linux-image-\(kernel.release)") }

    /// - Throws: `Failure` for a package that cannot be unpacked.
    init(_ kernel: BuiltKernel, store: LayerStore) throws {
        self.kernel = kernel
        tree = try Tree([try DebianPackage.unpack(kernel.package, store: store).data])
    }

    /// Holds the package to what a board needs of it.
    ///
    /// - Parameters:
    ///   - config: the configuration that it was compiled with.
    ///   - modules: whether that has modules.
    ///   - board: whether that is for a Raspberry Pi.
    /// - Throws: `Failure` with what is missing, or not what it should be.
    func check(config: [UInt8], modules: Bool, board: Bool) throws {
        let image = try ARM64Image(
            try file(boot.appending("vmlinuz-\(kernel.release)")), place: "\(kernel.package.name)")
        guard !image.isCompressed else {
            throw Failure(at: kernel.package.name, "its kernel is compressed", expected: "a raw arm64 Image")
        }
        guard try file(boot.appending("config-\(kernel.release)")).digest == SHA256Digest.of(config) else {
            throw Failure(
                at: kernel.package.name, "its configuration is another than the one that was to be compiled",
                expected: "sha256:\(SHA256Digest.of(config).hex)")
        }
        if modules { _ = try file(EntryPath("lib/modules").appending(kernel.release).appending("modules.dep")) }
        if board { _ = try file(deviceTrees.appending("broadcom").appending("bcm2711-rpi-4-b.dtb")) }
    }

    /// What stands beside the package for people: the image, its configuration and symbols, the Pi's device trees and overlays.
    func files() throws -> [(name: String, content: Content)] {
        var files = [
            ("Image", try file(boot.appending("vmlinuz-\(kernel.release)"))),
            ("config", try file(boot.appending("config-\(kernel.release)"))),
        ]
        if let symbols = tree.content(boot.appending("System.map-\(kernel.release)")) {
            files.append(("System.map", symbols))
        }
        for (folder, name) in [("broadcom", "dtbs"), ("overlays", "overlays")] {
            for path in tree.children(of: deviceTrees.appending(folder)) {
                guard let content = tree.content(path) else { continue }
                files.append(("\(name)/\(String(decoding: path.name, as: UTF8.self))", content))
            }
        }
        return files
    }

    private func file(_ path: EntryPath) throws -> Content {
        if let content = tree.content(path) { return content }
        throw Failure(at: kernel.package.name, "the kernel's package brings no \(path)", expected: "\(path)")
    }
}
