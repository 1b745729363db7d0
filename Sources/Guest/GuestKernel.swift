import Diagnostics
import Kernel
import Layers

/// The kernel that the micro-VM boots: a packaged arm64 kernel and the modules it needs to reach its disk.
package struct GuestKernel: Sendable {
    /// The raw arm64 image.
    package let image: Content
    /// Uncompressed modules in load order.
    let modules: [Module]

    struct Module: Sendable {
        let name: String
        let content: Content
    }

    /// Must be built in or there as a module.
    static let requiredModules = ["virtio_pci", "virtio_blk", "virtio_console", "ext4"]
    /// Loaded first where the kernel has them: ext4 asks for its checksum by the algorithm's name.
    static let optionalModules = ["crc32c_generic", "libcrc32c"]

    /// Takes a kernel out of a tree that has been through ``Depmod``.
    ///
    /// - Throws: `Failure` when it lacks a driver the micro-VM needs, or a module is damaged.
    package init(_ release: KernelRelease, in tree: Tree) throws {
        guard let image = tree.content(release.image) else {
            throw Failure(at: "kernel \(release.name)", "there is no kernel image at \(release.image)")
        }
        let index = try ModuleIndex(release, in: tree)
        let optional = Self.optionalModules.filter { index.isLoadable($0) }
        let reader = ContentReader()
        self.image = image
        modules = try index.closure(of: optional + Self.requiredModules).compactMap { name in
            guard let path = index.path(of: name), let content = tree.content(path) else { return nil }
            let bytes = try Decompression.bytes(of: reader.bytes(of: content), place: "\(path)")
            return Module(name: name, content: Content(bytes))
        }
    }
}
