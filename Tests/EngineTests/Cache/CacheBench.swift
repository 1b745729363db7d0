import Digests
import Foundation
import Layers
import Storage
import SystemPackage
import TestSupport
import Testing
import Tools

#if canImport(Glibc)
    import Glibc
#endif

/// The same bytes for the same seed: half of them can be compressed.
func testBytes(_ count: Int, seed: UInt64) -> [UInt8] {
    var generator = SplitMix64(seed: seed)
    return generator.bytes(count).enumerated().map { index, byte in
        index / 64 % 2 == 0 ? byte : UInt8(index / 4096 & 255)
    }
}

let plain = Attributes(mode: 0o644, mtime: Timestamp(seconds: 0))

/// A layer with a few files.
func sampleLayer(_ seed: UInt64, size: Int = 5_000) -> Layer {
    var layer = Layer(name: "sample \(seed)")
    for (index, name) in ["a", "b", "c"].enumerated() {
        layer.addDirectory(EntryPath("usr"), Attributes(mode: 0o755, mtime: Timestamp(seconds: 0)))
        layer.entries.append(
            Entry(
                EntryPath("usr").appending("\(name)\(seed)".utf8), plain,
                .regular(Content(testBytes(size + index * 700, seed: seed + UInt64(index))))))
    }
    return layer
}

/// All that a layer holds, read whole.
func contents(of layer: Layer) throws -> [[UInt8]] {
    let reader = ContentReader()
    return try layer.entries.compactMap { entry in
        guard case .regular(let content) = entry.kind else { return nil }
        return try reader.bytes(of: content)
    }
}

/// Sets the time of a file's last use.
func setUse(_ path: FilePath, _ seconds: Int) {
    var times = [timespec(tv_sec: seconds, tv_nsec: 0), timespec(tv_sec: seconds, tv_nsec: 0)]
    utimensat(AT_FDCWD, path.string, &times, AT_SYMLINK_NOFOLLOW)
}

/// A running program.
final class Child {
    let process = Process()
    private let output = Pipe()

    init(_ arguments: [String], environment: [String: String] = [:]) throws {
        process.executableURL = URL(fileURLWithPath: arguments[0])
        process.arguments = Array(arguments.dropFirst())
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
    }

    deinit { if process.isRunning { killed() } }

    /// Waits for the first bytes that it prints.
    func waitForOutput() { _ = output.fileHandleForReading.availableData }

    /// Kills it as the kernel does when memory is short: no code of its own runs any more.
    func killed() {
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
    }

    func end() -> Int32 {
        process.waitUntilExit()
        return process.terminationReason == .exit ? process.terminationStatus : 128 + process.terminationStatus
    }
}

/// Programs that were built beside these tests.
enum Built {
    static func path(_ name: String) -> String {
        FilePath(Bundle.main.executablePath ?? "").removingLastComponent().appending(name).string
    }
}
