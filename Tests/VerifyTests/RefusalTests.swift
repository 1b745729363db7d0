import Diagnostics
import Digests
import Fetch
import Storage
import SystemPackage
import TestSupport
import Testing
import Tools
import Verify

/// What is refused before any work, and reports as text.
@Suite struct RefusalTests {
    @Test(arguments: [
        ("none.img.xz", "there is no such file"),
        ("folder", "this is a folder, not an image"), ("folder.img.xz", "this is a folder, not an image"),
        ("text", "the file is no image"), ("null.img", "this is no regular file"),
        ("x.SHA256SUMS", "the list of sums names no image that is here"),
        ("t.manifest.json", "there is no such file"),
        ("disk.img.gz", "this is a gzip file, which is not read as it is"),
        ("disk.img", "this is a qcow2 disk, which is not read as it is"),
        ("packed.img", "this is an .xz file, but its name says that it is not compressed"),
    ])
    func whatIsNoImageIsAUsageError(name: String, message: String) async throws {
        let folder = try TemporaryFolder(in: "/tmp", name: "piforge-verify")
        try createFolder(folder.path.appending("folder"))
        try createFolder(folder.path.appending("folder.img.xz"))
        try writeAtomically(to: folder.path.appending("text"), bytes: [1])
        for (name, start) in [
            ("disk.img.gz", [0x1f, 0x8b, 8, 0]), ("disk.img", [0x51, 0x46, 0x49, 0xfb]),
            ("packed.img", [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0]),
        ] as [(String, [UInt8])] { try writeAtomically(to: folder.path.appending(name), bytes: start) }
        let list = "\(SHA256Digest.of("x"))  notes.txt\n"
        try writeAtomically(to: folder.path.appending("x.SHA256SUMS"), bytes: Array(list.utf8))
        let image = try await TestImage.shared
        try image.manifest.write(to: folder.path.appending("t.manifest.json"))
        try await ToolRunner().run(
            Tool("ln", package: "coreutils", purpose: "make a link"),
            ["-s", "/dev/null", folder.path.appending("null.img").string], place: "ln")
        let failure = await failure { try await folder.verify(name) }
        #expect(failure?.message == message)
        #expect(failure?.exitCode == 2)
    }

    @Test func emptyImagesFail() async throws {
        let folder = try TemporaryFolder(in: "/tmp", name: "piforge-verify")
        for name in ["e.img", "e.img.xz"] { try writeAtomically(to: folder.path.appending(name), bytes: []) }
        #expect(try await folder.verify("e.img").failed == ["partition table", "sfdisk --verify"])
        let packed = try await folder.verify("e.img.xz")
        #expect(packed.failed == ["xz", "first bad byte"])
        #expect(
            packed["xz"] == """
                FAILED: \(folder.path)/e.img.xz: this is not an .xz file; \
                expected fd 37 7a 58 5a 00 at its start; found an empty file
                """)
    }

    @Test func aBadFileAmongOthersEndsBeforeAnyWork() async throws {
        let folder = try await TestImage.shared.copy()
        var options = VerifyOptions(
            files: [folder.path.appending("t.img.xz"), folder.path.appending("none.img")],
            work: folder.path.appending("work"), workers: 1)
        var reports = 0
        let given = options
        let failure = await failure { try await Verifier.run(given) { _ in reports += 1 } }
        #expect(failure?.headline == "\(folder.path)/none.img: there is no such file")
        #expect(reports == 0)
        // One image by several names is verified once.
        options.files = TestImage.names.map { folder.path.appending($0) }
        #expect(try await Verifier.run(options) { _ in reports += 1 })
        #expect(reports == 1)
    }

    @Test func tableSaysWhatWasNotChecked() {
        let report = VerifyReport(
            file: "out/t.img.xz",
            rows: [
                VerifyRow(check: "signature", expected: "a signature", seen: "there is none", verdict: .notChecked),
                VerifyRow(check: "sum", expected: "ab", seen: "ab", seconds: 0.26, verdict: .ok),
                VerifyRow(
                    check: "xz", expected: "every block whole", seen: "block 4 of 5", seconds: 11, verdict: .failed),
            ])
        #expect(
            Report(report).plainText == """
                out/t.img.xz
                state          time  check      expected           seen
                -----------  ------  ---------  -----------------  -------------
                not checked   0.0 s  signature  a signature        there is none
                ok            0.3 s  sum        ab                 ab
                FAILED       11.0 s  xz         every block whole  block 4 of 5

                FAILED xz
                  expected: every block whole
                  found:    block 4 of 5
                  next:     fetch or copy the image again; if it is no better, build it again

                1 of 2 checks FAILED, 1 not made

                """)
        #expect(!report.passed)
        #expect(!VerifyReport(file: "x", rows: [report.rows[0]]).passed, "nothing was checked")
    }
}

