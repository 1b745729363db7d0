import Diagnostics
import Foundation

/// How JSON is laid out.
package enum JSONLayout: Sendable {
    /// On one line, without a line end.
    case oneLine
    /// Indented, without a line end behind the last line.
    case indented
    /// Indented, every line ended: a file for people and programs.
    case file
}

/// A value as JSON (RFC 8259): keys sorted, slashes as they are; the same value gives the same bytes.
///
/// - Parameter place: the file, or whoever takes it, for errors.
/// - Throws: `Failure` for a value that JSON cannot express, such as a number that is not finite.
package func jsonBytes(_ value: some Encodable, _ layout: JSONLayout, at place: String) throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    if layout != .oneLine { encoder.outputFormatting.insert(.prettyPrinted) }
    do { return Array(try encoder.encode(value)) + (layout == .file ? [UInt8(ascii: "\n")] : []) } catch {
        throw Failure(at: place, "it cannot be written as JSON: \(error)")
    }
}
