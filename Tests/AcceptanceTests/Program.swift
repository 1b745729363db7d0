import Foundation
import Storage
import SystemPackage
import Testing

/// What a run of a program left.
struct Outcome: Sendable {
    var status: Int32
    var output: String
    var errors: String
}

/// The program as it was built beside these tests, and the folders of the repository.
enum Program {
    /// The folder of the repository.
    static let repository = FilePath(#filePath).removingLastComponent().removingLastComponent().removingLastComponent()

    /// The built program.
    static var path: FilePath {
        FilePath(Bundle.main.executablePath ?? "").removingLastComponent().appending("piforge")
    }

    /// Runs a program to its end; nothing is typed into it.
    ///
    /// - Parameters:
    ///   - environment: variables in place of, or besides, the test's own.
    ///   - started: called with the running program and each line it writes to standard error.
    static func run(
        _ command: [String], environment: [String: String] = [:], directory: FilePath = repository,
        onErrorLine: (@Sendable (String, Process) -> Void)? = nil
    ) throws -> Outcome {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = command
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        process.currentDirectoryURL = URL(fileURLWithPath: directory.string)
        process.standardInput = FileHandle.nullDevice
        let output = try Spool()
        process.standardOutput = output.handle
        let errors = Pipe()
        process.standardError = errors
        try process.run()
        var text = ""
        var pending = ""
        while true {
            let data = errors.fileHandleForReading.availableData
            if data.isEmpty { break }
            let piece = String(decoding: data, as: UTF8.self)
            text += piece
            pending += piece
            while let end = pending.firstIndex(of: "\n") {
                onErrorLine?(String(pending[..<end]), process)
                pending = String(pending[pending.index(after: end)...])
            }
        }
        process.waitUntilExit()
        return Outcome(
            status: process.terminationReason == .exit ? process.terminationStatus : 128 + process.terminationStatus,
            output: try output.text(), errors: text)
    }

    /// Runs piforge itself.
    static func piforge(
        _ arguments: [String], environment: [String: String] = [:], directory: FilePath = repository,
        onErrorLine: (@Sendable (String, Process) -> Void)? = nil
    ) throws -> Outcome {
        try run([path.string] + arguments, environment: environment, directory: directory, onErrorLine: onErrorLine)
    }
}

/// Takes a program's standard output in a file, so that no pipe fills up.
private struct Spool {
    let folder: TemporaryFolder
    let handle: FileHandle

    init() throws {
        folder = try TemporaryFolder(in: "/tmp", name: "piforge-spool")
        let path = folder.path.appending("output").string
        _ = FileManager.default.createFile(atPath: path, contents: nil)
        handle = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
    }

    func text() throws -> String {
        try handle.close()
        return String(decoding: try readFile(folder.path.appending("output")), as: UTF8.self)
    }
}

/// All files below a folder, by their path in it.
func files(below folder: FilePath) -> [String] {
    (FileManager.default.enumerator(atPath: folder.string)?.compactMap { $0 as? String } ?? []).sorted()
}
