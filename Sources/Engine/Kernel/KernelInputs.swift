import Diagnostics
import Digests
import Kernel
import Recipe
import Steps
import Tools

/// All that shapes a kernel from source.
struct KernelInputs {
    /// What tells the source from any other: a digest, or a commit.
    var source: String
    /// By what a person calls each, the source among them.
    var inputs: [StepInput]
}

extension KernelFromSource {
    /// All that shapes it, by what a person calls it. Nothing is compiled for it, and of a package of
    /// source whose version is pinned nothing is fetched; a source tree of this machine is read whole.
    ///
    /// - Throws: `Failure` when the source cannot be told, or the compiler is missing; `FailureList` with the fragments' faults.
    func inputs() async throws -> KernelInputs {
        let identity = try await reader(writesLock: true).identity()
        let hasher = KeyHasher(purpose: "kernel fragments")
        for line in try KernelContract(context).fragment().lines {
            hasher.add(line.text)
            hasher.add(line.since?.description ?? "")
            hasher.add(line.until?.description ?? "")
        }
        let inputs =
            [
                StepInput("kernel.source \(identity.name)", identity.proof),
                StepInput("kernel.defconfig", source.defconfig),
                StepInput("kernel.fragments", hasher.finalize().hex),
            ] + source.patches.map { StepInput("kernel.patches \($0.file.written)", $0.sha256) }
            + (try await KernelToolchain.ask(tools: tools).versions.map { StepInput("tool \($0.name)", $0.version) })
            + [
                StepInput("epoch", String(recipe.epoch)),
                StepInput("kernel build rules", String(KernelToolchain.rulesVersion)),
            ]
        return KernelInputs(source: identity.proof, inputs: inputs)
    }
}
