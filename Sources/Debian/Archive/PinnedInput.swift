import Diagnostics
import Digests

/// A fetched file that a build was allowed to use, down to its bytes, and what vouched for it: a line of the lock file.
package struct PinnedInput: Sendable, Hashable, Codable {
    /// What vouched for the file when it was pinned.
    package enum Trust: Sendable, Hashable {
        /// A signature by the key of this fingerprint, over a list of sums that has the file's.
        case signature(String)
        /// A digest in the recipe.
        case recipe
        /// A package of a signed archive: its name and version.
        case package(String)
        /// Nothing but a person's word, given once: `piforge lock accept`.
        case accepted
    }

    /// The file's name.
    package let name: String
    /// What the build uses it for: `base image`, `keyring`.
    package let use: String
    /// Bytes.
    package let size: UInt64
    /// Of the whole file.
    package let sha256: SHA256Digest
    package let trust: Trust

    /// - Throws: `Failure` for a name that cannot stand in a lock file.
    package init(name: String, use: String, size: UInt64, sha256: SHA256Digest, trust: Trust) throws {
        for (what, text) in [("name", name), ("use", use), ("trust", trust.text)] {
            guard !text.isEmpty, text.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7f && !#""\"#.utf8.contains($0) }) else {
                throw Failure(at: "lock", "the input's \(what) '\(text)' is not valid")
            }
        }
        self.name = name
        self.use = use
        self.size = size
        self.sha256 = sha256
        self.trust = trust
    }
}

extension PinnedInput.Trust {
    /// As the lock file and the manifest have it.
    package var text: String {
        switch self {
        case .signature(let key): "signature \(key)"
        case .recipe: "digest in the recipe"
        case .package(let package): "package \(package)"
        case .accepted: "accepted by the user on first use"
        }
    }

    /// Reads ``text``; nil for anything else.
    package init?(text: String) {
        let words = text.split(separator: " ", maxSplits: 1).map(String.init)
        switch (words.first, words.count) {
        case ("signature"?, 2): self = .signature(words[1])
        case ("package"?, 2): self = .package(words[1])
        default:
            guard let known = [Self.recipe, .accepted].first(where: { $0.text == text }) else { return nil }
            self = known
        }
    }
}

extension PinnedInput.Trust: Codable {
    /// - Throws: `DecodingError` for a text that ``text`` never gives.
    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let trust = Self(text: text) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "unknown trust '\(text)'")
        }
        self = trust
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(text)
    }
}
