import Foundation
import Storage
import SystemPackage

/// The boot partition's files, copied into a folder of the host. Names are found whatever their letters' case is, as
/// on FAT.
package struct BootFolder: BootFiles {
    /// The folder of the host.
    package let path: FilePath
    /// Real paths by their lower-case path in the partition.
    private let files: [String: FilePath]

    /// Lists what is in the folder, at any depth, once: later changes are not seen. A folder that cannot be read counts as empty.
    package init(_ path: FilePath) {
        self.path = path
        var files: [String: FilePath] = [:]
        let names = FileManager.default.enumerator(atPath: path.string)
        while let name = names?.nextObject() as? String { files[name.lowercased()] = path.appending(name) }
        self.files = files
    }

    /// Where a file of the partition is on the host; nil when there is none.
    package func path(of name: String) -> FilePath? {
        files[name.split(separator: "/").joined(separator: "/").lowercased()]
    }

    /// - Throws: `Failure` when the file cannot be opened.
    package func size(_ name: String) throws -> UInt64? { try path(of: name).map { try OpenFile.reading($0).size() } }

    /// - Throws: `Failure` for a file that cannot be read or has more than 256 MiB.
    package func contents(_ name: String) throws -> [UInt8]? {
        try path(of: name).map { try readFile($0, limit: 256 << 20) }
    }
}
