import Diagnostics
import Foundation

/// Shows progress in a pipe or a log: one plain line when a step begins, ends or has something to say.
public struct PlainProgress: ProgressReporter {
    private let output: @Sendable (String) -> Void

    /// - Parameter output: takes whole lines, each with its line feed.
    public init(output: @escaping @Sendable (String) -> Void = { FileHandle.standardError.write(Data($0.utf8)) }) {
        self.output = output
    }

    public func report(_ event: ProgressEvent) {
        switch event {
        case .started(let step, let detail): output("\(step): \(detail)\n")
        case .advanced: break
        case .finished(let step, let detail, let cached):
            output("\(step): done\(cached ? " (cached)" : ""): \(detail)\n")
        case .note(let step, let text):
            for line in text.split(separator: "\n") { output("\(step): \(line)\n") }
        }
    }
}

/// Shows progress to a program: one JSON object a line, on standard output, with the keys `event`, `step` and those of
/// the event.
public struct JSONProgress: ProgressReporter {
    private let output: @Sendable (String) -> Void

    /// - Parameter output: takes whole lines, each with its line feed.
    public init(output: @escaping @Sendable (String) -> Void = { FileHandle.standardOutput.write(Data($0.utf8)) }) {
        self.output = output
    }

    public func report(_ event: ProgressEvent) {
        let line: Line
        switch event {
        case .started(let step, let detail): line = Line(event: "started", step: step, detail: detail)
        case .advanced(let step, let completed, let total, let unit, let detail):
            line = Line(
                event: "advanced", step: step, detail: detail, completed: completed, total: total, unit: unit.rawValue)
        case .finished(let step, let detail, let cached):
            line = Line(event: "finished", step: step, detail: detail, cached: cached)
        case .note(let step, let text): line = Line(event: "note", step: step, detail: text)
        }
        output(jsonLine(line))
    }

    private struct Line: Encodable {
        var event: String
        var step: String
        var detail: String
        var completed: UInt64?
        var total: UInt64?
        var unit: String?
        var cached: Bool?
    }
}

/// One value as one line of JSON, keys sorted.
public func jsonLine(_ value: some Encodable) -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    guard let data = try? encoder.encode(value) else { return "{}\n" }
    return String(decoding: data, as: UTF8.self) + "\n"
}
