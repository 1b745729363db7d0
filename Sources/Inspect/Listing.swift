import Diagnostics
import Disk
import Foundation
import Layers

/// Where in an image to look: `/etc/fstab` in its tree, or `1:/config.txt` on a partition alone.
package struct ImageLocation: Sendable, Equatable {
    /// nil: the image's tree.
    package var partition: Int?
    /// As it was typed. Links on the way are followed, and `..` goes no further back than to the root.
    package var path: String

    package init(partition: Int? = nil, path: String) {
        self.partition = partition
        self.path = path
    }

    /// Takes a location as it is typed.
    package init(parsing text: String) {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        let rest = text.dropFirst(digits.count)
        if let number = Int(digits), rest.first == ":" {
            self.init(partition: number, path: String(rest.dropFirst()))
        } else {
            self.init(path: text)
        }
    }
}

/// The files that `piforge ls` shows, and how.
package struct Listing {
    /// One file, for programs.
    package struct Row: Codable, Sendable, Equatable {
        /// From the root of what was asked for; bytes that are not UTF-8 as `\ooo`.
        package var path: String
        /// `file`, `folder`, `link`, `character device`, `block device`, `fifo` or `socket`.
        package var type: String
        /// Four octal digits.
        package var mode: String
        /// 0 on a FAT.
        package var uid: UInt32
        /// 0 on a FAT.
        package var gid: UInt32
        /// How many names the file has; 1 on a FAT.
        package var links: Int
        /// Bytes: of a file its content, of a link its target; 0 for all else.
        package var size: UInt64
        /// Seconds since 1970.
        package var mtime: Int64
        /// A link's target, as ``path`` is written; nil for what is no link.
        package var target: String?
        /// `8:1`, of a device; nil for what is none.
        package var device: String?
        /// The names of extended attributes, sorted; nil for none.
        package var attributes: [String]?
    }

    /// Sorted by name, a folder before what is in it; one where the path leads to a file.
    package let files: [ImageFile]
    /// Whether whole paths are shown.
    private let showsPaths: Bool

    /// Lists what is in a folder, or the one file that a path leads to.
    ///
    /// - Parameters:
    ///   - recursive: whether all below it is listed, whole paths shown.
    ///   - long: whether a link at the path's end is shown itself, as with `ls -l`, unless a slash follows it.
    /// - Throws: `Failure` when there is no such file, or a file system is damaged.
    package init(_ location: ImageLocation, in disk: ImageDisk, recursive: Bool, long: Bool) throws {
        let tree = try ImageFiles(disk, location)
        if recursive {
            for mount in tree.mounts { try disk.holdNames(of: mount.volume) }
        }
        let start = try tree.find(location.path.utf8, followLast: !long || location.path.hasSuffix("/"))
        showsPaths = recursive || start.kind != .directory
        guard start.kind == .directory else {
            files = [start]
            return
        }
        guard recursive else {
            files = try tree.children(of: start)
            return
        }
        var found: [ImageFile] = []
        try tree.forEachFile(below: start) { if $0.path != start.path { found.append($0) } }
        files = found
    }

    /// One line for each file.
    package var names: [String] { files.map(name) }

    /// One line for each file, in columns as `ls -ln` has them; times are UTC.
    package var lines: [String] {
        let cells = files.map { file in
            [
                file.modeText, String(file.linkCount), String(file.attributes.uid), String(file.attributes.gid),
                file.device ?? String(file.size), utcText(file.attributes.mtime),
            ]
        }
        let widths = (0..<6).map { column in cells.map { $0[column].count }.max() ?? 0 }
        return zip(cells, files).map { cells, file in
            let columns = zip(cells, widths).enumerated().map { index, cell in
                let space = String(repeating: " ", count: cell.1 - cell.0.count)
                return index == 0 ? cell.0 + space : space + cell.0
            }
            var line = columns.joined(separator: " ") + " " + name(file)
            if case .symlink(let target) = file.kind { line += " -> " + printable(target) }
            return line
        }
    }

    /// One for each of ``files``, in their order.
    package var rows: [Row] {
        files.map { file in
            var row = Row(
                path: exactText([UInt8(ascii: "/")] + file.path.bytes), type: file.type,
                mode: octal(file.attributes.mode), uid: file.attributes.uid, gid: file.attributes.gid,
                links: file.linkCount, size: file.size, mtime: file.attributes.mtime.seconds, device: file.device)
            if case .symlink(let target) = file.kind { row.target = exactText(target) }
            if !file.attributes.xattrs.isEmpty { row.attributes = file.attributes.xattrs.map(\.name) }
            return row
        }
    }

    private func name(_ file: ImageFile) -> String {
        printable(showsPaths ? [UInt8(ascii: "/")] + file.path.bytes : Array(file.path.name))
    }
}

/// Four octal digits.
func octal(_ mode: UInt16) -> String {
    let digits = String(mode, radix: 8)
    return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
}

extension ImageFile {
    /// `8:1`; nil for what is no device.
    var device: String? {
        switch kind {
        case .characterDevice(let major, let minor), .blockDevice(let major, let minor): "\(major):\(minor)"
        default: nil
        }
    }
}

extension ImageFiles {
    /// The tree that a location is in.
    ///
    /// - Throws: `Failure` when there is no such partition, or it cannot be read.
    package convenience init(_ disk: ImageDisk, _ location: ImageLocation) throws {
        if let number = location.partition {
            self.init(disk, try disk.volume(number))
        } else {
            try self.init(disk)
        }
    }

    /// Hands the content of the file that a path leads to on, in pieces of at most 1 MiB.
    ///
    /// - Throws: `Failure` when there is no such file, it is none that has content, or it is damaged.
    package func cat(_ path: String, _ body: (UnsafeRawBufferPointer) throws -> Void) throws {
        let file = try find(path.utf8)
        guard case .regular = file.kind else {
            throw Failure(
                at: printable(file.path.description), "this is no file with content", expected: "a regular file",
                found: "a \(file.type)")
        }
        try forEachChunk(of: file, body)
    }
}
