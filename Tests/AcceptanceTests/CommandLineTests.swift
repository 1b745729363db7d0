import Digests
import Foundation
import Storage
import SystemPackage
import Testing

/// What a person sees who gets something wrong.
@Suite struct CommandLineTests {
    private static let recipe = """
        name: bad
        epoch: 2026-11-01
        base: {debian: trixie}

        """

    @Test(arguments: [
        (
            "kernal: {package: x}\n", 2,
            "bad.yaml:4: kernal: unknown key 'kernal'. Did you mean 'kernel'?"
        ),
        ("system: [\n", 2, "bad.yaml:"), ("base: {debian: trixie}\n", 2, "bad.yaml:4: the key 'base' is there twice"),
        (
            "system: {ssh: {enable: false}}\naccounts: {users: [{name: pi, password: raspberry}]}\n", 2,
            "bad.yaml:5: accounts.users[0].password: "
        ),
    ])
    func badRecipeIsNamedWithItsLine(text: String, status: Int32, message: String) throws {
        let folder = try TemporaryFolder(in: "/tmp", name: "piforge-recipe")
        try writeAtomically(to: folder.path.appending("bad.yaml"), bytes: Array((Self.recipe + text).utf8))
        let outcome = try Program.piforge(["recipe", "check", "bad.yaml"], directory: folder.path)
        #expect(outcome.status == status)
        #expect(outcome.errors.contains("piforge: \(message)"), "\(outcome.errors)")
        let build = try Program.piforge(["build", "bad.yaml", "--cache", "cache"], directory: folder.path)
        #expect(build.status == status)
        #expect(files(below: folder.path) == ["bad.yaml"])
    }

    @Test(arguments: [
        (["build"], "Missing expected argument '<recipe>'"), (["bulid"], "Unexpected argument 'bulid'"),
        (["build", "x.yaml", "--jobs", "0"], "--jobs: expected 1 to 256, found 0"),
        (["build", "x.yaml", "--locked", "--update-lock"], "--locked and --update-lock contradict each other"),
        (["lock", "accept", "x.yaml", "x.img"], "expected FILE and SHA256, or --all"),
        (["lock", "accept", "x.yaml", "x.img", "7adc", "--all"], "--all takes no file"),
        (["lock", "accept", "x.yaml", "x.img", "7adc", "--yes"], "--yes belongs to --all"),
        (["prove", "x.img", "--machine", "pi5"], "The value 'pi5' is invalid for '--machine <machine>'"),
    ])
    func wrongUsageEndsWithTwo(arguments: [String], message: String) throws {
        let outcome = try Program.piforge(arguments)
        #expect(outcome.status == 2)
        #expect(outcome.errors.contains(message), "\(outcome.errors)")
    }

    @Test func missingRecipeAndMissingImageAreNamed() throws {
        let recipe = try Program.piforge(["build", "nowhere.yaml"])
        #expect(recipe.status == 2)
        #expect(recipe.errors.hasPrefix("piforge: nowhere.yaml: "))
        let image = try Program.piforge(["prove", "/nowhere/x.img.xz"])
        #expect(image.status != 0)
        #expect(image.errors.contains("/nowhere/x.img.xz"))
    }

    @Test func everyCommandHasHelpWithAnExample() throws {
        for command in [
            ["build"], ["fetch"], ["plan"], ["prove"], ["doctor"], ["verify"], ["lock", "accept"], ["recipe", "check"],
            ["recipe", "show"],
            ["recipe", "list"], ["recipe", "schema"], ["cache", "list"], ["cache", "prune"], ["kernel", "config"],
        ] {
            let outcome = try Program.piforge(command + ["--help"])
            #expect(outcome.status == 0)
            #expect(outcome.output.contains("piforge \(command.joined(separator: " "))"), "\(command)")
        }
    }

    @Test func helpFitsATerminal() throws {
        let outcome = try Program.piforge(["lock", "accept", "--help"])
        #expect(outcome.output.split(separator: "\n").filter { $0.count > 80 } == [])
    }

