import Debian
import Diagnostics
import Kernel
import Layers
import Recipe
import Steps

/// What container runtimes ask of the kernel and of Docker's engine.
struct RuntimeContract {
    let runtimes: [ContainerRuntime]

    init(_ recipe: Recipe) { runtimes = recipe.containerRuntimes }

    /// What the runtimes ask of the kernel.
    var kernelInputs: [StepInput] {
        runtimes.filter { !$0.kernel.isEmpty }.map { runtime in
            StepInput("\(runtime.file) kernel", runtime.kernel.map(\.text).joined(separator: "; "))
        }
    }

    /// The version of Docker's engine in the image; nil for none, or one that is not known yet.
    static func engineVersion(_ lock: PackageLock, base: BaseSystem?) -> String? {
        let names = ["docker-ce", "docker.io"]
        return lock.packages.first { names.contains($0.name) }?.version
            ?? names.compactMap { base?.installed.version(of: $0) }.first
    }

    /// Holds the engine to what the runtimes' registrations need.
    ///
    /// - Parameter base: nil before a stock image is read: its own engine is judged then.
    /// - Throws: `FailureList` with every registration that the engine does not know.
    func checkEngine(_ lock: PackageLock, base: BaseSystem?) throws {
        guard let text = Self.engineVersion(lock, base: base), let parsed = try? DebianVersion(text),
            let version = ContainerRuntime.EngineVersion(parsing: parsed.upstream)
        else { return }
        let failures = runtimes.flatMap { runtime in
            runtime.docker.compactMap { entry -> Failure? in
                guard let needed = entry.needed, version < needed else { return nil }
                return Failure(
                    .usage, at: runtime.file, "Docker \(version) is too old for the runtime '\(entry.name)'",
                    expected: "Docker \(needed) or later" + (entry.type == nil ? "" : ", which knows runtimeType"),
                    found: text,
                    next: "take Docker from its own archive (docker: {from: docker.com}), or leave the runtime out")
            }
        }
        guard failures.isEmpty else { throw FailureList(failures) }
    }

    /// Holds the kernel to what the runtimes ask of it.
    ///
    /// - Returns: the lines that apply to it, for the manifest.
    /// - Throws: `FailureList` with every line that the kernel's configuration does not follow.
    func checkKernel(_ release: KernelRelease, in tree: Tree) throws -> [String] {
        let asked = runtimes.flatMap { runtime in runtime.kernel.map { (runtime, $0) } }
        guard !asked.isEmpty else { return [] }
        guard let config = try release.configuration(in: tree), let version = KernelVersion(release.name) else {
            throw Failure(
                at: "kernel \(release.name)", "its package brings no configuration to hold it to",
                expected: "/boot/config-\(release.name), since \(asked[0].0.file) asks something of the kernel",
                next: "choose another kernel")
        }
        var failures: [Failure] = []
        var lines: [String] = []
        for (runtime, line) in asked {
            let place = "\(runtime.file):\(line.line)"
            let fragment: ConfigFragment
            do { fragment = try ConfigFragment.parse(line.text, file: runtime.file) } catch let list as FailureList {
                failures += list.failures.map { failure in
                    var failure = failure
                    failure.place = place
                    return failure
                }
                continue
            }
            for text in fragment.lines(for: version).map(\.text) where !lines.contains(text) { lines.append(text) }
            failures += ConfigFragment.violations(of: fragment, in: config, version: version).map { violation in
                Failure(
                    at: place, "the runtime \(runtime.name) needs what the kernel \(release.name) does not have",
                    expected: violation.line.text, found: "\(violation.found)",
                    next: "choose another kernel, or take \(runtime.name) out of runtimes")
            }
        }
        guard failures.isEmpty else { throw FailureList(failures) }
        return lines
    }
}
