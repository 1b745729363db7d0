import Diagnostics
import Digests
import Kernel
import Layers
import Recipe
import Steps
import Storage

/// Holds a kernel to the recipe's fragments.
struct KernelContract: Contextual {
    let context: BuildContext

    init(_ context: BuildContext) { self.context = context }

    /// The recipe's fragments by what they are called.
    var inputs: [StepInput] {
        get throws {
            try recipe.kernel.fragments.map { fragment in
                StepInput("kernel.fragments \(fragment.written)", try fragmentDigest(fragment).hex)
            }
        }
    }

    /// The recipe's fragments as one.
    ///
    /// - Throws: `FailureList` with every line that is malformed or contradicts another.
    func fragment() throws -> ConfigFragment {
        try ConfigFragment.joined(
            try recipe.kernel.fragments.map { fragment in
                let text = String(decoding: try readFile(fragment.path, limit: KernelConfig.largest), as: UTF8.self)
                return try ConfigFragment.parse(text, file: fragment.path.lastComponent?.string ?? fragment.written)
            })
    }

    private func fragmentDigest(_ fragment: HostPath) throws -> SHA256Digest {
        .of(try readFile(fragment.path, limit: KernelConfig.largest))
    }

    /// Holds a kernel to the recipe's fragments, before anything is built on it; and its configuration's file to the configuration
    /// that the kernel itself carries, where it does.
    ///
    /// - Returns: the lines that apply to it, for the manifest.
    /// - Throws: `FailureList` with every line that the kernel's configuration does not follow; `Failure` when there is no
    ///   configuration, or not the kernel's.
    func check(_ release: KernelRelease, in tree: Tree) throws -> [String] {
        guard !recipe.kernel.fragments.isEmpty || recipe.kernel.source != nil else { return [] }
        let wanted = try fragment()
        guard let config = try release.configuration(in: tree), let version = KernelVersion(release.name) else {
            throw Failure(
                at: "kernel \(release.name)", "its package brings no configuration to hold it to",
                expected: "/boot/config-\(release.name)", next: "leave kernel.fragments out")
        }
        if let image = tree.content(release.image) {
            try config.agrees(
                at: "/boot/config-\(release.name)", withKernel: try ContentReader().bytes(of: image),
                at: "\(release.image)")
        }
        let violations = ConfigFragment.violations(of: wanted, in: config, version: version)
        guard violations.isEmpty else {
            throw FailureList(
                violations.map { violation in
                    Failure(
                        at: violation.line.place, "the kernel \(release.name) does not follow it",
                        expected: violation.line.text, found: "\(violation.found)",
                        next: recipe.kernel.source == nil
                            ? "choose another kernel, or take the fragment out of kernel.fragments"
                            : "piforge kernel config \(options.recipePath) says why")
                })
        }
        return wanted.lines(for: version).map(\.text)
    }

    /// Whether the image's kernel boots with an initramfs; for a kernel from source, what decided it is said.
    ///
    /// - Throws: `Failure` naming what a kernel lacks that shall boot without one.
    func needsInitramfs(_ release: KernelRelease, in tree: Tree) throws -> Bool {
        guard recipe.kernel.source != nil, recipe.kernel.initramfs != .yes else { return true }
        guard let config = try release.configuration(in: tree) else { return true }
        let missing = RootDrivers.missing(in: config)
        let words = missing.map { "\($0.option)=\($0.found) (\($0.purpose))" }.joined(separator: ", ")
        guard missing.isEmpty || recipe.kernel.initramfs == .auto else {
            throw Failure(
                at: "kernel.initramfs",
                "the kernel \(release.name) cannot mount its root from the SD card without an initramfs",
                expected: missing.map { "\($0.option)=y" }.joined(separator: ", "), found: words,
                next: "add the fragment rpi4 to kernel.fragments, or set kernel.initramfs to auto")
        }
        context.note(
            [
                missing.isEmpty
                    ? "boots without an initramfs: all that its root on the SD card needs is built in"
                    : "boots with an initramfs: not built in are \(words)"
            ], step: "kernel")
        return !missing.isEmpty
    }
}

extension KernelRelease {
    /// The configuration that the kernel's package brings; nil when it brings none.
    ///
    /// - Throws: `Failure` for a file that is no configuration.
    func configuration(in tree: Tree) throws -> KernelConfig? {
        guard let path = config, let content = tree.content(path) else { return nil }
        return try KernelConfig(ContentReader().bytes(of: content), at: path.description)
    }
}
