import Debian
import Diagnostics
import Storage
import SystemPackage
import Tools

/// What must be there before a build begins.
extension ImageBuilder {
    // MARK: Tools

    /// Names every program that is missing or too old, before any of them is needed.
    func checkTools() async throws {
        let problems = try await Doctor.examine(ToolCatalogue.build).filter { $0.problem != nil }
        guard !problems.isEmpty else { return }
        throw FailureList(
            problems.map {
                Failure(
                    at: $0.name, "the program is \($0.problem ?? "missing"); it is needed to \($0.purpose)",
                    next: $0.next)
            })
    }

    // MARK: Room

    /// The packages once unpacked, the micro-VM's disk, the root file system and the image: about nine times the .debs.
    func estimatedSpace(_ packages: ProvidedPackages) -> UInt64 {
        let base = packages.lock.inputs.first { $0.use == InputFetcher.imageUse }?.size ?? 0
        return (packages.lock.packages.reduce(0) { $0 + $1.size } + base) * 9 + recipe.disk.bootSize.bytes / 2
    }
}
