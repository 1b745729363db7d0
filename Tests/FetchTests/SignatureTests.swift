import Diagnostics
import Digests
import Fetch
import Foundation
import Storage
import SystemPackage
import TestSupport
import Testing

private let text = Array("49372d8c2101c0a80bc824317e63cac7cf5fd6144c6943fdd23893f1e7d6e770  hello.img.xz\n".utf8)

/// Verifies bytes as the files SHA256SUMS.gpg and SHA256SUMS.
private func verify(
    _ signature: [UInt8], over signed: [UInt8] = text, keyring: FilePath, keys: [KeyFingerprint],
    allowsWeakKeys: Bool = false, in work: FilePath
) async throws -> VerifiedSignature {
    try await SignatureVerifier(keyring: keyring, keys: keys, allowsWeakKeys: allowsWeakKeys).verify(
        signature: signature, at: "SHA256SUMS.gpg", over: signed, at: "SHA256SUMS", work: work)
}

/// The first signature packet of an exported key, whose headers gpg writes in the old format (RFC 9580, section 4.2.2).
private func certification(in key: [UInt8]) throws -> [UInt8] {
    var rest = key[...]
    while let header = rest.first {
        let width = 1 << Int(header & 3)
        let length = rest.dropFirst().prefix(width).reduce(0) { $0 << 8 | Int($1) }
        let packet = rest.prefix(1 + width + length)
        if header >> 2 & 15 == 2 { return Array(packet) }
        rest = rest.dropFirst(packet.count)
    }
    throw CancellationError()
}

@Suite struct SignatureTests {
    @Test func aGoodSignatureTellsWhatVouchesForIt() async throws {
        try await ThrowawayKeys.with { keys in
            let key = try await keys.make("a", "rsa2048", at: "20200101T000000")
            let ring = try await keys.export()
            for options in [[], ["--armor"], ["--textmode"]] {
                let signature = try await keys.sign(
                    text, by: ["a"], at: "20200203T040506", ["--digest-algo", "SHA512"] + options)
                let found = try await verify(signature, keyring: ring, keys: [key], in: keys.folder)
                #expect(found.key == key && found.signer == key)
                #expect(found.hash.description == "SHA-512")
                // date -u -d '2020-02-03 04:05:06' +%s
                #expect(found.created == 1_580_702_706)
            }
        }
    }

    @Test func filesAreVerifiedWhereTheyLie() async throws {
        try await ThrowawayKeys.with { keys in
            let key = try await keys.make("a")
            let ring = try await keys.export(armoured: true)
            let file = keys.folder.appending("-o a list")
            let signature = keys.folder.appending("-o a list.asc")
            try writeAtomically(to: file, bytes: text)
            try writeAtomically(to: signature, bytes: try await keys.sign(text, by: ["a"], ["--armor"]))
            let work = keys.folder.appending("work")
            let found = try await SignatureVerifier(keyring: ring, keys: [key]).verify(
                signature: signature, over: file, work: work)
            #expect(found.key == key)
            #expect(try FileManager.default.contentsOfDirectory(atPath: work.string).isEmpty)
        }
    }

    @Test func aSubkeysSignatureCountsForItsPrimaryKey() async throws {
        try await ThrowawayKeys.with { keys in
            let key = try await keys.make("a")
            try await keys.addSubkey(to: key)
            let both = try await keys.fingerprints("a")
            let signature = try await keys.sign(text, by: ["a"])
            let found = try await verify(
                signature, keyring: try await keys.export(), keys: [key], in: keys.folder)
            #expect(found.key == key)
            #expect(found.signer == both.last)
            #expect(found.signer != key)
        }
    }

    /// Ubuntu's SHA256SUMS.gpg carries two: one by an old DSA key, one by the RSA key of 2012.
    @Test func oneGoodSignatureIsEnoughWhenOthersCannotBeChecked() async throws {
        try await ThrowawayKeys.with { keys in
            let strong = try await keys.make("strong", "rsa2048")
            let weak = try await keys.make("weak", "dsa1024")
            let both = try await keys.export()
            for order in [["strong", "weak"], ["weak", "strong"]] {
                let signature = try await keys.sign(text, by: order)
                let pinned = try await verify(signature, keyring: both, keys: [strong], in: keys.folder)
                #expect(pinned.key == strong)
                // The weak one is pinned too, and still the strong one is what counts.
                let two = try await verify(signature, keyring: both, keys: [weak, strong], in: keys.folder)
                #expect(two.key == strong)
                // A bad signature of a pinned key refuses, though the other is good.
                let other = try await keys.sign(text + [10], by: [order[1]])
                let first = try await keys.sign(text, by: [order[0]])
                for mixed in [first + other, other + first] {
                    let failure = await failure {
                        _ = try await verify(mixed, keyring: both, keys: [strong, weak], in: keys.folder)
                    }
                    #expect(failure?.message == "the signature is bad: SHA256SUMS is not the text that was signed")
                }
            }
        }
    }

