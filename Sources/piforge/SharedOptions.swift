import Progress
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

    func validate() throws {
        if cache?.isEmpty == true { throw ValidationError("--cache: expected a folder, found nothing") }
    }

    /// The cache's folder.
    var cacheRoot: FilePath {
        cache.map { absolute($0) } ?? Cache.defaultRoot(environment: ProcessInfo.processInfo.environment)
    }

    /// The cache, opened: a prune spares what the command uses for as long as the result lives.
    func openCache(shared: (any SharedCache)? = nil) throws -> Cache { try Cache(root: cacheRoot, shared: shared) }

    /// Live lines on a terminal, plain lines in a pipe, JSON lines when asked for.
    var progress: any ProgressReporter {
        if json { return JSONProgress() }
        guard let columns = terminalColumns(STDERR_FILENO) else { return PlainProgress() }
        let terminal = Terminal(columns: columns, environment: ProcessInfo.processInfo.environment)
        return TerminalProgress(width: columns > 0 ? columns : terminal.width, marks: terminal.marks)
    }

    /// A report as standard output takes it: for a terminal, without the rows that progress has shown there already; whole in
    /// a pipe or a file.
    func text(of report: Report) -> String {
        guard let columns = terminalColumns(STDOUT_FILENO) else { return report.plainText }
        let terminal = Terminal(columns: columns, environment: ProcessInfo.processInfo.environment)
        return report.text(on: terminal, rowsShown: terminalColumns(STDERR_FILENO) != nil)
    }
}

/// The columns of the terminal that a file descriptor is, 0 where it does not know them; nil for a pipe or a file.
private func terminalColumns(_ descriptor: Int32) -> Int? {
    guard isatty(descriptor) == 1 else { return nil }
    var size = winsize()
    return ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0 ? Int(size.ws_col) : 0
}

/// A path of the command line, made absolute against the working directory.
func absolute(_ path: String) -> FilePath {
    let path = FilePath(path)
    guard path.isRelative else { return path.lexicallyNormalized() }
    return FilePath(FileManager.default.currentDirectoryPath).pushing(path).lexicallyNormalized()
}
