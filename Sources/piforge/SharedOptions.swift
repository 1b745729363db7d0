import ArgumentParser
import Diagnostics
import Engine
import Foundation
import Storage
import SystemPackage

#if canImport(Glibc)
    import Glibc
#endif

/// Where things are kept and how progress is shown: the options that most commands share.
struct SharedOptions: ParsableArguments {
    @Option(name: .long, help: ArgumentHelp("Where results are kept between builds.", valueName: "dir"))
    var cache: String?

    @Flag(name: .long, help: "Print progress and results as JSON lines.")
    var json = false

    /// The cache's folder.
    var cacheRoot: FilePath {
        cache.map { absolute($0) } ?? Cache.defaultRoot(environment: ProcessInfo.processInfo.environment)
    }

    /// The cache, opened: a prune spares what the command uses for as long as the result lives.
    func openCache(shared: (any SharedCache)? = nil) throws -> Cache { try Cache(root: cacheRoot, shared: shared) }

    /// Live lines on a terminal, plain lines in a pipe, JSON lines when asked for.
    var progress: any ProgressReporter {
        if json { return JSONProgress() }
        guard isatty(STDERR_FILENO) == 1 else { return PlainProgress() }
        var size = winsize()
        let known = ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0
        return TerminalProgress(width: known ? Int(size.ws_col) : 80)
    }
}

/// A path of the command line, made absolute against the working directory.
func absolute(_ path: String) -> FilePath {
    let path = FilePath(path)
    guard path.isRelative else { return path.lexicallyNormalized() }
    return FilePath(FileManager.default.currentDirectoryPath).pushing(path).lexicallyNormalized()
}
