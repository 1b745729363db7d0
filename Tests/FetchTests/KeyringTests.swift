import Diagnostics
import Fetch
import Storage
import SystemPackage
import TestSupport
import Testing

@Suite struct KeyringTests {
    @Test func fingerprintsAreFortyDigitsInWhateverGroups() throws {
        let text = "843938DF228D22F7B3742BC0D94AA3F0EFE21092"
        let spaced = "8439 38df 228d 22f7 b374  2bc0 d94a a3f0 efe2 1092"
        #expect(KeyFingerprint(spaced)?.description == text)
        #expect(KeyFingerprint(spaced)?.keyID == "D94AA3F0EFE21092")
        for wrong in ["", "D94AA3F0EFE21092", text + "00", text.replacing("8", with: "g")] {
            #expect(KeyFingerprint(wrong) == nil)
        }
    }

    @Test func aKeyIDIsToldFromOtherText() async throws {
        let short = failure { _ = try KeyFingerprint(parsing: "0xD94AA3F0EFE21092", at: "x.yaml:3") }
        #expect(
            short?.description == """
                x.yaml:3: a key id does not name one key: others can be made with it
                  expected: the 40 hex digits of the key's fingerprint
                  found:    0xD94AA3F0EFE21092
                  next:     gpg --show-keys KEYRING prints the fingerprints of a keyring
                """)
        let other = failure { _ = try KeyFingerprint(parsing: "ubuntu", at: "x.yaml:3") }
        #expect(other?.message == "this is not a key's fingerprint")
        #expect(other?.kind == .usage)
    }

    /// gpg is the judge of fingerprints, algorithms, sizes and times.
    @Test func keysAreThoseThatGpgLists() async throws {
        try await ThrowawayKeys.with { keys in
            let algorithms = ["rsa2048", "rsa1024", "dsa1024", "ed25519", "nistp256", "brainpoolP384r1", "secp256k1"]
            for algorithm in algorithms {
                _ = try await keys.make(algorithm, algorithm, at: "20200203T040506")
            }
            let first = try await keys.fingerprint("ed25519")
            try await keys.addSubkey(to: first)
            let expected: [(OpenPGPKey.Algorithm, Int, Bool)] = [
                (.rsa, 2048, false), (.rsa, 1024, true), (.dsa, 1024, true), (.eddsa, 255, false),
                (.ecdsa, 256, false), (.ecdsa, 384, false), (.ecdsa, 256, false),
            ]
            for armoured in [false, true] {
                let ring = try OpenPGPKeyring.read(try await keys.export(armoured: armoured))
                #expect(ring.keys.count == algorithms.count)
                for (name, (algorithm, bits, isWeak)) in zip(algorithms, expected) {
                    let fingerprints = try await keys.fingerprints(name)
                    let key = try #require(ring[fingerprints[0]])
                    #expect(key.algorithm == algorithm && key.bits == bits && key.isWeak == isWeak)
                    // date -u -d '2020-02-03 04:05:06' +%s
                    #expect(key.created == 1_580_702_706)
                    #expect(key.subkeys.map(\.fingerprint) == Array(fingerprints.dropFirst()))
                }
                #expect(try readFile(try await keys.export()) == ring.binary)
            }
        }
    }

    /// The keyring for gpgv has the wanted keys, whole.
    @Test func aPartOfAKeyringIsWhatGpgExportsOfThoseKeys() async throws {
        try await ThrowawayKeys.with { keys in
            for name in ["a", "b", "c"] { _ = try await keys.make(name) }
            let ring = try OpenPGPKeyring.read(try await keys.export())
            let wanted = [try await keys.fingerprint("c"), try await keys.fingerprint("a")]
            let judge = try readFile(try await keys.export(["a", "c"]))
            #expect(ring.binary(of: wanted) == judge)
            #expect(ring.binary(of: []).isEmpty)
        }
    }

    @Test func theDebianArchivesKeyringIsRead() throws {
        let ring = try OpenPGPKeyring.read("/usr/share/keyrings/debian-archive-keyring.gpg")
        #expect(!ring.keys.isEmpty)
        #expect(ring.keys.allSatisfy { !$0.isWeak })
    }

    static let refused: [([UInt8], String)] = [
        ([], "ring.gpg: the keyring is empty\n  expected: a public key first"),
        (
            Array("hello\n".utf8),
            """
            ring.gpg: the file is not a keyring
              expected: OpenPGP keys, binary or in ASCII armour
              found:    neither
            """
        ),
        (
            Array("-----BEGIN PGP SIGNATURE-----\n\nAAAA\n-----END PGP SIGNATURE-----\n".utf8),
            """
            ring.gpg: the file is not a keyring
              expected: -----BEGIN PGP PUBLIC KEY BLOCK-----
              found:    -----BEGIN PGP SIGNATURE-----
            """
        ),
        (
            Array("-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA\n".utf8),
            "ring.gpg:4: the armoured text has no end line"
        ),
        (
            Array("-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nA!AA\n-----END PGP PUBLIC KEY BLOCK-----\n".utf8),
            "ring.gpg:4: the armoured text is damaged"
        ),
        (
            Array("-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmAAA\n=AAAA\n-----END PGP PUBLIC KEY BLOCK-----\n".utf8),
            "ring.gpg:5: the armoured text is damaged"
        ),
        ([0xc6, 0x05, 4, 0, 0], "ring.gpg: the keyring is damaged at byte 0: the packet is cut off"),
        ([0xc6, 0xff, 0xff, 0xff, 0xff, 0xff], "ring.gpg: the keyring is damaged at byte 0: the packet is cut off"),
        ([0xc6], "ring.gpg: the keyring is damaged at byte 0: the packet's header is cut off"),
        ([0xc6, 0xe1, 4], "ring.gpg: the keyring is damaged at byte 0: the packet's length is given in parts"),
        ([0x9b, 4], "ring.gpg: the keyring is damaged at byte 0: the packet's length is not given"),
        ([0xc0, 0], "ring.gpg: the keyring is damaged at byte 0: the packet's type is 0, which no packet has"),
        ([0xca, 0, 0x7f], "ring.gpg: the keyring is damaged at byte 2: this is no packet header"),
        (
            [0xc5, 0],
            "ring.gpg: the file is not a keyring\n  expected: a public key first\n  found:    a packet of type 5"
        ),
        (
            [0xc6, 7, 3, 0, 0, 0, 0, 0, 0],
            "ring.gpg: the keyring has no key of version 4\n  found:    only other versions"
        ),
        (
            [0, 0, 0, 32, 1, 1, 0, 2] + Array("KBXf".utf8),
            """
            ring.gpg: the keyring is a keybox of GnuPG
              expected: a keyring as gpg --export writes it
              next:     gpg --no-default-keyring --keyring ring.gpg --export > NEW.gpg, and name that file
            """
        ),
    ]

    @Test(arguments: refused.indices) func whatIsNoKeyringHasItsMessage(_ row: Int) async throws {
        let (bytes, message) = Self.refused[row]
        let failure = failure { _ = try OpenPGPKeyring(bytes, at: "ring.gpg") }
        #expect(failure?.description == message)
    }

    /// Whatever is cut or flipped, reading ends with keys or with a failure.
    @Test func damagedKeyringsEndInFailuresOrOtherKeys() async throws {
        try await ThrowawayKeys.with { keys in
            let key = try await keys.make("a", "rsa2048")
            let bytes = try readFile(try await keys.export())
            for length in stride(from: 0, to: bytes.count, by: 7) {
                let cut = try? OpenPGPKeyring(Array(bytes[..<length]), at: "ring.gpg")
                #expect(cut.map { $0.keys.count == 1 } ?? true)
            }
            // The key's own packet: a flipped bit in its body gives another fingerprint, or no key.
            for bit in stride(from: 3 * 8, to: 250 * 8, by: 11) {
                var flipped = bytes
                flipped[bit / 8] ^= 1 << UInt8(bit % 8)
                let ring = try? OpenPGPKeyring(flipped, at: "ring.gpg")
                #expect(ring?[key] == nil)
            }
        }
    }
}
