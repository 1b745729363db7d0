import Diagnostics
import SystemPackage

#if canImport(Glibc)
    import Glibc
#endif

/// Writes a file that appears under its final name only when it is whole.
///
/// The bytes go to a partial file beside it, which is synced and renamed when `body` returns, and removed when it
/// throws. A file of the final name is replaced in one step.
///
/// - Parameters:
///   - path: the final name; its folder is created when missing.
///   - mode: permission bits, applied whatever the umask is.
///   - isSynced: false for a hint, which a power cut may take away or damage.
/// - Throws: whatever `body` throws, or `Failure` naming the path.
@discardableResult
package func writeAtomically<Result>(
    to path: FilePath, mode: UInt16 = 0o644, isSynced: Bool = true, _ body: (OpenFile) throws -> Result
) throws -> Result {
    let file = try partialFile(beside: path, mode: mode)
    let partial = file.path
    do {
        let result = try body(file)
        if isSynced { try file.synchronize() }
        try commit(partial, as: path, isSynced: isSynced)
        return result
    } catch {
        unlink(partial.string)
        throw error
    }
}

/// As ``writeAtomically(to:mode:isSynced:_:)``, for a body that suspends.
@discardableResult
package func writeAtomically<Result>(
    to path: FilePath, mode: UInt16 = 0o644, isSynced: Bool = true, _ body: (OpenFile) async throws -> Result
) async throws -> Result {
    let file = try partialFile(beside: path, mode: mode)
    let partial = file.path
    do {
        let result = try await body(file)
        if isSynced { try file.synchronize() }
        try commit(partial, as: path, isSynced: isSynced)
        return result
    } catch {
        unlink(partial.string)
        throw error
    }
}

/// Writes bytes at hand, whole or not at all.
package func writeAtomically(
    to path: FilePath, mode: UInt16 = 0o644, isSynced: Bool = true, bytes: [UInt8]
) throws {
    try writeAtomically(to: path, mode: mode, isSynced: isSynced) { try $0.write(at: 0, bytes) }
}

/// Reads a whole file of at most `limit` bytes.
///
/// - Throws: `Failure` when the file is missing or larger than `limit`.
package func readFile(_ path: FilePath, limit: Int = 64 << 20) throws -> [UInt8] {
    let file = try OpenFile.reading(path)
    let size = try file.size()
    guard size <= UInt64(limit) else {
        throw Failure(at: path.string, "the file is too large", expected: "at most \(limit) bytes", found: "\(size)")
    }
    return try file.bytes(at: 0, count: Int(size))
}

/// Whether something exists at `path`; a dangling symbolic link counts.
package func exists(_ path: FilePath) -> Bool {
    var status = stat()
    return lstat(path.string, &status) == 0
}

/// Creates a folder and those above it, with mode 0755 whatever the umask is.
package func createFolder(_ path: FilePath) throws {
    var status = stat()
    if stat(path.string, &status) == 0, status.st_mode & S_IFMT == S_IFDIR { return }
    let parent = path.removingLastComponent()
    if !parent.isEmpty, parent != path { try createFolder(parent) }
    if mkdir(path.string, 0o755) == 0 {
        chmod(path.string, 0o755)
    } else if errno == EEXIST || errno == ENOTDIR {
        guard stat(path.string, &status) != 0 || status.st_mode & S_IFMT != S_IFDIR else { return }
        throw Failure(
            .usage, at: path.string, "not a folder, and none can be made there", expected: "a folder, or nothing",
            next: "name another folder")
    } else {
        let error = Errno(rawValue: errno)
        throw Failure(
            at: path.string, "could not create the folder: \(error.description.lowercased())", next: advice(for: error))
    }
}

/// Renames within one file system and, unless `isSynced` is false, syncs the folder, so that the name survives a crash.
func commit(_ partial: FilePath, as path: FilePath, isSynced: Bool = true) throws {
    guard rename(partial.string, path.string) == 0 else {
        let error = Errno(rawValue: errno)
        throw Failure(
            at: path.string, "could not put the finished file in place: \(error.description.lowercased())",
            next: advice(for: error))
    }
    guard isSynced else { return }
    let folder = path.removingLastComponent()
    let descriptor = open(folder.isEmpty ? "." : folder.string, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    if descriptor >= 0 {
        fsync(descriptor)
        close(descriptor)
    }
}

/// Creates `.NAME.DIGITS.partial` beside `path`, locked: what is not locked was left by a process that no longer lives.
private func partialFile(beside path: FilePath, mode: UInt16) throws -> OpenFile {
    let folder = path.removingLastComponent()
    if !folder.isEmpty { try createFolder(folder) }
    let name = path.lastComponent?.string ?? "file"
    while true {
        var partial = folder
        partial.append(".\(name).\(uniqueName()).partial")
        let file = try OpenFile.creating(partial, mode: mode)
        // Who clears up may take it before it is locked; then another one is made.
        if (try? file.tryLock(.exclusive)) ?? true, file.isNamed(partial) { return file }
    }
}
