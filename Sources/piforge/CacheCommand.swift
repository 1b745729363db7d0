import ArgumentParser
import Diagnostics
import Engine
import Foundation

struct CacheCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cache", abstract: "Show or empty the cache.",
        subcommands: [CacheListCommand.self, CachePruneCommand.self])
}

struct CacheListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Show what the cache holds and the room it takes.",
        discussion: "piforge cache list")

    @OptionGroup var shared: SharedOptions

    func run() async throws {
        let cache = try shared.openCache()
        let usage = cache.usage()
        if shared.json {
            for part in usage { print(jsonLine(part), terminator: "") }
            return
        }
        print(cache.root.string)
        for part in usage {
            let name = part.name.padding(toLength: 8, withPad: " ", startingAt: 0)
            print("  \(name) \(part.files) files, \(part.bytes / 1_000_000) MB")
        }
    }
}

struct CachePruneCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prune", abstract: "Remove what was not used for some days, or everything.",
        discussion: """
            piforge cache prune --days 30
            piforge cache prune --all
            """)

    @OptionGroup var shared: SharedOptions

    @Option(name: .long, help: "Remove what was not used for this many days.")
    var days: Int = 30

    @Flag(name: .long, help: "Remove everything.")
    var all = false

    func validate() throws {
        guard days >= 0 else { throw ValidationError("--days: expected 0 or more, found \(days)") }
    }

    func run() async throws {
        let freed = try shared.openCache().prune(
            olderThan: all ? nil : Int64(days) * 86_400, now: Int64(Date().timeIntervalSince1970))
        print("freed \(freed / 1_000_000) MB")
    }
}
