import Foundation
import Layers
import Storage
import SystemPackage
import TestSupport
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
