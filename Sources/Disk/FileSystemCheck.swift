import Diagnostics
import SystemPackage
import Tools

/// Has file systems judged by the programs that know them, which change nothing.
public struct FileSystemCheck: Sendable {
    public static let e2fsck = Tool("e2fsck", package: "e2fsprogs", purpose: "check the image's root file system")
    public static let fsckFAT = Tool("fsck.fat", package: "dosfstools", purpose: "check the image's boot file system")

    private let tools: ToolRunner

    public init(tools: ToolRunner) {
        var tools = tools
        tools.environment["E2FSCK_CONFIG"] = "/dev/null"
        self.tools = tools
    }

    /// - Throws: `Failure` with e2fsck's words when it finds anything wrong.
    public func checkExt4(_ file: FilePath, place: String) async throws {
        let result = try await tools.result(Self.e2fsck, ["-f", "-n", file.string])
        guard result.status != 0 else { return }
        throw refusal("e2fsck", "ext4", result, file, place) { !$0.hasPrefix("Pass ") && !$0.hasPrefix("e2fsck ") }
    }

    /// - Throws: `Failure` with the words of fsck.fat when it finds anything wrong.
    public func checkFAT(_ file: FilePath, place: String) async throws {
        let result = try await tools.result(Self.fsckFAT, ["-n", file.string])
        guard result.status != 0 else { return }
        throw refusal("fsck.fat", "FAT", result, file, place) { !$0.hasPrefix("fsck.fat ") }
    }

    private func refusal(
        _ tool: String, _ kind: String, _ result: ToolResult, _ file: FilePath, _ place: String,
        _ isWord: (Substring) -> Bool
    ) -> Failure {
        let text = (result.text + "\n" + result.errors).split(whereSeparator: \.isNewline)
        let words = text.filter { !$0.allSatisfy(\.isWhitespace) && isWord($0) }
            .map { String($0).replacing(file.string, with: "the file system") }
        let more = words.count > 6 ? ["… and \(words.count - 6) lines more"] : []
        return Failure(
            at: place, "the \(kind) file system has errors", expected: "\(tool) -n finds none",
            found: (Array(words.prefix(6)) + more).joined(separator: "\n            "),
            next: "fetch the image again, or use another: an image with errors is not a base to build on")
    }
}