    @Test func aWeakKeyCountsWhenItIsAllowed() async throws {
        try await ThrowawayKeys.with { keys in
            let weak = try await keys.make("weak", "rsa1024")
            let signature = try await keys.sign(text, by: ["weak"])
            let found = try await verify(
                signature, keyring: try await keys.export(), keys: [weak], allowsWeakKeys: true, in: keys.folder)
            #expect(found.key == weak)
        }
    }

    @Test func everyWayToBeNoProofHasItsMessage() async throws {
        try await ThrowawayKeys.with { keys in
            let good = try await keys.make("good", "rsa2048")
            let other = try await keys.make("other")
            let dsa = try await keys.make("dsa", "dsa1024")
            let rsa = try await keys.make("rsa", "rsa1024")
            let old = try await keys.make("old", at: "20200101T000000", life: "1y")
            let early = try await keys.make("early", at: "20200101T000000")
            let revoked = try await keys.make("revoked")
            let byRevoked = try await keys.sign(text, by: ["revoked"])
            try await keys.revoke(revoked)
            let all = try await keys.export()
            let few = try await keys.export(["good", "dsa"])

            let next = "fetch both files again from another mirror; use neither if the error stays"
            let trust = "trust another key only after you have its fingerprint from the publisher"
            let name =
                "name the publisher's detached signature (often SHA256SUMS.gpg, or a name that ends in .sig or .asc)"
            func weakHash(_ hash: String) -> String {
                """
                SHA256SUMS.gpg: the signature's hash function is too weak: others can make a text with the same digest
                  expected: SHA-256 or stronger
                  found:    \(hash), by the key \(good)
                  next:     ask the publisher for a signature made with SHA-256, or name another mirror
                """
            }
            func weakKey(_ found: String) -> String {
                """
                SHA256SUMS.gpg: the signature is by a key that is too weak
                  expected: a key of at least 2048 bits
                  found:    \(found)
                  next:     name a stronger key of the publisher, or allow weak keys if there is none
                """
            }
            func attached(_ found: String) -> String {
                """
                SHA256SUMS.gpg: the signature is not detached from its text
                  expected: a detached OpenPGP signature
                  found:    \(found)
                  next:     \(name)
                """
            }
            func none(_ found: String) -> String {
                """
                SHA256SUMS.gpg: the file is not an OpenPGP signature
                  expected: a detached OpenPGP signature
                  found:    \(found)
                  next:     \(name)
                """
            }
            let signature = try await keys.sign(text, by: ["good"])
            let weak = ["--allow-weak-digest-algos", "--digest-algo"]
            let table: [([UInt8], FilePath, [KeyFingerprint], String)] = [
                (
                    try await keys.sign(Array("other text\n".utf8), by: ["good"]), all, [good],
                    """
                    SHA256SUMS.gpg: the signature is bad: SHA256SUMS is not the text that was signed
                      expected: the text that the key \(good) signed
                      found:    another text, or a damaged signature
                      next:     \(next)
                    """
                ),
                (
                    try await keys.sign(text, by: ["other"]), few, [good],
                    """
                    SHA256SUMS.gpg: the signature is by a key that is not in the keyring \(few)
                      expected: a signature by \(good)
                      found:    \(other)
                      next:     name another mirror; \(trust)
                    """
                ),
                (
                    try await keys.sign(text, by: ["other"]), all, [good, dsa],
                    """
                    SHA256SUMS.gpg: the signature is by a key that is in the keyring, but is not pinned
                      expected: a signature by \(good) or \(dsa)
                      found:    \(other)
                      next:     name another mirror; pin that key only after you have its fingerprint from the publisher
                    """
                ),
                (
                    signature, few, [good, other],
                    """
                    \(few): the keyring does not have the pinned key
                      expected: \(other)
                      found:    \(good), \(dsa)
                      next:     name a keyring that has the key, or the fingerprint of a key that the publisher signs with now
                    """
                ),
                (
                    signature, few, [],
                    """
                    \(few): no key is named, so no signature can be trusted
                      expected: the fingerprint of the publisher's key
                    """
                ),
                (
                    try await keys.sign(text, by: ["old"], at: "20200601T000000"), all, [old],
                    """
                    SHA256SUMS.gpg: the signature is by a key that has expired
                      expected: a signature by a key that is valid
                      found:    \(old), which ended on 2020-12-31
                      next:     name a newer keyring (publishers prolong their keys), or the key that they sign with now
                    """
                ),
                (
                    byRevoked, all, [revoked],
                    """
                    SHA256SUMS.gpg: the signature is by a key that its owner has revoked
                      expected: a signature by a key that is valid
                      found:    \(revoked)
                      next:     name the key that the publisher signs with now
                    """
                ),
                (
                    try await keys.sign(
                        text, by: ["early"], at: "20200601T000000", ["--default-sig-expire", "1d"]), all, [early],
                    """
                    SHA256SUMS.gpg: the signature has expired
                      expected: a signature that is valid
                      found:    one by the key \(early), which ended on 2020-06-02
                      next:     \(next)
                    """
                ),
                (
                    try await keys.sign(text, by: ["dsa"], ["--digest-algo", "SHA256"]), all, [dsa],
                    weakKey("DSA of 1024 bits: \(dsa)")
                ),
                (try await keys.sign(text, by: ["rsa"]), all, [rsa], weakKey("RSA of 1024 bits: \(rsa)")),
                (try await keys.sign(text, by: ["good"], weak + ["SHA1"]), all, [good], weakHash("SHA-1")),
                (try await keys.sign(text, by: ["good"], weak + ["MD5"]), all, [good], weakHash("MD5")),
                (try await keys.sign(text, by: ["good"], weak + ["RIPEMD160"]), all, [good], weakHash("RIPEMD-160")),
                (
                    try await keys.sign(text, by: ["good"], command: "--clearsign"), all, [good],
                    attached("a clear-signed text")
                ),
                (
                    try await keys.sign(text, by: ["good"], command: "--sign"), all, [good],
                    attached("a signature with the text inside")
                ),
                (
                    try await keys.sign(text, by: ["good"], ["--armor"], command: "--sign"), all, [good],
                    attached("a signature with the text inside")
                ),
                (
                    // What binds the user's name to the key: a signature, but over no file.
                    try certification(in: try readFile(try await keys.export(["good"]))), all, [good],
                    """
                    SHA256SUMS.gpg: the signature is not one over a file
                      expected: a detached OpenPGP signature
                      found:    one of type 19 by the key \(good)
                      next:     \(next)
                    """
                ),
                (
                    [], all, [good],
                    """
                    SHA256SUMS.gpg: the signature's file is empty
                      expected: a detached OpenPGP signature
                      next:     \(name)
                    """
                ),
                (Array("<html>not found</html>\n".utf8), all, [good], none("other bytes")),
                (try readFile(few), all, [good], none("a public key")),
                (try readFile(try await keys.export(["good"], armoured: true)), all, [good], none("a public key")),
                (
                    Array(signature.dropLast()), all, [good], none("bytes that are none (the packet is cut off)")
                ),
                (
                    signature + [0], all, [good], none("bytes that are none (this is no packet header)")
                ),
                (
                    [UInt8](repeating: 0x80, count: 65_537), all, [good],
                    """
                    SHA256SUMS.gpg: the signature's file is too large
                      expected: at most 65536 bytes
                      found:    65537 bytes
                      next:     \(name)
                    """
                ),
            ]
            for (signature, keyring, pinned, message) in table {
                let failure = await failure {
                    _ = try await verify(signature, keyring: keyring, keys: pinned, in: keys.folder)
                }
                #expect(failure?.description == message)
            }
        }
    }

