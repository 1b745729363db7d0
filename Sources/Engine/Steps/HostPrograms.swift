import Layers
import Steps
import Tools

/// The host's programs and libraries that shape bytes, with their versions, by the step whose result they shape: with another
/// version that step runs again, and no other. (liblzma stands in the plan's last step.)
struct HostPrograms: Sendable, Equatable {
    /// The names of the certificates' links.
    let configure: [StepInput]
    /// The modules' indexes.
    let moduleIndex: [StepInput]
    /// The initramfs.
    let initramfs: [StepInput]
    /// The root and boot file systems.
    let fileSystems: [StepInput]

    /// - Parameter versions: by the program's name; nil asks dpkg.
    /// - Throws: `Failure` when dpkg cannot be asked.
    init(versions: [String: String]?) async throws {
        var known = versions ?? [:]
        if versions == nil {
            for finding in try await Doctor.examine(ToolCatalogue.build) { known[finding.name] = finding.version }
        }
        func input(_ name: String) -> StepInput { StepInput("tool \(name)", known[name] ?? "unknown") }
        configure = [input("openssl")]
        moduleIndex = [input("depmod")]
        initramfs = [StepInput("libarchive", known["libarchive"] ?? libarchiveVersion())]
        fileSystems = ["mke2fs", "mkfs.fat", "mcopy"].map(input)
    }
}
