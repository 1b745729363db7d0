import Foundation
import Layers
import Storage
import SystemPackage

extension Layer {
    /// A folder of the host as a layer of root's: folders, files and links.
    ///
    /// - Parameters:
    ///   - time: of all that is in it; nil for the times that the folder has.
    ///   - isWanted: tells by its name in the folder what is taken.
    package init(
        reading root: FilePath, time: Timestamp? = nil, where isWanted: (String) -> Bool = { _ in true }
    ) throws {
        self.init(name: "folder")
        let names = FileManager.default.enumerator(atPath: root.string)?.compactMap { $0 as? String } ?? []
        for name in names.sorted() where isWanted(name) {
            let path = try EntryPath(validating: name)
            let host = root.string + "/" + name
            var status = stat()
            guard lstat(host, &status) == 0 else { continue }
            let attributes = Attributes(
                mode: UInt16(status.st_mode & 0o7777), mtime: time ?? Timestamp(seconds: Int64(status.st_mtim.tv_sec)))
            switch status.st_mode & S_IFMT {
            case S_IFDIR: addDirectory(path, attributes)
            case S_IFLNK:
                let target = try FileManager.default.destinationOfSymbolicLink(atPath: host)
                addSymlink(path, to: target, attributes)
            default:
                let file = FilePath(host)
                let content = Content(
                    size: UInt64(status.st_size), digest: .of(try readFile(file)), source: .file(file, offset: 0))
                entries.append(Entry(path, attributes, .regular(content)))
            }
        }
    }
}