    /// Two release files that nothing vouches for: one build lists both, one command accepts both, and only when it is told to.
    @Test func filesToAcceptAreListedAndAcceptedTogether() throws {
        let folder = try TemporaryFolder(in: "/tmp", name: "piforge-accept")
        func write(_ name: String, _ text: String) throws {
            let path = folder.path.pushing(FilePath(name))
            try createFolder(path.removingLastComponent())
            try writeAtomically(to: path, bytes: Array(text.utf8))
        }
        try write(
            "pi.yaml", Self.recipe + "docker: {from: distribution}\nruntimes: [mine]\nsystem: {ssh: {enable: false}}\n")
        try write(
            "runtimes/mine.yaml",
            """
            summary: mine
            artefacts:
              - {urls: [./one], to: /usr/local/bin/one}
              - {urls: [./two], to: /usr/local/bin/two}
            docker: [{name: mine, path: /usr/local/bin/one}]

            """)
        try write("runtimes/one", "#!/bin/sh\n")
        try write("runtimes/two", "#!/bin/sh\nexit 2\n")
        let sums = [SHA256Digest.of("#!/bin/sh\n").hex, SHA256Digest.of("#!/bin/sh\nexit 2\n").hex]
        let lock = folder.path.appending("pi.lock")
        let arguments = ["pi.yaml", "--cache", "cache"]
        func piforge(_ words: [String], _ more: [String] = []) throws -> Outcome {
            try Program.piforge(words + arguments + more, directory: folder.path)
        }

        let stopped = try piforge(["build"])
        #expect(stopped.status == 1)
        #expect(stopped.errors.contains("pi.yaml: nothing vouches for 2 files but you"), "\(stopped.errors)")
        #expect(stopped.errors.contains("one, 10 bytes\n              sha256:\(sums[0])"), "\(stopped.errors)")
        #expect(stopped.errors.contains("two, 17 bytes\n              sha256:\(sums[1])"), "\(stopped.errors)")
        #expect(
            stopped.errors.contains("next:     piforge lock accept \(folder.path)/pi.yaml --all --cache cache\n"),
            "\(stopped.errors)"
        )

        // Nobody can be asked, so nothing is accepted.
        let unasked = try piforge(["lock", "accept"], ["--all"])
        #expect(unasked.status == 2)
        for sum in sums { #expect(unasked.output.contains("sha256:\(sum)"), "\(unasked.output)") }
        #expect(unasked.errors.contains("there is no terminal to ask on; nothing was accepted"), "\(unasked.errors)")
        let listed = try piforge(["lock", "accept"], ["--all", "--json"])
        #expect(listed.status == 2)
        #expect(try Self.listing(listed.output).map { $0["sha256"] as? String } == sums)
        #expect(try Self.listing(listed.output).map { $0["size"] as? Int } == [10, 17])
        // Somebody is, and says no.
        let declined = try Program.run(
            ["script", "-qec", "'\(Program.path)' lock accept pi.yaml --all --cache cache", "/dev/null"],
            directory: folder.path)
        #expect(declined.status == 1)
        #expect(declined.output.contains("Accept these 2 files? [y/N]"), "\(declined.output)")
        #expect(!exists(lock))

        let accepted = try piforge(["lock", "accept"], ["--all", "--yes"])
        #expect(accepted.status == 0, "\(accepted.errors)")
        for (name, sum) in zip(["one", "two"], sums) {
            #expect(accepted.output.contains("\(name) is pinned to sha256:\(sum)"), "\(accepted.output)")
        }
        let pinned = String(decoding: try readFile(lock), as: UTF8.self)
        for sum in sums {
            #expect(pinned.contains("\(sum)\",\"trust\":\"accepted by the user on first use\""), "\(pinned)")
        }
        let nothing = try piforge(["lock", "accept"], ["--all"])
        #expect(nothing.status == 0)
        #expect(nothing.output == "pi.yaml: every file is vouched for; there is nothing to accept\n")
        #expect(try Self.listing(piforge(["lock", "accept"], ["--all", "--json"]).output).isEmpty)
        #expect(String(decoding: try readFile(lock), as: UTF8.self) == pinned)
    }

    /// What `lock accept --all --json` lists.
    private static func listing(_ text: String) throws -> [[String: Any]] {
        let line = text.split(separator: "\n").last { $0.hasPrefix("{\"files\"") }
        let object = try JSONSerialization.jsonObject(with: Data((line ?? "").utf8)) as? [String: Any]
        return try #require(object?["files"] as? [[String: Any]])
    }

