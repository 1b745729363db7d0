import CArchive
import Diagnostics
import Storage
import SystemPackage

/// Writes a tree as one archive, through libarchive. The same tree gives the same bytes: names in sorted order, inode
/// numbers counted from 1, no user or group names, no time but the entries' own, one compression thread.
///
/// The tree's root folder itself has no entry. Of a file with several names, the last name carries the content in cpio
/// (as GNU cpio and the kernel's unpacker expect) and the first one in tar.
package struct ArchiveWriter: Sendable {
    /// The archive's layout.
    package enum Format: Sendable, Hashable {
        /// "New ASCII" cpio, the initramfs format (Linux, Documentation/driver-api/early-userspace/buffer-format.rst).
        /// Carries no extended attributes, whole seconds from 0 to 2^32-1 only, and files of less than 4 GiB.
        case cpio
        /// POSIX.1-2001 pax: tar with sub-second times and extended attributes where entries have them.
        case tar
    }

    /// How the archive is compressed.
    package enum Filter: Sendable, Hashable {
        case none
        /// Level 1 to 9; the header's time field is 0.
        case gzip(level: Int)
        /// Level 1 to 19.
        case zstd(level: Int)
        /// Preset 0 to 9. Checked by CRC64, so not for an initramfs: the kernel knows CRC32 alone (xz_dec).
        case xz(preset: Int)
    }

    package var format: Format
    package var filter: Filter
    /// Later times are written as this one; nil keeps every entry's own.
    package var latestTime: Timestamp?

    package init(_ format: Format, filter: Filter = .none, latestTime: Timestamp? = nil) {
        self.format = format
        self.filter = filter
        self.latestTime = latestTime
    }

    /// Writes the archive to a file of the host, which appears when it is whole.
    ///
    /// - Throws: `Failure` for an entry the format cannot hold, unreadable content or a full disk; `CancellationError`.
    package func write(_ tree: Tree, to path: FilePath, mode: UInt16 = 0o644) throws {
        try writeAtomically(to: path, mode: mode) { try write(tree, into: ArchiveOutput(file: $0)) }
    }

    /// As ``write(_:to:mode:)-(Tree,_,_)``, for entries: what their paths need above them is made.
    package func write(_ entries: [Entry], to path: FilePath, mode: UInt16 = 0o644) throws {
        try write(Tree([Layer(name: "archive", entries: entries)]), to: path, mode: mode)
    }

    /// The archive's bytes.
    ///
    /// - Throws: as ``write(_:to:mode:)-(Tree,_,_)``.
    package func bytes(of tree: Tree) throws -> [UInt8] {
        let output = ArchiveOutput(file: nil)
        try write(tree, into: output)
        return output.bytes
    }

    /// The bytes of an archive of these entries: what their paths need above them is made.
    package func bytes(of entries: [Entry]) throws -> [UInt8] {
        try bytes(of: Tree([Layer(name: "archive", entries: entries)]))
    }

    private func write(_ tree: Tree, into output: ArchiveOutput) throws {
        let stream = try ArchiveStream(format, filter, into: output)
        let reader = ContentReader()
        var numbers: [Int: Int64] = [:]
        var seen: [Int: (first: EntryPath, count: Int)] = [:]
        for path in tree.paths where !path.isRoot {
            try Task.checkCancellation()
            guard let index = tree.names[path] else { continue }
            var node = tree.nodes[index]
            if let latestTime { node.attributes.mtime = min(node.attributes.mtime, latestTime) }
            let number = numbers[index] ?? Int64(numbers.count + 1)
            numbers[index] = number
            let known = seen[index] ?? (path, 0)
            seen[index] = (known.first, known.count + 1)
            var link: EntryPath?
            var content: Content?
            if case .regular(let own) = node.kind { content = own }
            switch format {
            case .cpio where known.count + 1 < node.linkCount: content = nil
            case .tar where known.count > 0:
                content = nil
                link = known.first
            default: break
            }
            try check(path, node)
            try stream.header(path, node, inode: number, size: content?.size ?? 0, link: link)
            if let content {
                try reader.forEachChunk(of: content) { try stream.data($0, path) }
            }
        }
        try stream.close()
    }

    private func check(_ path: EntryPath, _ node: TreeNode) throws {
        func refuse(_ reason: String) -> Failure { Failure(at: "\(path)", "\(reason)") }
        switch (format, node.kind) {
        case (.tar, .socket): throw refuse("a tar archive cannot hold a socket")
        case (.cpio, .regular(let content)) where content.size > UInt64(UInt32.max):
            throw refuse("a cpio archive cannot hold a file of \(content.size) bytes")
        default: break
        }
        if format == .cpio, !(0...Int64(UInt32.max)).contains(node.attributes.mtime.seconds) {
            throw refuse("a cpio archive cannot hold the time \(node.attributes.mtime.seconds)")
        }
    }
}

/// Where an archive's bytes go: a file, or memory.
private final class ArchiveOutput {
    private let file: OpenFile?
    private var offset: UInt64 = 0
    fileprivate var bytes: [UInt8] = []
    /// What a write failed with; libarchive's callback can only say that it did.
    fileprivate var failure: (any Error)?

    init(file: OpenFile?) { self.file = file }

    func append(_ piece: UnsafeRawBufferPointer) -> Int {
        do {
            if let file { try file.write(at: offset, piece) } else { bytes.append(contentsOf: piece) }
            offset += UInt64(piece.count)
            return piece.count
        } catch {
            failure = error
            return -1
        }
    }
}

/// One libarchive writer.
private final class ArchiveStream {
    private let archive: OpaquePointer
    private let output: ArchiveOutput

