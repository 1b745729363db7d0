import Digests
import Layers

/// One thing that shapes a step's result, by a name a person knows: a recipe's key, a file, a tool.
public struct StepInput: Sendable, Hashable, Codable {
    public let name: String
    /// The value itself where it is short and no secret, else its digest.
    public let value: String

    public init(_ name: String, _ value: String) {
        self.name = name
        self.value = value
    }
}

/// A step makes one layer from the tree below it, by itself: what it needs is in its own fields and in that tree.
public protocol Step: Sendable {
    /// As the plan and the progress show it: lower case, a word or two.
    var name: String { get }
    /// One line for a person: what it does here.
    var summary: String { get }
    /// All that shapes the layer besides the tree below and the epoch.
    var inputs: [StepInput] { get }
    /// Files that the step completes rather than writes: what is there stays, and is added to. Those that an overlay brings are
    /// completed too; over all others an overlay has the last word.
    var completes: [EntryPath] { get }

    /// The recipe's key that asks for a path of the step's layer: what a person is told of when an overlay brings the path.
    func key(of path: EntryPath) -> String

    /// Makes the layer.
    ///
    /// - Parameter epoch: the time of everything it makes, in seconds since 1970.
    /// - Throws: `Failure` when the tree below lacks what the step needs.
    func apply(to tree: Tree, epoch: Int64) throws -> Layer
}

extension Step {
    public var completes: [EntryPath] { [] }
    public func key(of path: EntryPath) -> String { name }
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