/// Signatures over lists of sums.
@Suite struct VerifySignatureTests {
    /// gpg with a home of its own, which the body's folder holds.
    private struct Signer {
        let folder: FilePath
        var runner: ToolRunner { ToolRunner(environment: ["GNUPGHOME": folder.appending("g").string]) }

        @discardableResult
        func gpg(_ arguments: [String]) async throws -> [UInt8] {
            try await runner.run(
                Judge.gpg, ["--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""] + arguments,
                place: "gpg"
            ).output
        }

        func makeKey(_ name: String) async throws -> KeyFingerprint {
            try await gpg(["--quick-gen-key", "\(name)@example.org", "ed25519", "sign", "never"])
            let listing = String(decoding: try await gpg(["--with-colons", "--list-keys", name]), as: UTF8.self)
            let line = try #require(listing.split(separator: "\n").first { $0.hasPrefix("fpr:") })
            return try #require(KeyFingerprint(line.split(separator: ":")[1]))
        }
    }

    @Test func signaturesAreJudgedByTheNamedKeyAlone() async throws {
        let folder = try await TestImage.shared.copy()
        // Short: the agent's socket lies in it.
        let home = try TemporaryFolder(in: "/tmp", name: "vk")
        try createFolder(home.path.appending("g"))
        restrictToOwner(home.path.appending("g"))
        let signer = Signer(folder: home.path)
        do { try await check(folder, signer) } catch {
            _ = try? await signer.runner.result(Judge.gpgconf, ["--kill", "all"])
            throw error
        }
        _ = try await signer.runner.result(Judge.gpgconf, ["--kill", "all"])
    }

    private func check(_ folder: TemporaryFolder, _ signer: Signer) async throws {
        let good = try await signer.makeKey("good")
        let other = try await signer.makeKey("other")
        let keyring = folder.path.appending("keys.gpg")
        try writeAtomically(to: keyring, bytes: try await signer.gpg(["--export"]))
        let list = folder.path.appending("t.SHA256SUMS").string
        func verify(_ key: KeyFingerprint?) async throws -> VerifyReport {
            try await folder.verify {
                $0.keyring = key == nil ? nil : keyring
                $0.keys = key.map { [$0] } ?? []
            }
        }
        let unsigned = try await verify(good)
        #expect(unsigned.failed == ["signature"], "a key was named, so a signature is wanted")
        #expect(unsigned["signature"] == "FAILED: t.SHA256SUMS has no signature beside it")

        for suffix in ["gpg", "sig", "asc"] {
            let path = folder.path.appending("t.SHA256SUMS.\(suffix)")
            let armor = suffix == "asc" ? ["--armor"] : []
            try await signer.gpg(armor + ["--local-user", "good", "--output", path.string, "--detach-sign", list])
            let report = try await verify(good)
            #expect(report.failed == [])
            #expect(report["signature"] == "good, by \(good.keyID), over t.SHA256SUMS")
            #expect(try await verify(nil)["signature"] == "not checked: give --keyring and --key")
            let wrong = try await verify(other)
            #expect(wrong.failed == ["signature"])
            if suffix != "asc" { removeTree(path) }
        }
        // Signed, then changed.
        let text = try readFile(folder.path.appending("t.SHA256SUMS"))
        try writeAtomically(
            to: folder.path.appending("t.SHA256SUMS"), bytes: text + Array("\(SHA256Digest.of("y"))  u.img\n".utf8))
        let changed = try await verify(good)
        #expect(changed.failed == ["signature"])
        let failure = await failure { try await folder.verify { $0.keys = [good] } }
        #expect(failure?.message == "a keyring and a key's fingerprint are only of use together")
        #expect(failure?.exitCode == 2)
    }
}