    init(_ format: ArchiveWriter.Format, _ filter: ArchiveWriter.Filter, into output: ArchiveOutput) throws {
        guard let archive = archive_write_new() else { throw Failure(at: "archive", "out of memory") }
        self.archive = archive
        self.output = output
        switch format {
        case .cpio: try check(archive_write_set_format_cpio_newc(archive))
        case .tar:
            try check(archive_write_set_format_pax_restricted(archive))
            // Names are bytes: without this, libarchive would convert them from the locale's character set.
            try check(archive_write_set_format_option(archive, "pax", "hdrcharset", "BINARY"))
        }
        switch filter {
        case .none: try check(archive_write_add_filter_none(archive))
        case .gzip(let level):
            try check(archive_write_add_filter_gzip(archive))
            try option("gzip", "compression-level", "\(level)")
            try option("gzip", "timestamp", nil)
        case .zstd(let level):
            try check(archive_write_add_filter_zstd(archive))
            try option("zstd", "compression-level", "\(level)")
        case .xz(let preset):
            try check(archive_write_add_filter_xz(archive))
            try option("xz", "compression-level", "\(preset)")
            try option("xz", "threads", "1")
        }
        try check(archive_write_set_bytes_per_block(archive, 1 << 18))
        // No zeros after the end: a compressed stream must not have any.
        try check(archive_write_set_bytes_in_last_block(archive, 1))
        // The output outlives the stream, which holds it.
        let context = Unmanaged.passUnretained(output).toOpaque()
        try check(
            archive_write_open(
                archive, context, nil,
                { _, context, bytes, count in
                    guard let context else { return -1 }
                    let output = Unmanaged<ArchiveOutput>.fromOpaque(context).takeUnretainedValue()
                    return output.append(UnsafeRawBufferPointer(start: bytes, count: count))
                }, nil))
    }

    deinit {
        // After an error nothing more is written.
        archive_write_fail(archive)
        archive_write_free(archive)
    }

    func header(_ path: EntryPath, _ node: TreeNode, inode: Int64, size: UInt64, link: EntryPath?) throws {
        guard let entry = archive_entry_new() else { throw Failure(at: "archive", "out of memory") }
        defer { archive_entry_free(entry) }
        let attributes = node.attributes
        setText(path.bytes) { archive_entry_copy_pathname(entry, $0) }
        archive_entry_set_perm(entry, mode_t(attributes.mode))
        archive_entry_set_uid(entry, Int64(attributes.uid))
        archive_entry_set_gid(entry, Int64(attributes.gid))
        archive_entry_set_mtime(entry, Int(attributes.mtime.seconds), Int(attributes.mtime.nanoseconds))
        archive_entry_set_ino64(entry, inode)
        archive_entry_set_nlink(entry, UInt32(clamping: node.linkCount))
        archive_entry_set_size(entry, Int64(size))
        for xattr in attributes.xattrs {
            xattr.value.withUnsafeBytes {
                archive_entry_xattr_add_entry(entry, xattr.name, $0.baseAddress, $0.count)
            }
        }
        switch node.kind {
        case .regular, .hardLink: archive_entry_set_filetype(entry, 0o100000)
        case .directory: archive_entry_set_filetype(entry, 0o040000)
        case .symlink(let target):
            archive_entry_set_filetype(entry, 0o120000)
            setText(target) { archive_entry_copy_symlink(entry, $0) }
        case .characterDevice(let major, let minor):
            archive_entry_set_filetype(entry, 0o020000)
            setDevice(entry, major, minor)
        case .blockDevice(let major, let minor):
            archive_entry_set_filetype(entry, 0o060000)
            setDevice(entry, major, minor)
        case .fifo: archive_entry_set_filetype(entry, 0o010000)
        case .socket: archive_entry_set_filetype(entry, 0o140000)
        }
        if let link { setText(link.bytes) { archive_entry_copy_hardlink(entry, $0) } }
        try check(archive_write_header(archive, entry), path)
    }

    func data(_ piece: UnsafeRawBufferPointer, _ path: EntryPath) throws {
        var rest = piece
        while !rest.isEmpty {
            let count = archive_write_data(archive, rest.baseAddress, rest.count)
            guard count > 0 else { throw failure(path) }
            rest = UnsafeRawBufferPointer(rebasing: rest[count...])
        }
    }

    func close() throws { try check(archive_write_close(archive)) }

    private func setDevice(_ entry: OpaquePointer, _ major: UInt32, _ minor: UInt32) {
        archive_entry_set_rdevmajor(entry, dev_t(major))
        archive_entry_set_rdevminor(entry, dev_t(minor))
    }

    private func setText(_ bytes: [UInt8], _ body: (UnsafePointer<CChar>) -> Void) {
        (bytes + [0]).withUnsafeBytes { raw in
            if let base = raw.assumingMemoryBound(to: CChar.self).baseAddress { body(base) }
        }
    }

    private func option(_ module: String, _ name: String, _ value: String?) throws {
        try check(archive_write_set_filter_option(archive, module, name, value))
    }

    /// A warning is an error too: it means that something was left out.
    private func check(_ status: CInt, _ path: EntryPath? = nil) throws {
        guard status == ARCHIVE_OK else { throw failure(path) }
    }

    private func failure(_ path: EntryPath?) -> any Error {
        if let failure = output.failure { return failure }
        let reason = archive_error_string(archive).map { String(cString: $0) } ?? "unknown error"
        return Failure(at: path.map { "\($0)" } ?? "archive", "could not write the archive: \(reason)")
    }
}