    /// A copy of a recipe finds the runtimes and fragments that come with piforge, from wherever the program is called.
    @Test(arguments: ["debian-13-unikernels", "debian-13-custom-kernel"])
    func copiedRecipeFindsWhatComesWithPiforge(name: String) throws {
        let folder = try TemporaryFolder(in: "/tmp", name: "piforge-copied")
        let original = "recipes/\(name).yaml"
        try writeAtomically(
            to: folder.path.appending("mine.yaml"), bytes: readFile(Program.repository.pushing(FilePath(original))))
        let link = folder.path.appending("piforge")
        symlink(Program.path.string, link.string)
        let checked = try Program.run([link.string, "recipe", "check", "mine.yaml"], directory: folder.path)
        #expect(checked.status == 0, "\(checked.errors)")
        #expect(checked.output == "mine.yaml: the recipe \(name) is well-formed\n")
        let shown = try Program.piforge(["recipe", "show", "mine.yaml"], directory: folder.path)
        #expect(shown.output == (try Program.piforge(["recipe", "show", original]).output))
        // PIFORGE_SHARE names another folder, and the mistake says where was looked.
        let empty = folder.path.appending("empty")
        let lost = try Program.piforge(
            ["recipe", "check", "mine.yaml"], environment: ["PIFORGE_SHARE": empty.string], directory: folder.path)
        #expect(lost.status == 2)
        #expect(lost.errors.contains(" or \(empty)/"), "\(lost.errors)")
        let named = try Program.piforge(
            ["recipe", "check", "mine.yaml"], environment: ["PIFORGE_SHARE": Program.repository.string],
            directory: folder.path)
        #expect(named.status == 0, "\(named.errors)")
    }

    @Test func doctorFindsThisMachineComplete() throws {
        let outcome = try Program.piforge(["doctor"])
        #expect(outcome.status == 0, "\(outcome.output)")
        #expect(outcome.output.contains("✓ qemu-system-aarch64"))
    }

    @Test func emptyCacheCannotBuildOffline() throws {
        let folder = try TemporaryFolder(in: "/tmp", name: "piforge-offline")
        let outcome = try Program.piforge([
            "build", "recipes/debian-13-small.yaml", "--offline", "--cache", folder.path.appending("cache").string,
            "-o",
            folder.path.appending("out").string,
        ])
        #expect(outcome.status == 1)
        #expect(outcome.errors.contains("next:"), "\(outcome.errors)")
        #expect(!exists(folder.path.appending("out").appending("debian-13-small.img.xz")))
    }

    @Test func withoutANetworkTheMirrorIsNamed() throws {
        let folder = try TemporaryFolder(in: "/tmp", name: "piforge-no-network")
        let outcome = try Program.run([
            "unshare", "--user", "--map-root-user", "--net", Program.path.string, "fetch",
            "recipes/debian-13-small.yaml", "--cache", folder.path.string, "--mirror", "http://mirror.invalid/debian",
            "--security-mirror", "http://mirror.invalid/debian-security",
        ])
        #expect(outcome.status == 1)
        #expect(outcome.errors.contains("mirror.invalid"), "\(outcome.errors)")
        #expect(outcome.errors.contains("next:"), "\(outcome.errors)")
        #expect(!files(below: folder.path).contains { $0.hasSuffix(".partial") })
    }

    @Test func smallDiskIsNoticedBeforeAnythingIsDownloaded() throws {
        let outcome = try Program.run([
            "unshare", "--user", "--map-root-user", "--mount", "sh", "-c",
            "mount -t tmpfs -o size=64m none /mnt && exec \"$0\" build recipes/debian-13-small.yaml --cache /mnt/cache -o /mnt/out",
            Program.path.string,
        ])
        #expect(outcome.status == 1)
        #expect(
            outcome.errors.contains("piforge: /mnt/cache: there is not enough room for the build"), "\(outcome.errors)")
    }

    @Test func fullDiskLeavesNoHalfWrittenImage() throws {
        let outcome = try Program.run([
            "unshare", "--user", "--map-root-user", "--mount", "sh", "-c",
            """
            mount -t tmpfs -o size=8m none /mnt && head -c 20000000 /dev/urandom >/tmp/piforge-noise.$$ &&
            "$0" pack /tmp/piforge-noise.$$ /mnt/x.img.xz --preset 0 --cache /tmp/piforge-cache.$$; status=$?
            rm -rf /tmp/piforge-noise.$$ /tmp/piforge-cache.$$; ls -A /mnt; exit $status
            """, Program.path.string,
        ])
        #expect(outcome.status == 1)
        #expect(outcome.errors.contains("could not write the file: no space left on device"), "\(outcome.errors)")
        #expect(outcome.output == "")
    }
}
