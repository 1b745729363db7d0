import Diagnostics
import Foundation
import SystemPackage

#if canImport(Glibc)
    import Glibc
#endif

/// A folder that is removed, with all in it, when the last reference goes.
///
/// It is locked (flock(2)) for as long as it is somebody's: a folder that nobody holds is what a killed process has left.
package final class TemporaryFolder: Sendable {
    /// `root/NAME.DIGITS.work`: absolute where the root is.
    package let path: FilePath
    private let lock: OpenFile
    private static let suffix = ".work"

    /// Creates `root/NAME.DIGITS.work`, mode 0700.
    ///
    /// - Throws: `Failure` when it cannot be created.
    package init(in root: FilePath, name: String) throws {
        try createFolder(root)
        while true {
            let path = root.appending("\(name).\(uniqueName())\(Self.suffix)")
            guard mkdir(path.string, 0o700) == 0 else {
                if errno == EEXIST { continue }
                let error = Errno(rawValue: errno)
                throw Failure(at: path.string, "could not create the work folder: \(error.description.lowercased())")
            }
            // Who clears up may take it before it is locked; then another one is made.
            let lock: OpenFile
            do { lock = try OpenFile.reading(path) } catch {
                guard exists(path) else { continue }
                removeTree(path)
                throw error
            }
            guard (try? lock.tryLock(.exclusive)) ?? true, lock.isNamed(path) else { continue }
            (self.path, self.lock) = (path, lock)
            return
        }
    }

    deinit { removeTree(path) }

    /// Removes the folders that processes which no longer live have left in `root`.
    package static func removeAbandoned(in root: FilePath) {
        removeUnlocked(in: root, fileNames(in: root).filter(isTemporary))
    }

    /// When the oldest of the folders in `root` was last changed that belong to somebody, in seconds since 1970.
    package static func oldest(in root: FilePath) -> Int64? {
        fileNames(in: root).filter(isTemporary).compactMap { name -> Int64? in
            let path = root.appending(name)
            guard let file = try? OpenFile.reading(path), (try? file.tryLock(.shared)) == false else { return nil }
            return lastUse(of: path)
        }.min()
    }

    /// Whether a name is that of a temporary folder.
    package static func isTemporary(_ name: String) -> Bool { name.hasSuffix(suffix) }

    fileprivate static func removeUnlocked(in root: FilePath, _ names: [String]) {
        for name in names {
            let path = root.appending(name)
            guard let file = try? OpenFile.reading(path), (try? file.tryLock(.exclusive)) == true else { continue }
            removeTree(path)
        }
    }
}

/// Removes the partial files (``writeAtomically(to:mode:isSynced:_:)``) that processes which no longer live have left in a folder.
///
/// - Parameter name: what the files' names begin with; nil for any.
package func removeAbandonedPartials(in folder: FilePath, of name: String? = nil) {
    let names = fileNames(in: folder).filter {
        $0.hasPrefix(name.map { ".\($0)." } ?? ".") && $0.hasSuffix(".partial")
    }
    TemporaryFolder.removeUnlocked(in: folder, names)
}

/// Makes a folder its owner's alone (mode 0700); one that belongs to somebody else stays as it is.
package func restrictToOwner(_ folder: FilePath) { chmod(folder.string, 0o700) }

/// Removes a file or a folder with all in it; what is not there is no error. Symbolic links are not followed.
package func removeTree(_ path: FilePath) {
    try? FileManager.default.removeItem(atPath: path.string)
}

/// How many bytes an ordinary user may still write to the file system that holds `path` (which need not exist yet).
package func freeSpace(at path: FilePath) -> UInt64? {
    var candidate = path
    while !candidate.isEmpty {
        var status = statvfs()
        if statvfs(candidate.string, &status) == 0 { return UInt64(status.f_bavail) * UInt64(status.f_frsize) }
        let parent = candidate.removingLastComponent()
        if parent == candidate { break }
        candidate = parent
    }
    var status = statvfs()
    return statvfs(".", &status) == 0 ? UInt64(status.f_bavail) * UInt64(status.f_frsize) : nil
}

/// Refuses to begin what the file system of a folder cannot hold.
///
/// - Parameters:
///   - needed: bytes.
///   - folder: a folder that need not exist yet.
///   - purpose: as in ``Diagnostics/Failure/noRoom(at:_:needed:free:)``.
/// - Throws: `Failure` with the cause ``Diagnostics/Failure/Cause/noRoom``. Where free space cannot be asked for, nothing.
package func requireRoom(_ needed: UInt64, at folder: FilePath, _ purpose: String) throws {
    guard let free = freeSpace(at: folder), free < needed else { return }
    throw Failure.noRoom(at: folder.string, purpose, needed: needed, free: free)
}
