import Digests
import Foundation
import Layers
import SystemPackage

/// Reads a folder of the host as a layer: folders, files and symbolic links, all owned by root at time 0.
func layer(ofFolder root: FilePath, name: String = "folder") throws -> Layer {
    var layer = Layer(name: name)
    let files = FileManager.default
    for path in try files.subpathsOfDirectory(atPath: root.string).sorted() {
        let full = root.appending(path).string
        let found = try files.attributesOfItem(atPath: full)
        let mode = UInt16(truncatingIfNeeded: (found[.posixPermissions] as? NSNumber)?.intValue ?? 0o644)
        let attributes = Attributes(mode: mode, mtime: Timestamp(seconds: 0))
        let entry = try EntryPath(validating: path)
        switch found[.type] as? FileAttributeType {
        case .some(.typeDirectory): layer.entries.append(Entry(entry, attributes, .directory))
        case .some(.typeSymbolicLink):
            let target = try files.destinationOfSymbolicLink(atPath: full)
            layer.entries.append(Entry(entry, attributes, .symlink(Array(target.utf8))))
        default:
            let size = (found[.size] as? NSNumber)?.uint64Value ?? 0
            let data = try Data(contentsOf: URL(fileURLWithPath: full))
            let content = Content(
                size: size, digest: .of(Array(data)), source: .file(root.appending(path), offset: 0))
            layer.entries.append(Entry(entry, attributes, .regular(content)))
        }
    }
    return layer
}
