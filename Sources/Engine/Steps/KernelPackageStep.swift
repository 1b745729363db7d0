import Diagnostics
import Steps

/// The kernel compiled from source, as a Debian package: `kernel.source`, `kernel.defconfig`, `kernel.fragments`, `kernel.patches`.
struct KernelPackageStep: BuildStep {
    private let kernel: KernelFromSource
    private let known: KernelInputs

    /// nil for a recipe whose kernel is a package of the archive.
    init?(_ context: BuildContext, _ known: KernelInputs?) {
        guard let kernel = KernelFromSource(context), let known else { return nil }
        self.kernel = kernel
        self.known = known
    }

    static let name = "kernel package"
    var name: String { Self.name }
    let isKept = true
    let summary = "compiled from source"
    var inputs: [StepInput] { known.inputs }
    var below: [String] { [] }

    /// - Throws: `Walk.Missing` in a look; as ``KernelFromSource/built(_:_:)``.
    func package(_ walk: inout Walk) async throws -> BuiltKernel { try await kernel.built(known, &walk) }
}
