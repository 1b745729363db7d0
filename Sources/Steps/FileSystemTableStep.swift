import Layers

/// Writes /etc/fstab: the root and the boot partition, by label.
public struct FileSystemTableStep: Step {
    public let name = "fstab"
    public static let rootLabel = "writable"
    public static let bootLabel = "system-boot"

    public init() {}

    public var summary: String { "\(Self.rootLabel), \(Self.bootLabel)" }
    public var inputs: [StepInput] { [] }

    public func apply(to tree: Tree, epoch: Int64) throws -> Layer {
        var layer = Layer(name: name)
        layer.addText(
            "etc/fstab",
            """
            LABEL=\(Self.rootLabel) / ext4 defaults,noatime 0 1
            LABEL=\(Self.bootLabel) /boot/firmware vfat defaults 0 2

            """, epoch: epoch)
        return layer
    }
}
