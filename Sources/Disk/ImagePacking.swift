import Diagnostics
import Storage
import SystemPackage

/// How the bytes of a disk lie in a file, known by the file's first bytes and not by its name.
package enum ImagePacking: Sendable, Equatable {
    /// The disk as it is, with a boot sector's mark.
    case raw
    /// An .xz file (The .xz File Format, 2.1.1.1).
    case xz
    /// Something else that is known, and is not read.
    case foreign(ForeignFormat)

    /// - Parameter start: the file's first 512 bytes, or all of a shorter file.
    /// - Returns: nil when the bytes are those of nothing that is known.
    package init?(start: [UInt8]) {
        let format = ForeignFormat(start: start)
        if PackedFormat(start: start) == .xz {
            self = .xz
        } else if let format, format.offset == 0 {
            // Two bytes further on are those of a boot sector in one of 65,536 compressed files.
            self = .foreign(format)
        } else if start.count >= 512, start[510..<512] == [0x55, 0xaa] {
            self = .raw
        } else if let format {
            self = .foreign(format)
        } else {
            return nil
        }
    }

    /// Looks at the first bytes of a file.
    ///
    /// - Throws: `Failure` of kind usage for a format that is not read, with the command that makes a disk of it; `Failure` for what
    ///   is nothing that is known; `Failure` when the file cannot be read.
    package init(of path: FilePath) throws {
        let start = try Self.start(of: path)
        guard let packing = Self(start: start) else {
            throw Failure(
                at: path.string, "this is neither an .xz file nor a raw disk",
                expected: "fd 37 7a 58 5a 00 at its start, or a partition table (55 aa at byte 510)",
                found: start.isEmpty ? "an empty file" : start.prefix(6).hex(separator: " "))
        }
        if case .foreign(let format) = packing { throw format.failure(of: path) }
        self = packing
    }

    /// Refuses a file whose bytes are surely not what its name says: a format that is not read, or an .xz file named as a raw disk.
    /// Whatever else is wrong with it is left to those who read it.
    ///
    /// - Throws: `Failure` of kind usage, with the command that helps.
    package static func check(_ path: FilePath) throws {
        guard let start = try? start(of: path) else { return }
        switch Self(start: start) {
        case .foreign(let format): throw format.failure(of: path)
        case .xz where !path.string.lowercased().hasSuffix(".xz"):
            throw Failure(
                .usage, at: path.string, "this is an .xz file, but its name says that it is not compressed",
                expected: "NAME.img.xz",
                next: "mv \(path.string.shellFile) \(freeName(path.string, ".xz").shellFile)")
        default: break
        }
    }

    private static func start(of path: FilePath) throws -> [UInt8] {
        let file = try OpenFile.reading(path)
        return try file.bytes(at: 0, count: Int(min(try file.size(), PartitionTable.sectorSize)))
    }
}
