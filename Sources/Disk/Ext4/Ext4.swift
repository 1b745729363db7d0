import Diagnostics
import Layers
import Storage
import SystemPackage
import Tools

/// Writes ext4 file systems, once and whole, from a tree (Linux, Documentation/filesystems/ext4).
///
///     group 0      superblock · group descriptors · room for more of them · bitmaps · inode tables of 16 groups
///                  folders' blocks, then content in the tree's order
///     groups …     content, around the backups of the superblock (groups 1 and powers of 3, 5, 7) and the journal
///
/// mke2fs makes the empty file system, every feature named, on a sparse file; the tree is put in through libext2fs
/// for whatever has a checksum, and straight into the file for content. The same tree and options give the same
/// bytes.
package enum Ext4 {
    /// What a written file system holds.
    package struct Usage: Sendable, Equatable {
        /// Bytes.
        package var size: UInt64
        /// Bytes no file has, those reserved for root among them.
        package var free: UInt64
        /// All inodes, those that ext4 keeps for itself among them; mke2fs may make more than were asked for.
        package var inodeCount: UInt32
        /// Of these, the ones that nothing has.
        package var freeInodeCount: UInt32
    }

    /// A file system of which the metadata is written, and the content referred to.
    package struct Composed: Sendable {
        package var usage: Usage
        package var source: ReferencedFileSystem
    }

    /// Writes the file system, content and all; the file appears when it is whole.
    ///
    /// - Throws: `Failure` naming the file, or the tree's path that ext4 cannot hold; `CancellationError`. Nothing is
    ///   left behind then.
    @discardableResult
    package static func write(
        _ tree: Tree, to path: FilePath, _ options: Ext4Options, tools: ToolRunner
    ) async throws -> Usage {
        try options.validate(place: path.string)
        return try await writeAtomically(to: path) { file in
            let (usage, references) = try await writeMetadata(tree, into: file, options, tools, place: path)
            try writeContent(references, into: file)
            return usage
        }
    }

    /// Writes the file system's metadata alone; the file appears when that is whole. The bytes of the source are those that
    /// ``write(_:to:_:tools:)`` writes.
    ///
    /// - Throws: as ``write(_:to:_:tools:)``.
    package static func compose(
        _ tree: Tree, to path: FilePath, _ options: Ext4Options, tools: ToolRunner
    ) async throws -> Composed {
        try options.validate(place: path.string)
        let (usage, references) = try await writeAtomically(to: path) { file in
            try await writeMetadata(tree, into: file, options, tools, place: path)
        }
        return Composed(
            usage: usage, source: ReferencedFileSystem(metadata: try FileSource(path), references: references))
    }

    private static func writeMetadata(
        _ tree: Tree, into file: OpenFile, _ options: Ext4Options, _ tools: ToolRunner, place path: FilePath
    ) async throws -> (Usage, [ContentReference]) {
        let layout = Ext4Layout(tree)
        try checkSize(layout, options, path)
        try file.truncate(to: options.size)
        try await makeEmpty(file.path, layout, options, tools, place: path.string)
        try Task.checkCancellation()
        let volume = try Ext4Volume(file.path, writable: true)
        volume.setTime(options.epoch)
        let population = try Ext4Population(
            tree: tree, layout: layout, volume: volume, file: file, epoch: options.epoch, place: path.string)
        let references = try population.run()
        try volume.finish(epoch: options.epoch)
        let usage = Usage(
            size: options.size, free: volume.freeBlockCount * ext4BlockSize, inodeCount: volume.inodeCount,
            freeInodeCount: volume.freeInodeCount)
        return (usage, references)
    }

    /// Writes the content to where it is referred from; each is held to its digest.
    private static func writeContent(_ references: [ContentReference], into file: OpenFile) throws {
        let output = BlockOutput(file: file)
        let reader = ContentReader()
        var next = 0
        while next < references.count {
            try Task.checkCancellation()
            let first = references[next]
            var position: UInt64 = 0
            do {
                try reader.forEachChunk(of: first.content) { chunk in
                    let end = position + UInt64(chunk.count)
                    while next < references.count, references[next].path == first.path,
                        references[next].contentOffset < end
                    {
                        let reference = references[next]
                        let contentEnd = reference.contentOffset + reference.byteCount
                        let from = max(position, reference.contentOffset)
                        let to = min(end, contentEnd)
                        let piece = UnsafeRawBufferPointer(rebasing: chunk[Int(from - position)..<Int(to - position)])
                        try output.write(
                            piece, at: (reference.offset + from - reference.contentOffset) / ext4BlockSize)
                        if to < contentEnd { break }
                        next += 1
                    }
                    position = end
                }
            } catch let damage as DamagedContent { throw damage.inTree(first.path) }
        }
        try output.flush()
    }

    /// The features, each by its name; Linux 4.15 mounts them all. Checksums hang on the UUID (no metadata_csum_seed).
    private static let features =
        "none,has_journal,ext_attr,resize_inode,dir_index,filetype,extent,64bit,flex_bg,sparse_super,large_file,"
        + "huge_file,dir_nlink,extra_isize,metadata_csum"

    private static func makeEmpty(
        _ image: FilePath, _ layout: Ext4Layout, _ options: Ext4Options, _ tools: ToolRunner, place: String
    ) async throws {
        var tools = tools
        tools.environment["MKE2FS_CONFIG"] = "/dev/null"
        tools.environment["E2FSPROGS_FAKE_TIME"] = String(options.epoch)
        let inodes = options.inodeCount ?? defaultInodeCount(layout.newInodeCount, size: options.size)
        let journal = options.journalSize ?? defaultJournalSize(options.size)
        // The file is sparse, so tables and journal are zero already.
        let extended = [
            "hash_seed=\(options.hashSeed)", "lazy_itable_init=1", "lazy_journal_init=1", "nodiscard",
            "root_owner=0:0", "resize=\(growthLimit / ext4BlockSize)",
        ]
        try await tools.run(
            Tool.mke2fs,
            [
                "-F", "-q", "-o", "Linux", "-O", features, "-b", "\(ext4BlockSize)", "-I", "256", "-G", "16", "-g",
                "32768", "-N", "\(inodes)", "-m", "\(options.reservedPercent)", "-J", "size=\(journal >> 20)", "-L",
                options.label, "-U", options.uuid, "-e", "continue", "-E", extended.joined(separator: ","),
                image.string, "\(options.size / 1024)k",
            ], place: place)
    }

    private static func checkSize(_ layout: Ext4Layout, _ options: Ext4Options, _ path: FilePath) throws {
        let needed = minimumSize(
            of: layout, freeBytes: 0, inodeCount: options.inodeCount, reservedPercent: 0,
            journalSize: options.journalSize)
        guard needed <= options.size else {
            throw Failure(
                at: path.string, "the tree does not fit into the file system", expected: "at least \(needed >> 20) MiB",
                found: "\(options.size >> 20) MiB", next: "set \(options.sizeKey) to \(needed >> 20)M or more")
        }
        if let inodes = options.inodeCount, inodes < layout.newInodeCount + UInt64(Ext4Layout.lostAndFoundInode) {
            throw Failure(
                at: path.string, "the file system has too few inodes for the tree",
                expected: "at least \(layout.newInodeCount + UInt64(Ext4Layout.lostAndFoundInode))", found: "\(inodes)")
        }
    }
}
