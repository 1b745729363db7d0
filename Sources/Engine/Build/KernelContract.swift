import Diagnostics
import Digests
import Kernel
import Layers
import Recipe
import Steps
import Storage

extension ImageBuilder {
    /// The recipe's fragments by what they are called.
    var fragmentInputs: [StepInput] {
        get throws {
            try recipe.kernel.fragments.map { fragment in
                StepInput("kernel.fragments \(fragment.written)", try fragmentDigest(fragment).hex)
            }
        }
    }

    /// The recipe's fragments as one.
    ///
    /// - Throws: `FailureList` with every line that is malformed or contradicts another.
    func kernelFragment() throws -> ConfigFragment {
        try ConfigFragment.joined(
            try recipe.kernel.fragments.map { fragment in
                let text = String(decoding: try readFile(fragment.path, limit: KernelConfig.largest), as: UTF8.self)
                return try ConfigFragment.parse(text, file: fragment.path.lastComponent?.string ?? fragment.written)
            })
    }

    /// - Throws: `Failure` for a recipe whose kernel would have to be compiled.
    func refuseSource() throws {
        guard recipe.kernel.source != nil else { return }
        throw Failure(
            at: options.recipePath.string, "an image with a kernel from source cannot be built yet",
            expected: "kernel.package",
            next: "piforge kernel config \(options.recipePath) makes the kernel's configuration; for an image, name a package")
    }

    private func fragmentDigest(_ fragment: HostPath) throws -> SHA256Digest {
        .of(try readFile(fragment.path, limit: KernelConfig.largest))
    }

    /// Holds a kernel to the recipe's fragments, before anything is built on it.
    ///
    /// - Returns: the lines that apply to it, for the manifest.
    /// - Throws: `FailureList` with every line that the kernel's configuration does not follow.
    func kernelContract(_ release: KernelRelease, in tree: Tree) throws -> [String] {
        guard !recipe.kernel.fragments.isEmpty else { return [] }
        let wanted = try kernelFragment()
        guard let path = release.config, let content = tree.content(path), let version = KernelVersion(release.name)
        else {
            throw Failure(
                at: "kernel \(release.name)", "its package brings no configuration to hold it to",
                expected: "/boot/config-\(release.name)", next: "leave kernel.fragments out")
        }
        let config = try KernelConfig(ContentReader().bytes(of: content), at: path.description)
        let violations = ConfigFragment.violations(of: wanted, in: config, version: version)
        guard violations.isEmpty else {
            throw FailureList(
                violations.map { violation in
                    Failure(
                        at: violation.line.place, "the kernel \(release.name) does not follow it",
                        expected: violation.line.text, found: "\(violation.found)",
                        next: "choose another kernel, or take the fragment out of kernel.fragments")
                })
        }
        return wanted.lines(for: version).map(\.text)
    }
}
