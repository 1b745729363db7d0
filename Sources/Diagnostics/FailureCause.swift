extension Failure {
    /// Why a run ended, for code that asks; the words are for people.
    package enum Cause: Sendable, Equatable {
        /// A network was needed, and the run may not use one (`--offline`).
        case offline
        /// A file system has too little room.
        case noRoom
        /// Something in the cache is damaged, or another than it should be.
        case damagedCache
        /// A file that was got has other bytes than those that are wanted: another size, or another digest.
        case otherFile
        /// The lock answers another request than the recipe's.
        case staleLock
    }

    /// A run with `--offline` lacks what only a network gives.
    ///
    /// - Parameters:
    ///   - place: what needs the file; the option itself where the file is named in the message.
    ///   - message: what is missing, and where it was looked for.
    package static func offline(at place: String = "--offline", _ message: String, found: String? = nil) -> Failure {
        var failure = Failure(at: place, message, found: found, next: "run once without --offline")
        failure.cause = .offline
        return failure
    }

    /// A file system has too little room for what is about to be written.
    ///
    /// - Parameters:
    ///   - place: a folder on the file system.
    ///   - purpose: what the room is for: `for the build`, `to unpack the image`.
    ///   - needed: bytes.
    ///   - free: bytes, less than `needed`.
    package static func noRoom(at place: String, _ purpose: String, needed: UInt64, free: UInt64) -> Failure {
        var failure = Failure(
            at: place, "there is not enough room \(purpose)", expected: "\(megabytes(needed)) free",
            found: megabytes(free))
        failure.cause = .noRoom
        return failure.naming(cache: nil)
    }

    /// Something in the cache is damaged, or another than it should be, and only its owner can do away with it.
    package static func damagedCache(at place: String, _ message: String) -> Failure {
        var failure = Failure(at: place, message)
        failure.cause = .damagedCache
        return failure.naming(cache: nil)
    }

    /// The failure with its next step for the cache that is used, where it is about the cache.
    ///
    /// - Parameter cache: the cache's folder as the command line wrote it; nil for the default.
    package func naming(cache: String?) -> Failure {
        func prune(_ arguments: String...) -> String {
            (["piforge cache prune"] + arguments + cacheArguments(cache)).joined(separator: " ")
        }
        var failure = self
        switch cause {
        case .noRoom:
            failure.next = "free some, run \(prune()), or choose another folder with -o and --cache"
        case .damagedCache: failure.next = "\(prune("--all")), then build again"
        case .offline, .otherFile, .staleLock, nil: break
        }
        return failure
    }
}

/// Decimal megabytes with one digit: `218.0 MB`.
package func megabytes(_ bytes: UInt64) -> String { "\((Double(bytes) / 1e5).rounded() / 10) MB" }
