import Digests
import Guest
import Layers

/// One thing that shapes a step's result, by a name a person knows: a recipe's key, a file, a tool.
package struct StepInput: Sendable, Hashable, Codable {
    /// What a person is told when the value changes: `system.hostname`, or a file's name.
    package let name: String
    /// The value itself where it is short and no secret, else its digest.
    package let value: String

    package init(_ name: String, _ value: String) {
        self.name = name
        self.value = value
    }
}

/// What the steps below have found out, as far as a small step may read it besides the tree.
package struct SystemFacts: Sendable {
    /// The kernel's release, as `uname -r` prints it.
    package var release: String
    /// Whether the kernel boots with an initramfs.
    package var hasInitramfs: Bool
    /// Secrets that packages' scripts made and that are left out of the image.
    package var secrets: [MadeSecret]
    /// What a stock image has on its boot partition; nil for a system from packages.
    package var stockBoot: StockBoot?
    /// The names of the packages that a stock image brings.
    package var stockPackages: Set<String>

    package init(
        release: String, hasInitramfs: Bool, secrets: [MadeSecret] = [], stockBoot: StockBoot? = nil,
        stockPackages: Set<String> = []
    ) {
        self.release = release
        self.hasInitramfs = hasInitramfs
        self.secrets = secrets
        self.stockBoot = stockBoot
        self.stockPackages = stockPackages
    }
}

/// Files of an overlay as one: what it is called, and the digest of all.
package struct BroughtFiles: Sendable, Equatable {
    /// As the manifest has it: `overlays/firstboot`, `overlay motd to /`.
    package let name: String
    /// Of the files' paths, modes, owners and bytes, wherever the bytes are read from.
    package let digest: SHA256Digest
}

/// A step makes one small layer from what is below it: what it needs is in its own fields, in the tree, and in the facts.
package protocol Step: Sendable {
    /// As the plan and the progress show it: lower case, a word or two.
    var name: String { get }
    /// One line for a person: what it does here.
    var summary: String { get }
    /// All that shapes the layer besides what is below and the epoch.
    var inputs: [StepInput] { get }
    /// Files that the step completes rather than writes: what is there stays, and is added to. Those that an overlay brings are
    /// completed too; over all others an overlay has the last word.
    var completes: [EntryPath] { get }
    /// The overlays' files among its inputs, for the image's manifest.
    var brought: [BroughtFiles] { get }

    /// The recipe's key that asks for a path of the step's layer: what a person is told of when an overlay brings the path.
    func key(of path: EntryPath) -> String

    /// Makes the layer.
    ///
    /// - Parameters:
    ///   - tree: what is below, with the overlays in sight.
    ///   - epoch: the time of everything it makes, in seconds since 1970.
    /// - Throws: `Failure` when the tree lacks what the step needs.
    func apply(to tree: Tree, _ facts: SystemFacts, epoch: Int64) throws -> Layer
}

/// A step that reads the tree alone.
package protocol TreeStep: Step {
    /// As ``Step/apply(to:_:epoch:)``.
    func apply(to tree: Tree, epoch: Int64) throws -> Layer
}

extension TreeStep {
    /// Hands the tree on; the facts are not looked at.
    package func apply(to tree: Tree, _ facts: SystemFacts, epoch: Int64) throws -> Layer {
        try apply(to: tree, epoch: epoch)
    }
}

extension Step {
    /// None, unless the step says otherwise.
    package var completes: [EntryPath] { [] }
    /// None, unless the step says otherwise.
    package var brought: [BroughtFiles] { [] }
    /// The step's name, unless the step says otherwise.
    package func key(of path: EntryPath) -> String { name }
}

extension Attributes {
    /// A root-owned file's or folder's attributes.
    static func root(_ mode: UInt16, epoch: Int64) -> Attributes {
        Attributes(mode: mode, mtime: Timestamp(seconds: epoch))
    }
}

extension Layer {
    /// Adds a root-owned text file.
    mutating func addText(_ path: EntryPath, _ text: String, mode: UInt16 = 0o644, epoch: Int64) {
        addFile(path, .root(mode, epoch: epoch), text: text)
    }
}
