import Diagnostics
import Layers
import Storage
import SystemPackage
import Tools

/// A patch of a kernel's source, as `diff -u` or git write it, with one leading path component.
package struct KernelPatch: Sendable {
    /// What messages call it.
    package let name: String
    private let bytes: [UInt8]

    package init(_ bytes: [UInt8], name: String) {
        self.bytes = bytes
        self.name = name
    }

    /// The files that it changes, makes or removes.
    ///
    /// - Throws: `Failure` when it names none, or one outside of the tree.
    package func files() throws -> Set<EntryPath> {
        var files: Set<EntryPath> = []
        for line in bytes.split(separator: UInt8(ascii: "\n")) {
            guard
                let mark = ["--- ", "+++ ", "rename from ", "copy from "].first(where: { line.starts(with: $0.utf8) })
            else { continue }
            let name = line.dropFirst(mark.utf8.count).prefix {
                ![UInt8(ascii: "\t"), UInt8(ascii: "\r")].contains($0)
            }
            if name.elementsEqual("/dev/null".utf8) { continue }
            var path = try EntryPath(validating: name)
            if mark.count == 4 {
                guard let first = path.components.first, let inside = path.relative(to: .root.appending(first)),
                    !inside.isRoot
                else { continue }
                path = inside
            }
            files.insert(path)
        }
        guard !files.isEmpty else {
            throw Failure(at: name, "this is no patch: it changes no file", expected: "--- a/FILE and +++ b/FILE")
        }
        return files
    }

    /// Applies it to a tree.
    ///
    /// - Throws: `Failure` naming the files and hunks that do not apply.
    package func apply(to folder: FilePath, tools: ToolRunner = ToolRunner()) async throws {
        _ = try files()
        let result = try await tools.result(
            .patch,
            // Nothing is guessed: a hunk whose context is another was made for another source.
            ["-p1", "--batch", "--forward", "--fuzz=0", "--reject-file=-", "--no-backup-if-mismatch"], input: bytes,
            directory: folder)
        guard result.status != 0 else { return }
        var file = ""
        var refused: [String] = []
        for line in (result.text + result.errors).splitLines() {
            if line.hasPrefix("patching file ") { file = line.dropFirst("patching file ".count).filter { $0 != "'" } }
            let isHunk = line.hasPrefix("Hunk ") && (line.contains("FAILED") || line.contains("ignored"))
            if isHunk { refused.append("\(file): \(line.prefix { $0 != "." })") }
            if line.hasPrefix("Reversed (or previously applied)") { refused.append("\(file): it is applied already") }
            if line.hasPrefix("can't find file") { refused.append(String(line.prefix(200))) }
        }
        let said = (result.text + result.errors).splitLines().suffix(4).map(String.init)
        throw Failure(
            at: name, "the patch does not apply", expected: "a patch for this version of the source",
            found: (refused.isEmpty ? said : refused).joined(separator: "; "))
    }
}
