import Foundation
import Storage
import Synchronization
import SystemPackage

/// The repository's folder.
package let repository = FilePath(#filePath).removingLastComponent().removingLastComponent().removingLastComponent()

/// The names in a folder, sorted; none where it is not there.
package func names(in folder: FilePath) throws -> [String] {
    exists(folder) ? try FileManager.default.contentsOfDirectory(atPath: folder.string).sorted() : []
}

private let leftovers = Mutex<[FilePath]>([])

extension TemporaryFolder {
    /// A folder that lasts as long as the process: for what all tests share.
    package static func shared(_ name: String) throws -> TemporaryFolder {
        let folder = try TemporaryFolder(in: "/tmp", name: name)
        let path = folder.path
        leftovers.withLock { $0.append(path) }
        atexit { leftovers.withLock { $0.forEach(removeTree) } }
        return folder
    }
}
