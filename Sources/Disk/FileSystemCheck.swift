import Diagnostics
import SystemPackage
import Tools

/// Has file systems judged by the programs that know them, which change nothing.
package struct FileSystemCheck: Sendable {
    private let tools: ToolRunner

    /// - Parameter tools: runs the programs; e2fsck reads no configuration of the machine's.
    package init(tools: ToolRunner) {
        var tools = tools
        tools.environment["E2FSCK_CONFIG"] = "/dev/null"
        self.tools = tools
    }

    /// - Throws: `Failure` with e2fsck's words when it finds anything wrong.
    package func checkExt4(_ file: FilePath, place: String) async throws {
        let result = try await tools.result(.e2fsck, ["-f", "-n", file.string])
        guard result.status != 0 else { return }
        // The questions that -n answers, the passes, and what ends every run say nothing of the file system.
        let words = Self.lines(result, file).filter { line in
            !["e2fsck ", "Pass "].contains { line.hasPrefix($0) } && !line.contains("*****")
                && !(line.contains(" files (") && line.hasSuffix(" blocks"))
        }.compactMap(Self.withoutQuestion)
        throw refusal("e2fsck", "ext4", words.isEmpty ? Self.lines(result, file) : words, place)
    }

    /// Passes over what nothing that is read hangs on: the count of free clusters, the copy of the boot sector, and labels.
    ///
    /// - Returns: what was passed over, in the words of fsck.fat.
    /// - Throws: `Failure` with the words of fsck.fat when it finds anything else wrong.
    @discardableResult
    package func checkFAT(_ file: FilePath, place: String) async throws -> [String] {
        let result = try await tools.result(.fsckFAT, ["-n", file.string])
        guard result.status != 0 else { return [] }
        let words = Self.lines(result, file).filter { line in
            !["fsck.fat ", "Leaving filesystem unchanged", "the file system: "].contains { line.hasPrefix($0) }
        }
        let harmless = [
            "Free cluster summary ", "Label in boot sector is '", "There is no label in boot sector",
            "There are differences between boot sector and its backup", "This is mostly harmless",
        ]
        // What is done about it is told in lines of their own, with spaces before them.
        let faults = words.filter { line in !line.hasPrefix(" ") && !harmless.contains { line.hasPrefix($0) } }
        guard result.status == 1, faults.isEmpty, !words.isEmpty else {
            throw refusal("fsck.fat", "FAT", words.isEmpty ? Self.lines(result, file) : words, place)
        }
        return words.filter { !$0.hasPrefix(" ") }
    }

    /// A line of e2fsck without the question after it (`…  Fix? no`); nil where it is nothing but one.
    private static func withoutQuestion(_ line: String) -> String? {
        guard line.hasSuffix("? no") else { return line }
        return line.firstRange(of: "  ").map { String(line[..<$0.lowerBound]) }
    }

    /// What a program said, without empty lines, the file by another name.
    private static func lines(_ result: ToolResult, _ file: FilePath) -> [String] {
        (result.text + "\n" + result.errors).split(whereSeparator: \.isNewline)
            .filter { !$0.allSatisfy(\.isWhitespace) }
            .map { String($0).replacing(file.string, with: "the file system") }
    }

    private func refusal(_ tool: String, _ kind: String, _ words: [String], _ place: String) -> Failure {
        let more = words.count > 6 ? ["… and \(words.count - 6) lines more"] : []
        return Failure(
            at: place, "the \(kind) file system has errors", expected: "\(tool) -n finds none",
            found: (Array(words.prefix(6)) + more).joined(separator: "\n            "),
            next: "fetch the image again, or use another: an image with errors is not a base to build on")
    }
}