    /// One flipped bit of the text, wherever it is, is a bad signature.
    @Test func aFlippedBitOfTheTextIsSeen() async throws {
        try await ThrowawayKeys.with { keys in
            let key = try await keys.make("a")
            let ring = try await keys.export()
            let signature = try await keys.sign(text, by: ["a"])
            for bit in stride(from: 0, to: text.count * 8, by: 61) {
                var flipped = text
                flipped[bit / 8] ^= 1 << UInt8(bit % 8)
                let failure = await failure {
                    _ = try await verify(signature, over: flipped, keyring: ring, keys: [key], in: keys.folder)
                }
                #expect(failure?.message == "the signature is bad: SHA256SUMS is not the text that was signed")
            }
        }
    }

    /// One flipped bit of the signature never makes it another key's; where it is still good, the bit was one that only
    /// hints (RFC 9580, section 5.2.3: the unhashed subpackets, and the digest's first two bytes).
    @Test func aFlippedBitOfTheSignatureIsSeenOrMeansNothing() async throws {
        try await ThrowawayKeys.with { keys in
            let key = try await keys.make("a")
            let ring = try await keys.export()
            let signature = try await keys.sign(text, by: ["a"])
            // Header (2), version, type, algorithm, hash, then the lengths and bytes of hashed and unhashed subpackets.
            let hashed = Int(signature[6]) << 8 | Int(signature[7])
            let unhashed = Int(signature[8 + hashed]) << 8 | Int(signature[9 + hashed])
            let open = 8 + hashed..<12 + hashed + unhashed
            var refused = 0
            for bit in stride(from: 0, to: signature.count * 8, by: 19) {
                var flipped = signature
                flipped[bit / 8] ^= 1 << UInt8(bit % 8)
                do {
                    let found = try await verify(flipped, keyring: ring, keys: [key], in: keys.folder)
                    #expect(open.contains(bit / 8), "bit \(bit)")
                    #expect(found.key == key)
                } catch is Failure {
                    refused += 1
                }
            }
            #expect(refused > signature.count * 8 / 19 / 2)
        }
    }
}
