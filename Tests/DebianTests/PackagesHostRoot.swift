import Foundation
import Layers
import Storage
import SystemPackage
import Testing

extension Tree {
    /// Writes the tree into a folder of the host, for dpkg to work on.
    func write(to root: FilePath) throws {
        let reader = ContentReader()
        var written: [Int: String] = [:]
        for path in paths {
            guard let index = names[path], let node = self[path] else { continue }
            let host = root.string + path.description
            if let first = written[index] {
                link(first, host)
                continue
            }
            written[index] = host
            switch node.kind {
            case .directory: mkdir(host, 0o755)
            case .symlink(let target): symlink(String(decoding: target, as: UTF8.self), host)
            case .regular(let content): try writeAtomically(to: FilePath(host), bytes: reader.bytes(of: content))
            default: Issue.record("unexpected \(path)")
            }
            if case .symlink = node.kind { continue }
            chmod(host, mode_t(node.attributes.mode))
        }
    }
}

extension Layer {
    /// A folder of the host as a layer: folders, files and links.
    init(reading root: FilePath) throws {
        self.init(name: "stock")
        let names = FileManager.default.enumerator(atPath: root.string)?.compactMap { $0 as? String } ?? []
        for name in names.sorted() {
            let path = try EntryPath(validating: name)
            let host = root.string + "/" + name
            var status = stat()
            guard lstat(host, &status) == 0 else { continue }
            let attributes = Attributes(
                mode: UInt16(status.st_mode & 0o7777), mtime: Timestamp(seconds: Int64(status.st_mtim.tv_sec)))
            switch status.st_mode & S_IFMT {
            case S_IFDIR: addDirectory(path, attributes)
            case S_IFLNK:
                let target = try FileManager.default.destinationOfSymbolicLink(atPath: host)
                addSymlink(path, to: target, attributes)
            default: entries.append(Entry(path, attributes, .regular(Content(try readFile(FilePath(host))))))
            }
        }
    }
}
