import Progress
import ArgumentParser
import Diagnostics
import Engine
import Foundation
import Recipe

struct CacheCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cache", abstract: "Show or prune the cache.",
        subcommands: [CacheListCommand.self, CachePruneCommand.self])
}

struct CacheListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Show what the cache holds, the room it takes, and when it was last used.",
        discussion: """
            piforge cache list
            piforge cache list --cache /srv/piforge --json
            """)

    @OptionGroup var shared: SharedOptions

    func run() async throws {
        let inventory = CacheInventory(shared.cacheRoot)
        let rows = inventory.usage + [inventory.total]
        if shared.json {
            for row in rows { try printLine(jsonLine(row), terminator: "") }
            return
        }
        try printLine(shared.cacheRoot.string)
        let table = TextTable(
            ["part", "entries", "on disk", "last used", "holds"], rightAligned: [1, 2],
            rows: rows.map {
                [
                    $0.part, String($0.entries), "\(($0.bytes + 500_000) / 1_000_000) MB", Self.date($0.lastUsed),
                    $0.holds,
                ]
            })
        for line in table.lines { try printLine(line) }
    }

    /// A time as a day of UTC.
    private static func date(_ seconds: Int64?) -> String {
        guard let seconds else { return "-" }
        return Date(timeIntervalSince1970: TimeInterval(seconds)).formatted(.iso8601.year().month().day())
    }
}

struct CachePruneCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prune", abstract: "Remove from the cache what was not used for long, or is too much.",
        usage: "piforge cache prune [<options>]",
        discussion: """
            piforge cache prune                      remove what was not used for 30 days
            piforge cache prune --older-than 14d --max-size 20G
            piforge cache prune --all --dry-run      only say what would be removed

            --max-size removes the entries that were not used for the longest time. Builds \
            may run at the same time: what they use stays.
            """)

    @OptionGroup var shared: SharedOptions

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Remove what was not used for so long: 30m, 12h, 14d, 4w. 30d where nothing else is asked for.",
            valueName: "age"))
    var olderThan: String?

    @Option(
        name: .long,
        help: ArgumentHelp("Remove the least recently used until no more is left: 500M, 20G.", valueName: "size"))
    var maxSize: String?

    @Flag(name: .long, help: "Remove everything.")
    var all = false

    @Flag(name: .long, help: "Only say what would go.")
    var dryRun = false

    func validate() throws {
        if let olderThan, CachePrune.age(olderThan) == nil {
            throw ValidationError("--older-than: expected a number with m, h, d or w, found '\(olderThan)'")
        }
        if let maxSize, ByteCount(maxSize) == nil {
            throw ValidationError("--max-size: expected 0, or a number with K, M or G, found '\(maxSize)'")
        }
        if all, olderThan != nil || maxSize != nil {
            throw ValidationError("--all leaves nothing to --older-than and --max-size")
        }
    }

    func run() async throws {
        var prune = CachePrune()
        prune.maxSize = maxSize.flatMap(ByteCount.init)?.bytes
        prune.olderThan = olderThan.flatMap(CachePrune.age) ?? (all || maxSize != nil ? nil : 30 * 86_400)
        prune.all = all
        prune.isDryRun = dryRun
        let report = try prune.run(shared.cacheRoot, now: Int64(Date().timeIntervalSince1970))
        try printLine(shared.json ? jsonLine(report) : report.text, terminator: "")
    }
}
