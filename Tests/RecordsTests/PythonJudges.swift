import Foundation
import Storage
import SystemPackage
import TestSupport
import Testing
import Tools

/// The formats' own validators, from PyPI, in a Python environment of the tests' own: each pinned by its wheel's SHA-256.
///
/// What the packages want besides is left out where the validators do without it.
enum PythonJudges {
    private static let python = Tool("python3", package: "python3-venv", purpose: "judge bills of materials")
    private static let environment = Tool(
        "env", package: "coreutils", purpose: "run Python in an environment of its own")

    /// In the repository's build folder, so that it is made once; named after what is in it.
    private static let folder = repository.appending(".build").appending("judges-\(requirements.utf8.count)")
    private static let made = Task { try await make() }

    /// Runs a program of the environment's Python with standard input.
    static func run(_ script: String, input: [UInt8]) async throws -> ToolResult {
        let python = try await made.value
        return try await ToolRunner().result(environment, [python.string, "-I", "-c", script], input: input)
    }

    private static func make() async throws -> FilePath {
        let program = folder.appending("bin/python")
        let tools = ToolRunner(
            environment: ProcessInfo.processInfo.environment.filter { name, _ in
                name.hasPrefix("PIP_") || name.lowercased().hasSuffix("_proxy")
                    || ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"].contains(name)
            })
        if exists(folder.appending("whole")) { return program }
        removeTree(folder)
        try createFolder(folder)
        let list = folder.appending("requirements.txt")
        try writeAtomically(to: list, bytes: Array(requirements.utf8))
        try await tools.run(python, ["-m", "venv", folder.string], place: "Python environment")
        try await tools.run(
            environment,
            [
                program.string, "-m", "pip", "install", "--quiet", "--no-deps", "--disable-pip-version-check",
                "--only-binary", ":all:", "--require-hashes", "-r", list.string,
            ], place: "validators")
        try writeAtomically(to: folder.appending("whole"), bytes: [])
        return program
    }

    private static let requirements = """
        spdx-tools==0.8.5 --hash=sha256:7c2d5865941be9d2e898f5b084e8d5422dd298dc5a29320ddb198fec304f59c4
        beartype==0.23.1 --hash=sha256:4461b4dc57e3fdd6c8a8464b22cf118002eea107c33e9fef651c69068ab3cce3
        license-expression==30.4.4 --hash=sha256:421788fdcadb41f049d2dc934ce666626265aeccefddd25e162a26f23bcbf8a4
        boolean.py==5.0 --hash=sha256:ef28a70bd43115208441b53a045d1549e2f0ec6e3d08a9d142cbc41c1938e8d9
        uritools==6.1.5 --hash=sha256:6cc6b29458d7df933c8fcebafe766442265742875c339711986c8f6d639f8909
        semantic-version==2.10.0 --hash=sha256:de78a3b8e0feda74cabc54aab2da702113e33ac9d9eb9d2389bcf1f58b7d9177
        cyclonedx-python-lib==11.12.0 --hash=sha256:0e807521a921a5c3cb8ce1153f8a61d29eedfe76a46aac2796b7c6b573391a54
        jsonschema==4.26.0 --hash=sha256:d489f15263b8d200f8387e64b4c3a75f06629559fb73deb8fdfb525f2dab50ce
        attrs==26.1.0 --hash=sha256:c647aa4a12dfbad9333ca4e71fe62ddc36f4e63b2d260a37a8b83d2f043ac309
        referencing==0.37.0 --hash=sha256:381329a9f99628c9069361716891d34ad94af76e461dcb0335825aecc7692231
        rpds-py==2026.9.1 --hash=sha256:136a1c3fe4402b7008bc81cb62ee538481795b61a7e83df88dff3b3f02b726ff \\
            --hash=sha256:addeda51556dac7c1a2f14cda62db8b621cd12afba3091d03a96c72932387eab \\
            --hash=sha256:7868b85224291c6cb6759f9b5adb9745f486d226f62b16a614dd5a2a5ab2b35b
        jsonschema-specifications==2025.9.1 --hash=sha256:98802fee3a11ee76ecaca44429fda8a41bff98b00a0f2838151b113f210cc6fe
        typing-extensions==4.16.0 --hash=sha256:481caa481374e813c1b176ada14e97f1f67a4539ce9cfeb3f350d78d6370c2e8
        packageurl-python==0.17.6 --hash=sha256:31a85c2717bc41dd818f3c62908685ff9eebcb68588213745b14a6ee9e7df7c9
        py-serializable==2.2.0 --hash=sha256:2cce775abc5aac12115f9ff572a145c7276d04a770090334bd4e51ed9c782415
        sortedcontainers==2.4.0 --hash=sha256:a163dcaede0f1c021485e957a39245190e74249897e2ae4b2aa38595db237ee0
        defusedxml==0.7.1 --hash=sha256:a352e7e428770286cc899e2542b6cdaedb2b4953ff269a210103ec58f6198a61
        in-toto-attestation==0.9.3 --hash=sha256:1f44d3f3bded1ed551e260c5e9f834ee05de03f1d2f360bada5a172c11d748ff
        protobuf==6.33.6 --hash=sha256:e9db7e292e0ab79dd108d7f1a94fe31601ce1ee3f7b79e0692043423020b0593
        rfc3339-validator==0.1.4 --hash=sha256:24f6ec1eda14ef823da9e36ec7113124b39c04d50a4d3d3a3c2859577e7791fa
        six==1.17.0 --hash=sha256:4721f391ed90541fddacab5acf947aa0d3dc7d27b2e1e8eda2be8970586c3274

        """
}
