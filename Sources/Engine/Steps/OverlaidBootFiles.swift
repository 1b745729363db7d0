import Diagnostics
import Disk
import Layers
import Recipe
import Steps
import Storage
import SystemPackage

/// What overlays bring to the boot partition, which is FAT: no links, no two names that differ by case alone.
struct OverlaidBootFiles {
    private let overlays: [OverlayStep]
    private let options: BuildOptions

    init(_ overlays: [OverlayStep], _ context: BuildContext) {
        self.overlays = overlays
        options = context.options
    }

    /// Refuses what no boot partition can hold, before anything is fetched. What clashes with a package's file shows when that is there.
    ///
    /// - Throws: `Failure` naming the overlay's file.
    func check() throws {
        var own = Layer(name: "boot files")
        for name in ["config.txt", "cmdline.txt"] {
            own.addFile(
                BootStep.mountPoint.appending(name), Attributes(mode: 0o644, mtime: Timestamp(seconds: 0)),
                text: "")
        }
        let brought = overlays.map {
            Layer(name: $0.name, entries: $0.entries(below: BootStep.mountPoint))
        }
        // Overlays that get into each other's way are the affair of their steps.
        guard let tree = try? Tree([own] + brought), let boot = tree.subtree(BootStep.mountPoint) else {
            return
        }
        try check(boot)
    }

    /// - Parameter boot: the boot partition's tree.
    func check(_ boot: Tree) throws {
        do { try FAT.check(boot) } catch let refusal as FATRefusal {
            throw failure(for: refusal)
        }
    }

    private func failure(for refusal: FATRefusal) -> Failure {
        func origin(of path: EntryPath) -> (overlay: OverlayStep, file: FilePath)? {
            let place = path.components.reduce(BootStep.mountPoint) { $0.appending($1) }
            // The last one that brings it is the one that counts.
            return overlays.reversed().lazy.compactMap { overlay in
                overlay.file(at: place).map { (overlay, $0) }
            }.first
        }
        var refusal = refusal
        var from = origin(of: refusal.path)
        if from == nil, let other = refusal.other, let swapped = origin(of: other) {
            from = swapped
            refusal = FATRefusal(
                path: other, other: refusal.path,
                message: "FAT cannot tell the name from \(refusal.path): case does not count",
                expected: refusal.expected,
                found: refusal.found)
        }
        guard let from else { return refusal.failure(at: "boot partition: \(refusal.path)") }
        var failure = refusal.failure(
            .usage, at: from.file.string, next: "rename the file, or take it out of the overlay")
        failure.message += " (the boot partition is FAT)"
        var origins = ["brought by \(words(for: from.overlay))"]
        if let other = refusal.other, let second = origin(of: other) {
            origins.append("\(second.file) by \(words(for: second.overlay))")
        }
        failure.found = ([failure.found].compactMap(\.self) + [origins.joined(separator: ", ")]).joined(
            separator: "; ")
        return failure
    }

    /// `overlays[1] (recipes/x.yaml:14)`.
    private func words(for overlay: OverlayStep) -> String {
        let key = "overlays[\(overlay.number - 1)]"
        // What was set on the command line has no line.
        let isSet = options.overrides.contains { $0.hasPrefix("overlays") }
        let place = isSet ? nil : Recipe.place(of: key, in: options.recipePath)
        return key + (place.map { " (\($0))" } ?? "")
    }
}
