import Diagnostics
import Foundation
import Layers
import Recipe
import Steps
import TestSupport
import Testing
import Tools

/// A runtime that Docker knows by a path, or by a shim's name.
private func runtime(_ name: String, path: String? = nil, type: String? = nil) -> ContainerRuntime {
    var entry = ContainerRuntime.Registration()
    entry.name = name
    entry.path = path
    entry.type = type
    var runtime = ContainerRuntime()
    runtime.name = name
    runtime.docker = [entry]
    return runtime
}

@Suite struct DockerStepTests {
    /// What daemon.json holds after the step, keys sorted, as Python reads it.
    private func daemon(
        _ text: String?, _ runtimes: [ContainerRuntime] = [], docker: Recipe.Docker = Recipe.Docker()
    ) async throws -> String {
        let tree = try sampleTree(
            [file("usr/sbin/dockerd", "elf", mode: 0o755)] + (text.map { [file("etc/docker/daemon.json", $0)] } ?? []))
        let after = try tree.with(DockerStep(docker, runtimes: runtimes).apply(to: tree, epoch: epoch))
        let bytes = Array((try after.text("etc/docker/daemon.json") ?? "").utf8)
        return try await ToolRunner().run(
            Judge.python, ["-c", "import json, sys; print(json.dumps(json.load(sys.stdin), sort_keys=True))"],
            input: bytes,
            place: "daemon.json"
        ).text
    }

    private static let defaults =
        #""log-driver": "json-file", "log-opts": {"max-file": "3", "max-size": "10m"}"#

    @Test func logsAreRotatedAndRuntimesRegistered() async throws {
        #expect(try await daemon(nil) == "{\(Self.defaults), \"storage-driver\": \"overlay2\"}\n")
        let runtimes = [runtime("hvt", type: "io.containerd.urunc.v2"), runtime("gvisor", path: "/usr/bin/runsc")]
        #expect(
            try await daemon(nil, runtimes)
                == "{\(Self.defaults), \"runtimes\": {\"gvisor\": {\"path\": \"/usr/bin/runsc\"}, "
                + "\"hvt\": {\"runtimeType\": \"io.containerd.urunc.v2\"}}, \"storage-driver\": \"overlay2\"}\n")
    }

    @Test func whatIsThereStays() async throws {
        let text =
            #"{"dns": ["192.0.2.1"], "log-driver": "local", "x": 1.5, "runtimes": {"mine": {"path": "/m"}, "gvisor": {"path": "/usr/bin/runsc"}}}"#
        #expect(
            try await daemon(text, [runtime("gvisor", path: "/usr/bin/runsc")])
                == #"{"dns": ["192.0.2.1"], "log-driver": "local", "runtimes": {"gvisor": {"path": "/usr/bin/runsc"}, "mine": {"path": "/m"}}, "storage-driver": "overlay2", "x": 1.5}"#
                + "\n")
    }

    @Test func theRecipesOwnKeysAreMerged() async throws {
        let recipe = try Recipe.parse(
            """
            name: x
            epoch: 2026-11-01
            base: {debian: trixie}
            packages: {install: [openssh-server, sudo]}
            docker:
              from: distribution
              log: {max_size: 1m, max_file: 2}
              daemon: {live-restore: true, features: {buildkit: true}, storage-driver: vfs, log-opts: {labels: a}}
            """, file: "x.yaml", folder: "/")
        #expect(
            try await daemon(#"{"features": {"a": false}}"#, docker: recipe.docker)
                == #"{"features": {"a": false, "buildkit": true}, "live-restore": true, "log-driver": "json-file", "log-opts": {"labels": "a", "max-file": "2", "max-size": "1m"}, "storage-driver": "vfs"}"#
                + "\n")
    }

    @Test func theSameSettingsGiveTheSameBytes() throws {
        func bytes(_ text: String) throws -> String? {
            let tree = try sampleTree([
                file("usr/bin/dockerd", "elf"), file("etc/docker/daemon.json", text, mode: 0o600),
            ])
            let after = try tree.with(DockerStep(Recipe.Docker(), runtimes: []).apply(to: tree, epoch: epoch))
            #expect(after["etc/docker/daemon.json"]?.attributes.mode == 0o600)
            return try after.text("etc/docker/daemon.json")
        }
        #expect(try bytes(#"{"b": 1, "a": {"d": 1, "c": 2}}"#) == bytes(#"{"a": {"c": 2, "d": 1}, "b": 1}"#))
    }

    @Test(arguments: [
        (
            "{",
            """
            /etc/docker/daemon.json: the image's own file is not JSON
              expected: a JSON object, or no file
              next:     correct the file where it comes from: an overlay, or the stock image
            """
        ),
        (
            "[1]",
            """
            /etc/docker/daemon.json: the image's own file is not a JSON object
              expected: {…}
              found:    [1]
            """
        ),
        (
            #"{"runtimes": {"gvisor": {"path": "/opt/runsc"}}}"#,
            """
            gvisor.yaml: /etc/docker/daemon.json has 'runtimes.gvisor' already, with another value
              expected: {"path": "/usr/bin/runsc"}
              found:    {"path": "/opt/runsc"}
              next:     give one of the two another name
            """
        ),
        (
            #"{"runtimes": 1}"#,
            """
            gvisor.yaml: /etc/docker/daemon.json has 'runtimes' already, with another value
              expected: {"gvisor": {"path": "/usr/bin/runsc"}}
              found:    1
              next:     leave one of the two out
            """
        ),
    ])
    func aDaemonConfigurationThatCannotBeCompletedIsRefused(text: String, message: String) throws {
        let tree = try sampleTree([file("usr/sbin/dockerd", "elf"), file("etc/docker/daemon.json", text)])
        let step = DockerStep(Recipe.Docker(), runtimes: [runtime("gvisor", path: "/usr/bin/runsc")])
        let failure = failure { _ = try step.apply(to: tree, epoch: epoch) }
        #expect(failure?.description == message)
    }

    @Test func withoutDockerThereIsNothingToConfigure() throws {
        let tree = try sampleTree()
        #expect(try DockerStep(Recipe.Docker(), runtimes: []).apply(to: tree, epoch: epoch).entries.isEmpty)
        let step = DockerStep(Recipe.Docker(), runtimes: [runtime("gvisor", path: "/usr/bin/runsc")])
        let failure = failure { _ = try step.apply(to: tree, epoch: epoch) }
        #expect(
            failure?.description
                == "gvisor.yaml: it configures Docker, and the image has none\n  next:     add docker: {from: distribution}"
        )
    }
}
