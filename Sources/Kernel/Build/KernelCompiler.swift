import Diagnostics
import Foundation
import Storage
import SystemPackage
import Tools

/// Compiles a kernel in its own folder, and makes its Debian package with the kernel's own rules (bindeb-pkg).
///
/// Everything of the machine that could reach the package's bytes is fixed: the time, user, host and number of the build, the umask,
/// locale and time zone; the folder (sources are compiled where they lie, by relative paths, and what debug information says of the
/// folder is mapped away); how many threads compress; the host's rules for depmod; and programs that count as not installed, as for
/// Kconfig.
package struct KernelCompiler: Sendable {
    /// What decides the package besides the source and its configuration.
    package struct Settings: Sendable {
        /// The package's version; what follows its last `-` is the number of the build, in `uname -v`.
        package var version: String
        /// Seconds since 1970: the time of all that is in the package.
        package var epoch: Int64
        /// How many compilers run at a time; the result never depends on it.
        package var jobs: Int
        /// Where ccache keeps what was compiled; nil is without it.
        package var ccache: FilePath?

        package init(version: String, epoch: Int64, jobs: Int, ccache: FilePath?) {
            self.version = version
            self.epoch = epoch
            self.jobs = jobs
            self.ccache = ccache
        }
    }

    /// The programs that it needs besides those of Kconfig.
    package static let programs: [Tool] = [
        .make, .shell, .dhBuilddeb, .dpkgBuildpackage, .fakeroot, .rsync, .bc, .cpio, .depmod, .perl, .xz,
    ]
    /// A variable that every process of a compile has, with its folder.
    private static let mark = "PIFORGE_KERNEL_WORK"

    /// The folder with the source in `linux`; what packaging leaves beside it is here.
    private let work: FilePath
    private let settings: Settings
    private let tools: ToolRunner

    private var tree: FilePath { work.appending("linux") }
    private var programs: FilePath { work.appending("bin") }

    /// - Parameter work: a folder that nobody else uses, with the source in `linux`. Absolute.
    package init(work: FilePath, settings: Settings, tools: ToolRunner = ToolRunner()) {
        self.work = work
        self.settings = settings
        self.tools = tools
    }

    /// Ends what an earlier run, which was killed, has left running in the folder.
    package static func endLeftovers(of work: FilePath) async throws {
        try await ToolRunner.endLeftovers(variable: mark, value: work.string)
    }

    // MARK: The run

    /// Compiles, or goes on where an earlier run was interrupted, and makes the package.
    ///
    /// - Parameters:
    ///   - config: the kernel's configuration.
    ///   - log: a file that everything make says is added to.
    ///   - progress: told now and then what make has said until then.
    /// - Returns: the package's file, and what make said.
    /// - Throws: `Failure` with the first error of a compile that fails; `CancellationError`.
    package func run(
        config: [UInt8], log path: FilePath, progress: @escaping @Sendable (MakeLog) -> Void
    ) async throws -> (package: FilePath, log: MakeLog) {
        try prepare(config)
        for name in try names(in: work) where name.hasSuffix(".deb") { removeTree(work.appending(name)) }
        let log = try exists(path) ? OpenFile.updating(path) : OpenFile.creating(path)
        let reader = LogReader(log)
        try reader.readOn()
        lseekEnd(log)
        var said = MakeLog()
        for goal in ["all", "bindeb-pkg"] {
            reader.beginRun()
            let status = try await watch(reader, progress) {
                try await ToolRunner(environment: environment).logged(
                    .shell, [programs.appending("umask").string, "make"] + arguments + [goal], directory: tree,
                    log: log.rawDescriptor)
            }
            said = reader.log
            guard status == 0 else {
                throw Failure(
                    at: "kernel",
                    goal == "all" ? "the kernel does not compile" : "the kernel's package could not be made",
                    expected: "make \(goal) ends with 0", found: "\(status): \(said.firstError)")
            }
        }
        let packages = try names(in: work).filter { $0.hasPrefix("linux-image-") && $0.hasSuffix(".deb") }
            .filter { !$0.contains("-dbg_") }
        guard packages.count == 1 else {
            throw Failure(
                at: "kernel", "its own packaging made no package, or several",
                expected: "linux-image-RELEASE_VERSION_arm64.deb",
                found: packages.isEmpty ? "none" : packages.joined(separator: ", "))
        }
        return (work.appending(packages[0]), said)
    }

    /// The release of a compiled kernel, as `uname -r` prints it.
    package func release() throws -> String {
        let text = try readFile(tree.appending("include/config/kernel.release"), limit: 4096)
        return String(decoding: text, as: UTF8.self).filter { !$0.isWhitespace }
    }

    private func watch(
        _ reader: LogReader, _ progress: @escaping @Sendable (MakeLog) -> Void,
        _ body: @escaping @Sendable () async throws -> Int32
    ) async throws -> Int32 {
        let watcher = Task {
            while !Task.isCancelled {
                try await Task.sleep(for: .milliseconds(500))
                let before = reader.log.files.count
                try reader.readOn()
                if reader.log.files.count != before { progress(reader.log) }
            }
        }
        defer { watcher.cancel() }
        let status = try await body()
        watcher.cancel()
        _ = await watcher.result
        try reader.readOn()
        progress(reader.log)
        return status
    }

    // MARK: What make is told

    private var arguments: [String] {
        ["-j\(settings.jobs)", "CC=\(programs.appending("compiler"))", "KBUILD_IMAGE=arch/arm64/boot/Image"]
            + KernelConfigurator.variables.filter { $0.name != "PYTHON3" }.map { "\($0.name)=\($0.value)" }
            + ["PYTHON3=\(programs.appending("python3"))", "DEPMOD=\(programs.appending("depmod"))"]
    }

    private var environment: [String: String] {
        var variables = [
            "PATH": ([programs.string] + ToolRunner.searchPath).joined(separator: ":"), "LC_ALL": "C", "TZ": "UTC",
            "HOME": work.string, Self.mark: work.string, "SOURCE_DATE_EPOCH": String(settings.epoch),
            "KBUILD_BUILD_TIMESTAMP": Date(timeIntervalSince1970: TimeInterval(settings.epoch)).ISO8601Format(),
            "KBUILD_BUILD_USER": "piforge",
            "KBUILD_BUILD_HOST": "piforge", "KBUILD_BUILD_VERSION": buildNumber, "LOCALVERSION": localVersion,
            "KDEB_PKGVERSION": settings.version, "KDEB_CHANGELOG_DIST": "unstable",
            // Every dpkg knows xz.
            "KDEB_COMPRESS": "xz", "DEBEMAIL": "piforge@localhost", "DEBFULLNAME": "piforge",
            "DEB_BUILD_PROFILES": "pkg.linux-upstream.nokernelheaders pkg.linux-upstream.nokerneldbg",
            // Packages that this kernel does not need are among those it asks for, as libelf for x86; `programs` has what it does need.
            "DPKG_FLAGS": "-d", "DPKG_DEB_THREADS_MAX": "1", "DPKG_COLORS": "never", "DH_COLORS": "never",
        ]
        variables["CCACHE_DIR"] = settings.ccache?.string
        return variables
    }

    private var buildNumber: String { String(settings.version.split(separator: "-").last ?? "1") }

    /// What the release has behind the version: the configuration's own text, where it has one.
    private var localVersion: String { ownLocalVersion ? "" : "-piforge" }

    private var ownLocalVersion: Bool {
        guard let bytes = try? readFile(tree.appending(".config"), limit: KernelConfig.largest) else { return false }
        return String(decoding: bytes, as: UTF8.self).splitLines().contains {
            $0.hasPrefix("CONFIG_LOCALVERSION=\"") && $0 != "CONFIG_LOCALVERSION=\"\""
        }
    }

    // MARK: What lies in the folder

    private func prepare(_ config: [UInt8]) throws {
        let path = tree.appending(".config")
        // A new time would have everything that depends on the configuration looked at again.
        if try !exists(path) || readFile(path, limit: KernelConfig.largest) != config {
            try writeAtomically(to: path, bytes: config)
        }
        let compiler = settings.ccache == nil ? "" : "ccache "
        let scripts = [
            (
                "compiler",
                """
                test "$*" = -print-file-name=plugin && exec echo plugins-are-not-used
                \(KernelConfigurator.noPrograms)
                exec \(compiler)\(KernelConfigurator.prefix)gcc -ffile-prefix-map=\(tree)=. "$@"
                """
            ),
            // The changelog's time is not the clock's.
            (
                "date",
                """
                test "$*" = -R && exec /bin/date -R -u -d "@$SOURCE_DATE_EPOCH"
                exec /bin/date "$@"
                """
            ),
            // The host's rules in /etc/depmod.d are not the board's.
            ("depmod", "exec \(ToolRunner.locate(.depmod)?.string ?? "depmod") -C /dev/null \"$@\""),
            // No module but Python's own; for Kconfig, which asks with -c, it is not there.
            ("python3", "test \"$1\" = -c && exit 1\nexec /usr/bin/python3 -I -S -B \"$@\""),
            ("umask", "umask 022\nexec \"$@\""),
        ]
        for (name, script) in scripts {
            let bytes = Array("#!/bin/sh\n\(script)\n".utf8)
            let path = programs.appending(name)
            if try exists(path) && readFile(path) == bytes { continue }
            try writeAtomically(to: path, mode: 0o755, bytes: bytes)
        }
    }

}
