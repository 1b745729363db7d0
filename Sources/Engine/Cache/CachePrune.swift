import Diagnostics
import Storage
import SystemPackage

/// Removes what was not used for long, or what is used least when the cache is too large.
///
/// Commands that use the cache hold a shared lock on it. A prune that gets the lock for itself is alone, and those that start wait
/// for it. A prune beside running commands removes single files only, and none that was used since the oldest of them started.
package struct CachePrune: Sendable {
    /// Seconds; nil removes nothing for its age.
    package var olderThan: Int64?
    /// Bytes that may stay; nil removes nothing for its size.
    package var maxSize: UInt64?
    /// Everything goes.
    package var all = false
    /// Only says what would go.
    package var isDryRun = false

    /// Removes nothing, until one of the limits or ``all`` is set.
    package init() {}

    /// What came of it.
    package struct Report: Sendable, Codable, Equatable {
        /// By part, those of which something went.
        package var removed: [CacheInventory.Usage]
        /// Entries that went; of a dry run, those that would go.
        package var removedEntries: Int
        /// Bytes that they took on the disk, holes left out.
        package var removedBytes: UInt64
        /// Entries that stay, those that are spared among them.
        package var keptEntries: Int
        /// Bytes that they take on the disk, holes left out.
        package var keptBytes: UInt64
        /// Entries that should go, and stay since running commands may use them.
        package var sparedEntries: Int
        /// Whether nothing was removed.
        package var isDryRun: Bool

        /// For a person.
        package var text: String {
            var lines = removed.map { part in
                "  \(part.part.padding(to: 8)) \(part.entries) entries, \(megabytes(part.bytes))"
            }
            let verb = isDryRun ? "would remove" : "removed"
            lines.insert("\(verb) \(removedEntries) entries, \(megabytes(removedBytes))", at: 0)
            lines.append("kept \(keptEntries) entries, \(megabytes(keptBytes))")
            if sparedEntries > 0 {
                lines.append("\(sparedEntries) more stay while commands run that may use them; prune again later")
            }
            return lines.map { $0 + "\n" }.joined()
        }
    }

    /// - Parameter now: seconds since 1970.
    /// - Throws: `Failure` when the cache cannot be locked.
    package func run(_ root: FilePath, now: Int64) throws -> Report {
        var spareSince: Int64?
        var lock: OpenFile?
        if exists(root) {
            let file = try OpenFile.forLock(root.appending("lock"))
            if try !file.tryLock(.exclusive) {
                // Who has the lock but no work folder yet has just started.
                spareSince = TemporaryFolder.oldest(in: root.appending("work")) ?? now
            }
            lock = file
        }
        defer { withExtendedLifetime(lock) {} }
        if !isDryRun, spareSince == nil { Cache.removeAbandoned(in: root) }

        let entries = CacheInventory(root).entries.sorted {
            ($0.lastUse, $0.path.string) < ($1.lastUse, $1.path.string)
        }
        var kept = entries.reduce(0) { $0 + $1.bytes }
        var removed: [CacheEntry] = []
        var spared = 0
        for entry in entries {
            let isOld = olderThan.map { now - entry.lastUse > $0 } ?? false
            let isTooMuch = maxSize.map { kept > $0 } ?? false
            guard all || isOld || isTooMuch else { continue }
            guard mayGo(entry, spareSince), isDryRun || remove(entry, root, spareSince) else {
                spared += 1
                continue
            }
            removed.append(entry)
            kept -= entry.bytes
        }
        return Report(
            removed: CachePart.all.compactMap { part in
                let gone = removed.filter { $0.part.name == part.name }
                guard !gone.isEmpty else { return nil }
                return CacheInventory.Usage(
                    part: part.name, holds: part.holds, entries: gone.count, bytes: gone.reduce(0) { $0 + $1.bytes },
                    lastUsed: gone.map(\.lastUse).max())
            }, removedEntries: removed.count, removedBytes: removed.reduce(0) { $0 + $1.bytes },
            keptEntries: entries.count - removed.count, keptBytes: kept, sparedEntries: spared, isDryRun: isDryRun)
    }

    private func mayGo(_ entry: CacheEntry, _ spareSince: Int64?) -> Bool {
        guard let spareSince else { return true }
        if case .files = entry.part.entries { return entry.lastUse < spareSince }
        return false
    }

    private func remove(_ entry: CacheEntry, _ root: FilePath, _ spareSince: Int64?) -> Bool {
        UseGate(root.appending(entry.part.name)).remove(entry.path, unlessUsedSince: spareSince)
    }
}

extension CachePrune {
    /// Parses an age: `14d`, `12h`, `30m`; a number alone is days.
    ///
    /// - Returns: seconds; nil for anything else.
    package static func age(_ text: String) -> Int64? {
        let units: [Character: Int64] = ["m": 60, "h": 3_600, "d": 86_400, "w": 604_800]
        let unit = text.last.flatMap { units[$0] }
        guard let number = Int64(unit == nil ? text[...] : text.dropLast()), number >= 0 else { return nil }
        let (seconds, overflow) = number.multipliedReportingOverflow(by: unit ?? 86_400)
        return overflow ? nil : seconds
    }
}
