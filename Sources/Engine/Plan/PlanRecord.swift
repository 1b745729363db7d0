import Diagnostics
import Digests
import Fetch
import Foundation
import Steps
import Storage
import SystemPackage

/// What the last build of a recipe ran with, so that a plan can say why a step will run again.
package struct PlanRecord: Codable, Sendable {
    struct Step: Codable, Sendable {
        var key: SHA256Digest
        var inputs: [StepInput]
    }

    /// By the step's name.
    var steps: [String: Step] = [:]
    /// The SHA-256 of the image file that came out.
    package var image: SHA256Digest?
    /// The digests of what was written beside the image, by name; nil when that was not noted.
    package var outputs: [String: SHA256Digest]?
    /// By the signature's name.
    package var signatures: [String: Signature]?

    /// A signature that was made.
    package struct Signature: Codable, Sendable, Equatable {
        /// The key, as it was named.
        package var key: String
        /// Of the list of sums that was signed.
        package var list: SHA256Digest
        /// Of the signature's file.
        package var signature: SHA256Digest
    }

    init() {}

    /// Remembers a plan that was carried out.
    package init(_ plan: Plan, image: SHA256Digest?, outputs: [String: SHA256Digest]? = nil) {
        self.outputs = outputs
        for step in plan.steps { steps[step.name] = Step(key: step.key, inputs: step.inputs) }
        self.image = image
    }

    /// Reads a record; one that is missing or cannot be read is empty.
    package static func read(_ path: FilePath) -> PlanRecord {
        _ = UseGate(path.removingLastComponent()).use(path)
        guard let bytes = try? readFile(path) else { return PlanRecord() }
        return (try? JSONDecoder().decode(PlanRecord.self, from: Data(bytes))) ?? PlanRecord()
    }

    /// Writes the record, whole or not at all.
    package func write(to path: FilePath) throws {
        try writeAtomically(to: path, bytes: try jsonBytes(self, .indented, at: path.string))
    }

    /// The files that the build wrote beside the image under names that are no longer used, such as the block map's of earlier versions:
    /// as they were written, and nothing that somebody has put in their place since.
    ///
    /// - Parameter names: those that are used now.
    package func abandoned(in folder: FilePath, besides names: Set<String>) -> [FilePath] {
        (outputs ?? [:]).filter { !names.contains($0.key) && isPlainFileName($0.key) }.sorted { $0.key < $1.key }
            .compactMap { name, digest in
                let path = folder.appending(name)
                return exists(path) && (try? SHA256Digest.of(file: path)) == digest ? path : nil
            }
    }

    /// Why a step runs again: which of its inputs changed, or which step below it; nil when nothing did.
    package func reason(for step: PlannedStep, in plan: Plan) -> String? {
        guard let last = steps[step.name] else { return "never built here" }
        guard last.key != step.key else { return nil }
        let old = Dictionary(last.inputs.map { ($0.name, $0.value) }, uniquingKeysWith: { first, _ in first })
        let new = Dictionary(step.inputs.map { ($0.name, $0.value) }, uniquingKeysWith: { first, _ in first })
        var changes: [String] = []
        for name in Set(old.keys).union(new.keys).sorted() where old[name] != new[name] {
            changes.append("\(name): \(Self.change(from: old[name], to: new[name]))")
        }
        for name in step.below where reason(below: name, plan) { changes.append("step \(name)") }
        return changes.isEmpty ? "piforge's format changed" : changes.joined(separator: "; ")
    }

    private func reason(below name: String, _ plan: Plan) -> Bool {
        plan[name].map { steps[name]?.key != $0.key } ?? false
    }

    /// What is different between two values; of long ones, the lines or words that only one of them has.
    private static func change(from old: String?, to new: String?) -> String {
        let isText = [old, new].contains { $0?.contains("\n") == true }
        guard let old, let new, SHA256Digest(hex: new) == nil, isText || max(old.count, new.count) > longest else {
            return "\(short(old)) → \(short(new))"
        }
        func parts(_ value: String) -> [String] {
            (isText ? value.splitLines() : value.split(separator: " ")).map(String.init)
        }
        let (before, after) = (parts(old), parts(new))
        let (known, wanted) = (Set(before), Set(after))
        let gone = before.filter { !wanted.contains($0) }.map { "- \(short($0))" }
        let come = after.filter { !known.contains($0) }.map { "+ \(short($0))" }
        let all = gone + come
        guard !all.isEmpty else { return "another order" }
        return all.prefix(4).joined(separator: ", ") + (all.count > 4 ? ", and \(all.count - 4) more" : "")
    }

    /// Of a value that is shown whole, in characters.
    private static let longest = 60

    /// A value as a person wants to read it: one line, digests cut to twelve digits.
    private static func short(_ value: String?) -> String {
        guard let value, !value.isEmpty else { return "none" }
        let line = value.splitLines().joined(separator: " ⏎ ")
        if SHA256Digest(hex: line) != nil { return String(line.prefix(12)) }
        return line.count > longest ? line.prefix(longest - 3) + "…" : line
    }
}
