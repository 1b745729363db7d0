import Diagnostics
import Foundation
import Layers
import Storage
import SystemPackage
import TestSupport
import Tools

/// Debian's arm64 kernel and static busybox, fetched and checked by apt from the host's own mirror, once; kept under
/// `.build/test-inputs`.
enum DebianKernel {
    private static let apt = Tool("apt-get", package: "apt", purpose: "fetch test inputs")
    private static let cache = Tool("apt-cache", package: "apt", purpose: "fetch test inputs")
    /// The tree of both packages, with only those modules that lie near the ones an initramfs takes.
    static func tree() async throws -> Tree {
        let folder =
            repository
            .appending(".build").appending("test-inputs").appending("debian-kernel")
        let root = folder.appending("root")
        if !exists(root) { try await fetch(into: folder, root: root) }
        return try Tree([Layer(reading: root, time: Timestamp(seconds: 0), where: isNear)])
    }

    private static func isNear(_ path: String) -> Bool {
        guard path.contains("/kernel/") else { return true }
        let near = [
            "crypto", "lib", "fs/ext4", "fs/jbd2", "fs/mbcache", "drivers/block", "drivers/mmc", "drivers/virtio",
            "drivers/scsi/s", "drivers/scsi/virtio", "drivers/usb/core", "drivers/usb/common", "drivers/usb/host",
            "drivers/usb/storage", "drivers/regulator", "drivers/reset", "drivers/nvme",
        ]
        return near.contains { path.contains("/kernel/\($0)") }
    }

    private static func fetch(into folder: FilePath, root: FilePath) async throws {
        let runner = ToolRunner()
        for name in ["lists/partial", "archives/partial", "etc"] { try createFolder(folder.appending(name)) }
        try writeAtomically(to: folder.appending("status"), bytes: [])
        let sites = try await runner.run(
            apt, ["indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Origin: Debian"], place: "apt")
        let all = sites.text.split(separator: "\n").map(String.init)
        guard let mirror = all.first(where: { !$0.contains("security") && $0.hasSuffix("/debian/") }) else {
            throw Failure(at: "apt", "the host's sources name no Debian mirror")
        }
        let sources = "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] \(mirror) trixie main\n"
        try writeAtomically(to: folder.appending("sources.list"), bytes: Array(sources.utf8))
        let options = [
            "Dir=\(folder)", "Dir::State=\(folder)", "Dir::State::lists=\(folder)/lists",
            "Dir::State::status=\(folder)/status", "Dir::Cache=\(folder)", "Dir::Etc=\(folder)/etc",
            "Dir::Etc::sourcelist=\(folder)/sources.list", "Dir::Etc::sourceparts=/nonexistent",
            "APT::Architecture=arm64", "APT::Architectures=arm64", "Acquire::Languages=none", "Debug::NoLocking=1",
            "APT::Sandbox::User=",
        ].flatMap { ["-o", $0] }
        try await runner.run(apt, options + ["-qq", "update"], place: "apt-get update")
        let depends = try await runner.run(cache, options + ["depends", "linux-image-arm64"], place: "apt-cache")
        guard
            let image = depends.text.split(separator: "\n").compactMap({ $0.split(separator: " ").last }).last(where: {
                $0.hasPrefix("linux-image-")
            })
        else { throw Failure(at: "apt-cache", "linux-image-arm64 depends on no kernel") }
        let archives = folder.appending("archives")
        try await runner.run(
            apt, options + ["-qq", "download", String(image), "busybox-static"], directory: archives,
            place: "apt-get download")
        let partial = folder.appending("root.partial")
        removeTree(partial)
        for name in try FileManager.default.contentsOfDirectory(atPath: archives.string) where name.hasSuffix(".deb") {
            try await runner.run(Judge.dpkgDeb, ["-x", archives.appending(name).string, partial.string], place: name)
        }
        try FileManager.default.createSymbolicLink(
            atPath: partial.appending("lib").string, withDestinationPath: "usr/lib")
        try FileManager.default.moveItem(atPath: partial.string, toPath: root.string)
    }
}
