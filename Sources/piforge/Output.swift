import Progress
import ArgumentParser
import Diagnostics
import Engine
import SystemPackage

/// Writes to standard output, all of it. Who reads no further (`| head`) ends the program as a signal would.
func writeOutput(_ bytes: UnsafeRawBufferPointer) throws {
    do { try FileDescriptor.standardOutput.writeAll(bytes) } catch Errno.brokenPipe {
        throw ExitCode(141)
    } catch let error as Errno {
        throw Failure(at: "standard output", "it could not be written: \(error.description.lowercased())")
    }
}

/// Writes to standard output, all of it.
func writeOutput(_ text: String) throws {
    var text = text
    try text.withUTF8 { try writeOutput(UnsafeRawBufferPointer($0)) }
}

/// Prints a line on standard output, all of it.
///
/// - Throws: as ``writeOutput(_:)``.
func printLine(_ text: String, terminator: String = "\n") throws { try writeOutput(text + terminator) }

/// A value as one line of JSON that a terminal shows and does not obey: controls that JSON leaves as they are, and what
/// changes the direction of text, are escaped.
func jsonText(_ value: some Encodable) -> String {
    var text = ""
    for scalar in jsonLine(value).unicodeScalars {
        let isBare =
            scalar.value == 0x7f || (0x80...0x9f).contains(scalar.value) || scalar.properties.generalCategory == .format
        guard isBare else {
            text.unicodeScalars.append(scalar)
            continue
        }
        for unit in String(scalar).utf16 {
            let digits = String(unit, radix: 16)
            text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
        }
    }
    return text
}
