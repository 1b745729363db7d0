import Layers
import Steps

/// A tree to which layers come below the recipe's overlays.
///
/// What overlays bring is seen by every step from the first on, and has the last word: a step does not write over a path that an
/// overlay brings, unless it completes what is there (``Step/completes``).
package struct OverlaidTree {
    /// All layers so far, the overlays not among them.
    package private(set) var tree: Tree
    /// As a step sees it: with the overlays on top.
    package private(set) var seen: Tree
    private var overlays: [any TreeStep]
    private let epoch: Int64
    /// What the overlays bring besides folders, and which of them it is.
    private var brought: [EntryPath: String] = [:]
    /// What they bring and a step has completed: it stands in that step's layer.
    private var completed: Set<EntryPath> = []

    /// - Throws: `Failure` for an overlay that does not fit the tree.
    package init(_ tree: Tree, overlays: [any TreeStep], epoch: Int64) throws {
        self.tree = tree
        self.overlays = overlays
        self.epoch = epoch
        seen = tree
        try look()
    }

    /// The paths of all that overlays bring besides folders, in order.
    package var broughtPaths: [EntryPath] { brought.keys.sorted() }

    /// What a step sees at these paths, as a layer would bring it.
    package func entries(_ paths: [EntryPath]) -> [Entry] {
        paths.compactMap { path in seen[path].map { Entry(path, $0.attributes, $0.kind) } }
    }

    /// Lets a step make its layer from what it sees, and puts it below the overlays.
    ///
    /// - Returns: a sentence for each path that an overlay keeps the step from writing.
    /// - Throws: what the step throws.
    package mutating func apply(_ step: any Step, _ facts: SystemFacts) throws -> [String] {
        try apply(step.apply(to: seen, facts, epoch: epoch), completes: Set(step.completes)) { step.key(of: $0) }
    }

    /// Puts a layer below the overlays.
    ///
    /// - Parameter key: what a person would call what asks for a path: a key of the recipe.
    package mutating func apply(
        _ layer: Layer, completes: Set<EntryPath> = [], key: (EntryPath) -> String
    ) throws -> [String] {
        guard !brought.isEmpty else {
            try tree.apply(layer)
            seen = tree
            return []
        }
        var kept = layer
        var notes: [String] = []
        kept.entries = layer.entries.filter { entry in
            let place = seen.place(of: entry.path) ?? entry.path
            guard entry.kind != .directory, let overlay = brought[place] else { return true }
            guard !completes.contains(entry.path) else {
                completed.insert(place)
                return true
            }
            // What a step would write is often what is there.
            if seen[place]?.kind != entry.kind {
                notes.append("\(place) is that of \(overlay), and not what \(key(entry.path)) would make of it")
            }
            return false
        }
        for path in layer.whiteouts where !isEmptied(path, by: layer) {
            guard let overlay = brought[seen.place(of: path) ?? path] else { continue }
            notes.append("\(path) is that of \(overlay), and stays, although \(key(path)) would take it away")
        }
        try tree.apply(kept)
        try look()
        return notes
    }

    /// Puts the overlays themselves in their place: what comes from now on stands above them.
    package mutating func applyOverlays(_ body: (any TreeStep) -> Void) throws {
        for overlay in overlays {
            body(overlay)
            try tree.apply(layer(of: overlay, over: tree))
        }
        overlays = []
        seen = tree
        brought = [:]
    }

    private mutating func look() throws {
        brought = [:]
        seen = tree
        for overlay in overlays {
            let layer = try layer(of: overlay, over: seen)
            try seen.apply(layer)
            for entry in layer.entries where entry.kind != .directory {
                brought[seen.place(of: entry.path) ?? entry.path] = overlay.name
            }
        }
    }

    private func layer(of overlay: any TreeStep, over tree: Tree) throws -> Layer {
        var layer = try overlay.apply(to: tree, epoch: epoch)
        if !completed.isEmpty {
            layer.entries.removeAll { completed.contains(tree.place(of: $0.path) ?? $0.path) }
        }
        return layer
    }

    /// Whether a layer takes all away that a folder holds, to fill it anew.
    private func isEmptied(_ path: EntryPath, by layer: Layer) -> Bool {
        guard let folder = path.parent else { return false }
        return layer.entries.contains { $0.path == folder && $0.kind == .directory }
            && Set(seen.children(of: folder)).isSubset(of: layer.whiteouts)
    }
}
