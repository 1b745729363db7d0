import Diagnostics
import Fetch
import Storage
import SystemPackage
import Tools

/// What is to be verified, and with what.
package struct VerifyOptions: Sendable {
    /// Images, lists of sums, manifests.
    package var files: [FilePath]
    /// The list of sums; nil takes `NAME.SHA256SUMS` or `SHA256SUMS` beside the image.
    package var sums: FilePath?
    /// The list's detached signature; nil takes the one beside the list: its name and `.gpg`, `.sig` or `.asc`.
    package var signature: FilePath?
    /// The file with the publisher's public keys.
    package var keyring: FilePath?
    /// The primary OpenPGP keys that are trusted.
    package var keys: [KeyFingerprint] = []
    /// The SSH keys that are trusted; they and OpenPGP keys are not named together.
    package var sshKeys: [SSHKeyFingerprint] = []
    /// Where disks are unpacked to; nothing is left there.
    package var work: FilePath
    /// How many blocks of an .xz file are unpacked at once.
    package var workers: Int

    /// Whether a key is named.
    var hasKeys: Bool { !keys.isEmpty || !sshKeys.isEmpty }

    package init(files: [FilePath], work: FilePath, workers: Int) {
        self.files = files
        self.work = work
        self.workers = workers
    }
}

/// Looks at images without booting them, and without changing anything.
package enum Verifier {
    /// The largest disk that is unpacked, in bytes.
    package static let largestDisk: UInt64 = 64 << 30

    /// Verifies files one after the other.
    ///
    /// A check that fails is a row of the file's report, not an error.
    ///
    /// - Parameter report: called with each file's report as soon as it is there.
    /// - Returns: whether all passed.
    /// - Throws: `Failure` of kind usage, before any work, when a file is missing or no image, or the options do not fit
    ///   together; `Failure` when the work folder cannot be written to; `CancellationError`.
    package static func run(
        _ options: VerifyOptions, tools: ToolRunner = ToolRunner(), progress: any ProgressReporter = SilentProgress(),
        report: (VerifyReport) throws -> Void
    ) async throws -> Bool {
        try check(options)
        let subjects = try options.files.flatMap { try VerifySubject.all(named: $0, options) }
        TemporaryFolder.removeAbandoned(in: options.work)
        var passed = true
        for (index, subject) in subjects.enumerated() where !subjects[..<index].contains(subject) {
            let work = try TemporaryFolder(in: options.work, name: "verify")
            var verification = Verification(
                subject: subject, options: options, work: work.path, tools: tools, progress: progress)
            let result = try await verification.run()
            withExtendedLifetime(work) {}
            try report(result)
            passed = passed && result.passed
        }
        return passed
    }

    private static func check(_ options: VerifyOptions) throws {
        guard !options.files.isEmpty else { throw Failure(.usage, at: "verify", "no file is named") }
        guard options.keys.isEmpty || options.sshKeys.isEmpty else {
            throw Failure(
                .usage, at: "verify", "a signature is an OpenPGP key's or an SSH key's",
                next: "verify once with each kind of key")
        }
        guard options.hasKeys == (options.keyring != nil) else {
            throw Failure(
                .usage, at: "verify", "a keyring and a key's fingerprint are only of use together",
                next: "piforge verify FILE --keyring KEYRING --key FINGERPRINT")
        }
        for path in [options.sums, options.signature, options.keyring].compactMap({ $0 }) {
            try VerifySubject.requireFile(path)
        }
    }
}

/// One image on its way through the checks.
struct Verification {
    let subject: VerifySubject
    let options: VerifyOptions
    let work: FilePath
    let tools: ToolRunner
    let recorder: VerifyRecorder
    let progress: any ProgressReporter
    var place: String { subject.file }

    init(
        subject: VerifySubject, options: VerifyOptions, work: FilePath, tools: ToolRunner,
        progress: any ProgressReporter
    ) {
        self.subject = subject
        self.options = options
        self.work = work
        self.tools = tools
        self.progress = progress
        recorder = VerifyRecorder(file: subject.file, path: subject.path.string, progress: progress)
    }

    mutating func run() async throws -> VerifyReport {
        try await checkSignature()
        let listed = try await readList()
        let manifest = try await readManifest()
        let image = try await readImage(hashing: listed?.algorithm)
        try await checkSum(listed, image)
        try await checkAgainstManifest(manifest, image)
        try await checkCompanions()
        let disk = try await checkPartitionTable(image, manifest)
        try await checkFileSystems(image, disk)
        try await checkContents(image, disk, manifest)
        try await locateDamage(image, disk, manifest)
        return VerifyReport(file: subject.path.string, rows: recorder.rows)
    }
}
