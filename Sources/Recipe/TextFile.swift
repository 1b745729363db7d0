import Diagnostics
import Foundation
import Storage
import SystemPackage

#if canImport(Glibc)
    import Glibc
#endif

/// Reads a UTF-8 file of at most `limit` bytes.
///
/// - Throws: `Failure` of kind `.usage`: no such file, too large, not UTF-8.
func readText(_ path: FilePath, limit: Int) throws -> String {
    var status = stat()
    // A shell's <(…) is a link to a pipe that somebody writes to; at a named pipe the wait could be for nobody.
    if lstat(path.string, &status) == 0, status.st_mode & S_IFMT == S_IFIFO {
        throw Failure.notAFile(path, found: "a named pipe")
    }
    do {
        let descriptor = try FileDescriptor.open(path, .readOnly)
        let bytes = try descriptor.closeAfter {
            try [UInt8](unsafeUninitializedCapacity: limit + 1) { buffer, count in
                let raw = UnsafeMutableRawBufferPointer(buffer)
                while count <= limit {
                    let got = try descriptor.read(into: UnsafeMutableRawBufferPointer(rebasing: raw[count...]))
                    if got == 0 { break }
                    count += got
                }
            }
        }
        guard bytes.count <= limit else {
            throw Failure(.usage, at: path.string, "the file is too large", expected: "at most \(limit >> 10) KiB")
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw Failure(.usage, at: path.string, "the file is not UTF-8 text")
        }
        return text.hasPrefix("\u{feff}") ? String(text.dropFirst()) : text
    } catch let error as Errno {
        let description = error.description.lowercased()
        throw Failure(.usage, at: path.string, "could not read the file: \(description)")
    }
}

/// The folder that relative paths of the command line start at.
func workingFolder() throws -> String { FileManager.default.currentDirectoryPath }
