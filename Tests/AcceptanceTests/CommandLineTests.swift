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
