import SystemPackage

#if canImport(Glibc)
    import Glibc
#endif

/// Whether `path` is a regular file that this process may run.
func isExecutable(_ path: FilePath) -> Bool {
    var status = stat()
    return stat(path.string, &status) == 0 && status.st_mode & S_IFMT == S_IFREG && access(path.string, X_OK) == 0
}
