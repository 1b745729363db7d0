import Layers
import Storage
import Synchronization

/// A stretch of a file system whose bytes are a content's, wherever that is kept.
package struct ContentReference: Sendable {
    /// Bytes from the file system's beginning; a whole number of its blocks.
    package let offset: UInt64
    /// Blocks of 4096 bytes. Where the content ends within the last, zeros follow.
    package let blocks: UInt64
    package let content: Content
    /// Where the stretch begins in the content, in bytes.
    package let contentOffset: UInt64
    /// A name of the file, for errors.
    package let path: EntryPath

    package var end: UInt64 { offset + blocks * ext4BlockSize }

    /// How many of the stretch's bytes are the content's.
    package var byteCount: UInt64 { min(blocks * ext4BlockSize, content.size - contentOffset) }
}

/// A file system of which one file holds the metadata alone: content is read from where it is kept.
package struct ReferencedFileSystem: ByteSource {
    private let metadata: FileSource
    /// In the disk's order, without overlap.
    package let references: [ContentReference]
    private let reader = ContentReader()
    /// The contents that were read whole and found to be what their digests say.
    private let proven = ProvenContents()

    /// - Parameters:
    ///   - metadata: all of the file system but its files' content, where it has holes.
    ///   - references: in the disk's order, without overlap.
    package init(metadata: FileSource, references: [ContentReference]) {
        self.metadata = metadata
        self.references = references
    }

    package var size: UInt64 { metadata.size }

    package func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws {
        let end = offset + UInt64(buffer.count)
        var position = offset
        func part(to next: UInt64) -> UnsafeMutableRawBufferPointer {
            UnsafeMutableRawBufferPointer(rebasing: buffer[Int(position - offset)..<Int(next - offset)])
        }
        for reference in references[index(after: offset)...] {
            if reference.offset >= end { break }
            if reference.offset > position {
                try metadata.read(at: position, into: part(to: reference.offset))
                position = reference.offset
            }
            let contentEnd = min(end, reference.offset + reference.byteCount)
            if contentEnd > position {
                let start = reference.contentOffset + position - reference.offset
                do { try reader.read(reference.content, at: start, into: part(to: contentEnd)) } catch let damage
                    as DamagedContent
                {
                    throw damage.inTree(reference.path)
                }
                position = contentEnd
            }
            let next = min(end, reference.end)
            part(to: next).initializeMemory(as: UInt8.self, repeating: 0)
            position = next
        }
        if position < end { try metadata.read(at: position, into: part(to: end)) }
    }

    package func nextData(from offset: UInt64) throws -> Range<UInt64>? {
        var index = index(after: offset)
        let written = try metadata.nextData(from: offset)
        guard index < references.count else { return written }
        let start = max(offset, references[index].offset)
        if let written, written.lowerBound < start { return written }
        var end = references[index].end
        while index + 1 < references.count, references[index + 1].offset == end {
            index += 1
            end = references[index].end
        }
        return start..<end
    }

    package var isComposed: Bool { true }

    package func compose(_ range: Range<UInt64>, at position: UInt64, into composition: Composition) throws {
        var next = range.lowerBound
        func addMetadata(to end: UInt64) throws {
            if next < end { try composition.add(metadata, next..<end, at: position + next - range.lowerBound) }
        }
        for reference in references[index(after: range.lowerBound)...] {
            if reference.offset >= range.upperBound { break }
            try addMetadata(to: reference.offset)
            let start = max(next, reference.offset)
            let end = min(range.upperBound, reference.offset + reference.byteCount)
            if start < end {
                composition.add(
                    content: reference.content.digest, from: reference.contentOffset + start - reference.offset,
                    at: position + start - range.lowerBound, count: end - start)
            }
            next = min(range.upperBound, reference.end)
        }
        try addMetadata(to: range.upperBound)
    }

    /// The first reference that ends after `offset`.
    private func index(after offset: UInt64) -> Int {
        var (low, high) = (0, references.count)
        while low < high {
            let middle = (low + high) / 2
            if references[middle].end > offset { high = middle } else { low = middle + 1 }
        }
        return low
    }

    // MARK: Proof

    /// Holds every content that lies in `range`, in bytes, to its digest; each is read once, and whole.
    ///
    /// - Throws: ``DamagedContent``.
    package func proveContent(in range: Range<UInt64>) throws {
        for reference in references[index(after: range.lowerBound)...] {
            if reference.offset >= range.upperBound { return }
            try proven.prove(reference, reader)
        }
    }

    /// Holds the contents that `isWanted` chooses to their digests, whether that was done before or not.
    ///
    /// - Throws: ``DamagedContent``.
    package func proveAgain(_ isWanted: (ContentSource) -> Bool) throws {
        let again = ProvenContents()
        for reference in references where isWanted(reference.content.source) { try again.prove(reference, reader) }
    }
}

/// Which contents were proven, by their references' first: one file may hold several that are equal.
private final class ProvenContents: Sendable {
    private let known = Mutex<Set<ContentSource>>([])

    func prove(_ reference: ContentReference, _ reader: ContentReader) throws {
        let source = reference.content.source
        if case .bytes = source { return }
        guard known.withLock({ !$0.contains(source) }) else { return }
        do { try reader.verify(reference.content) } catch let damage as DamagedContent {
            throw damage.inTree(reference.path)
        }
        _ = known.withLock { $0.insert(source) }
    }
}

extension DamagedContent {
    /// The damage with the tree's path in its place.
    func inTree(_ path: EntryPath) -> DamagedContent { DamagedContent(file: file, failure: failure.inTree(path)) }
}
