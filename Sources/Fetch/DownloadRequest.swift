import Digests
import SystemPackage

#if canImport(Glibc)
    import Glibc
#endif

/// One file to download: where it may be had, and what proves that it is the right one.
package struct DownloadRequest: Sendable, Equatable {
    /// What the file is called in progress lines and errors: `docker.io_26.1.5_arm64.deb`.
    package var name: String
    /// The mirrors' URLs, tried in this order: `http:`, `https:`, `file:`, or a plain path of this machine.
    package var urls: [String]
    /// The SHA-256 the file must have; nil takes any, and the caller proves the file otherwise (a signature).
    package var sha256: SHA256Digest?
    /// The size in bytes the file must have; nil takes any.
    package var size: UInt64?
    /// Further sums the file must have, for publishers that give no SHA-256.
    package var checksums: [Checksum]
    /// Header lines that are sent along, such as `Accept: text/plain`.
    package var headers: [String] = []

    package init(
        urls: [String], sha256: SHA256Digest?, size: UInt64?, name: String, checksums: [Checksum] = []
    ) {
        self.name = name
        self.urls = urls
        self.sha256 = sha256
        self.size = size
        self.checksums = checksums
    }
}

/// A file that lies in the store under its digest.
package struct StoredFile: Sendable, Equatable {
    /// In the store, where its name is its digest.
    package let path: FilePath
    /// SHA-256 of the file.
    package let digest: SHA256Digest
    /// Bytes.
    package let size: UInt64
}

/// How downloads are made. Nothing here reaches an output.
package struct DownloadOptions: Sendable {
    /// How many files are transferred at a time; at least 1.
    package var parallel: Int
    /// How often the list of mirrors is gone through before a transient error is final; at least 1.
    package var rounds: Int
    /// The wait before the second round; it doubles with every further one.
    package var backOff: Duration
    /// The longest wait that a server gets which asks for one (`Retry-After`).
    package var retryAfterLimit: Duration
    /// The time, in seconds since 1970; `Retry-After` may name one to wait for.
    package var now: @Sendable () -> Int64
    /// How long a connection may take to stand.
    package var connectTimeout: Duration
    /// How long a transfer may run at less than ``stallSpeed`` before it is given up.
    package var stallTimeout: Duration
    /// Bytes a second below which a transfer counts as stalled.
    package var stallSpeed: Int
    /// How many redirects are followed.
    package var redirects: Int
    /// The user agent that servers see.
    package var userAgent: String
    /// The proxies to go through.
    package var proxies: ProxySettings

    /// - Parameters:
    ///   - parallel: less than 1 counts as 1.
    ///   - rounds: less than 1 counts as 1.
    ///   - proxies: by default none; the environment is not looked at.
    package init(
        parallel: Int = 8, rounds: Int = 3, backOff: Duration = .seconds(1), connectTimeout: Duration = .seconds(20),
        stallTimeout: Duration = .seconds(30), stallSpeed: Int = 64, redirects: Int = 5,
        userAgent: String = "piforge/0.1", proxies: ProxySettings = ProxySettings(environment: [:]),
        retryAfterLimit: Duration = .seconds(60), now: @escaping @Sendable () -> Int64 = { Int64(time(nil)) }
    ) {
        self.parallel = max(1, parallel)
        self.rounds = max(1, rounds)
        self.backOff = backOff
        self.connectTimeout = connectTimeout
        self.stallTimeout = stallTimeout
        self.stallSpeed = stallSpeed
        self.redirects = redirects
        self.userAgent = userAgent
        self.proxies = proxies
        self.retryAfterLimit = retryAfterLimit
        self.now = now
    }
}
