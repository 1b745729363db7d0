import SystemPackage

#if canImport(Glibc)
    import Glibc
#endif

/// Marks the entries in a folder of the cache as used, and removes those that are not.
///
/// An entry's time of last change is that of its last use, since times of access are not kept everywhere. Marking and removing
/// exclude each other (flock(2) on `.gate` in the folder): what somebody has begun to use is not taken from under him.
package struct UseGate: Sendable {
    private let gate: FilePath

    /// - Parameter folder: holds the entries, at any depth.
    package init(_ folder: FilePath) { gate = folder.appending(".gate") }

    /// Marks an entry as used now.
    ///
    /// - Returns: whether there is such an entry.
    package func use(_ path: FilePath) -> Bool {
        guard exists(path) else { return false }
        let file = try? OpenFile.forLock(gate)
        // A cache that cannot be written to is not pruned either.
        guard (try? file?.lock(.shared)) != nil else { return exists(path) }
        return utimensat(AT_FDCWD, path.string, nil, AT_SYMLINK_NOFOLLOW) == 0 || exists(path)
    }

    /// Removes an entry, a file or a folder with all in it, unless it was used at `limit` (seconds since 1970) or later.
    ///
    /// - Returns: whether it is gone.
    package func remove(_ path: FilePath, unlessUsedSince limit: Int64?) -> Bool {
        guard let file = try? OpenFile.forLock(gate), (try? file.lock(.exclusive)) != nil else { return false }
        if let limit, lastUse(of: path) >= limit { return false }
        removeTree(path)
        return !exists(path)
    }
}
