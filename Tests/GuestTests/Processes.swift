import Foundation
import SystemPackage

/// The ids of all processes.
func processes() -> [Int32] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
    return names.compactMap { Int32($0) }
}

/// A file below /proc, whose size the kernel does not tell.
func readProcessFile(_ path: FilePath) throws -> String {
    let file = try FileDescriptor.open(path, .readOnly)
    return try file.closeAfter {
        var bytes = [UInt8](repeating: 0, count: 1 << 16)
        let count = try bytes.withUnsafeMutableBytes { try file.read(into: $0) }
        return String(decoding: bytes[..<count], as: UTF8.self)
    }
}
