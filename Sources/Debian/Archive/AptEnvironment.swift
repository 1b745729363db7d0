import Diagnostics
import Digests
import Storage
import SystemPackage
import Tools

/// The folders and the configuration in which apt runs: nothing of the host's apt is read or written
/// (apt.conf(5), sources.list(5)).
struct AptEnvironment {
    private let work: TemporaryFolder
    private let tools: ToolRunner

    /// Writes a configuration for one run.
    ///
    /// - Parameters:
    ///   - folder: holds `lists` and `cache`, which outlive the run.
    ///   - stanzas: the sources, in deb822 form.
    /// - Throws: `Failure` when a path cannot stand in apt's configuration.
    init(
        folder: FilePath, stanzas: String, architecture: String, preferences: String, status: [UInt8],
        recommends: Bool, tools: ToolRunner
    ) throws {
        guard !folder.string.contains(where: { "\"\n\\".contains($0) }), folder.isAbsolute else {
            throw Failure(
                .usage, at: folder.string, "apt cannot work in this folder",
                expected: "an absolute path without quotes and backslashes", next: "choose another with --cache")
        }
        TemporaryFolder.removeAbandoned(in: folder)
        let work = try TemporaryFolder(in: folder, name: "run")
        self.work = work
        let lists = folder.appending("lists")
        let archives = folder.appending("cache").appending("archives")
        for path in [lists, archives] { try createFolder(path.appending("partial")) }
        func write(_ name: String, _ bytes: [UInt8]) throws -> String {
            let path = work.path.appending(name)
            try writeAtomically(to: path, bytes: bytes)
            return path.string
        }
        let settings: [(String, String)] = [
            ("Dir", work.path.string + "/"), ("Dir::State", work.path.string),
            ("Dir::State::lists", lists.string), ("Dir::State::status", try write("status", status)),
            ("Dir::Cache", folder.appending("cache").string), ("Dir::Etc", work.path.string),
            ("Dir::Etc::main", "/dev/null"), ("Dir::Etc::parts", "/dev/null"),
            ("Dir::Etc::sourcelist", try write("archive.sources", Array(stanzas.utf8))),
            ("Dir::Etc::sourceparts", "/dev/null"),
            ("Dir::Etc::preferences", try write("preferences", Array(preferences.utf8))),
            ("Dir::Etc::preferencesparts", "/dev/null"), ("Dir::Etc::trusted", "/dev/null"),
            ("Dir::Etc::trustedparts", "/dev/null"), ("APT::Architecture", architecture),
            ("APT::Architectures", architecture), ("APT::Install-Recommends", recommends ? "true" : "false"),
            ("APT::Install-Suggests", "false"), ("APT::Solver", "internal"), ("APT::Sandbox::User", ""),
            ("APT::Update::Error-Mode", "any"), ("Acquire::Languages", "none"), ("Acquire::Retries", "2"),
            ("Acquire::Check-Valid-Until", "true"), ("Acquire::Check-Date", "true"),
            ("Acquire::AllowInsecureRepositories", "false"), ("Acquire::AllowWeakRepositories", "false"),
            ("Acquire::AllowDowngradeToInsecureRepositories", "false"), ("Acquire::http::Timeout", "20"),
            ("Acquire::https::Timeout", "20"), ("Debug::NoLocking", "true"),
        ]
        let configuration = settings.map { "\($0) \"\($1)\";\n" }.joined()
        var tools = tools
        tools.environment["APT_CONFIG"] = try write("apt.conf", Array(configuration.utf8))
        self.tools = tools
    }

    /// Runs apt-get to its end, whatever its exit status.
    func aptGet(_ arguments: [String]) async throws -> ToolResult {
        try await tools.result(.aptGet, arguments)
    }
}
