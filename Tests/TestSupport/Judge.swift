import Diagnostics
import Storage
import SystemPackage
import Tools

/// The programs that tests run to make files and to judge what piforge made.
package enum Judge {
    package static let bash = Tool("bash", package: "bash", purpose: "join programs in tests")
    package static let cmp = Tool("cmp", package: "diffutils", purpose: "compare files in tests")
    package static let cpio = Tool("cpio", package: "cpio", purpose: "judge archives in tests")
    package static let debugfs = Tool("debugfs", package: "e2fsprogs", purpose: "make and look into ext4 in tests")
    package static let dpkg = Tool("dpkg", package: "dpkg", purpose: "judge packages in tests")
    package static let dpkgDeb = Tool("dpkg-deb", package: "dpkg", purpose: "make and judge packages in tests")
    package static let dpkgQuery = Tool("dpkg-query", package: "dpkg", purpose: "judge packages in tests")
    package static let dumpe2fs = Tool("dumpe2fs", package: "e2fsprogs", purpose: "print superblocks in tests")
    package static let e2fsck = Tool("e2fsck", package: "e2fsprogs", purpose: "judge ext4 in tests")
    package static let fsckFAT = Tool("fsck.fat", package: "dosfstools", purpose: "judge FAT in tests")
    package static let gpg = Tool("gpg", package: "gnupg", purpose: "sign with keys of the tests")
    package static let gpgconf = Tool("gpgconf", package: "gpgconf", purpose: "end gpg's agent in tests")
    package static let gpgv = Tool("gpgv", package: "gpgv", purpose: "judge signatures in tests")
    package static let gzip = Tool("gzip", package: "gzip", purpose: "compress in tests")
    package static let mdir = Tool("mdir", package: "mtools", purpose: "list FAT in tests")
    package static let mke2fs = Tool("mke2fs", package: "e2fsprogs", purpose: "make ext4 in tests")
    package static let mtype = Tool("mtype", package: "mtools", purpose: "print a file on FAT in tests")
    package static let python = Tool("python3", package: "python3", purpose: "judge JSON and file systems in tests")
    package static let resize2fs = Tool("resize2fs", package: "e2fsprogs", purpose: "grow ext4 in tests")
    package static let sfdisk = Tool("sfdisk", package: "fdisk", purpose: "make and judge partition tables in tests")
    package static let sh = Tool("sh", package: "dash", purpose: "run programs in tests")
    package static let sha256sum = Tool("sha256sum", package: "coreutils", purpose: "judge sums in tests")
    package static let sshKeygen = Tool("ssh-keygen", package: "openssh-client", purpose: "sign and judge in tests")
    package static let tar = Tool("tar", package: "tar", purpose: "make and judge archives in tests")
    package static let xz = Tool("xz", package: "xz-utils", purpose: "make and judge .xz files in tests")

    /// Variables that keep the tools to themselves, and a time for what mke2fs and debugfs make.
    package static let runner = ToolRunner(environment: [
        "MTOOLSRC": "/dev/null", "MTOOLS_SKIP_CHECK": "1", "MKE2FS_CONFIG": "/dev/null",
        "E2FSPROGS_FAKE_TIME": "1564000000", "SOURCE_DATE_EPOCH": "1564000000",
    ])

    /// Runs a script of bash with `arguments` as `$1` and on, in a folder; every failure ends it.
    @discardableResult
    package static func shell(_ script: String, _ arguments: [String] = [], in folder: FilePath) async throws -> String
    {
        try await runner.run(
            bash, ["-c", "set -euo pipefail; " + script, "judge"] + arguments, directory: folder, place: "bash"
        ).text
    }

    /// What a tool prints, its standard error too, and its status.
    package static func print(_ tool: Tool, _ arguments: [String]) async throws -> (status: Int32, text: String) {
        let result = try await ToolRunner(environment: ["MTOOLSRC": "/dev/null"]).result(tool, arguments)
        return (result.status, result.text + result.errors)
    }

    /// What `debugfs -R` prints of an image.
    package static func debugfs(_ image: FilePath, _ request: String) async throws -> String {
        try await runner.run(debugfs, ["-R", request, image.string], place: image.string).text
    }

    /// Has debugfs do what it is asked, in the image's folder, and fails where it complains.
    package static func edit(_ image: FilePath, _ requests: [String]) async throws {
        let script = requests.joined(separator: "\n") + "\n"
        let result = try await runner.run(
            debugfs, ["-w", "-f", "-", image.string], input: Array(script.utf8),
            directory: image.removingLastComponent(), place: "debugfs")
        let complaints = result.errors.split(separator: "\n").dropFirst().filter { !$0.hasPrefix("Allocated inode") }
        guard complaints.isEmpty else { throw Failure(at: "debugfs", complaints.joined(separator: "; ")) }
    }
}
