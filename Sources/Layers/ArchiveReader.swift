import CArchive
import Diagnostics
import Storage

#if canImport(Glibc)
    import Glibc
#endif

/// Reads a tar archive (ustar, GNU, pax; sparse files; extended attributes) from a range of a file, member by member,
/// through libarchive. Belongs to one task.
///
/// Names are bytes. libarchive hands on those of ustar and GNU headers as they are, but composes those of pax headers
/// (NFC) on the way from UTF-8 to the locale's character set. Every call is made in the C locale, where that conversion
/// fails for all but ASCII and libarchive falls back on the bytes as they stand.
package final class ArchiveReader {
    private let archive: OpaquePointer
    private let input: ArchiveInput
    private let compression: ArchiveCompression
    private let limits: ArchiveLimits
    private let place: String
    private let locale: locale_t
    private var current: ArchiveMember?
    private var members = 0
    private var totalBytes: UInt64 = 0

    /// - Parameters:
    ///   - range: the archive's bytes in `file`.
    ///   - place: the first words of every error.
    package init(
        _ file: OpenFile, range: Range<UInt64>, compression: ArchiveCompression, limits: ArchiveLimits, place: String
    ) throws {
        guard let archive = archive_read_new(), let locale = piforge_c_locale() else {
            throw Failure(at: place, "no memory left to read the archive")
        }
        self.archive = archive
        self.locale = locale
        self.input = ArchiveInput(file, range)
        self.compression = compression
        self.limits = limits
        self.place = place
        try inCLocale {
            archive_read_support_format_tar(archive)
            switch compression {
            case .none: archive_read_support_filter_none(archive)
            case .gzip: archive_read_support_filter_gzip(archive)
            case .xz: archive_read_support_filter_xz(archive)
            case .zstd: archive_read_support_filter_zstd(archive)
            }
            let client = Unmanaged.passUnretained(input).toOpaque()
            let status = archive_read_open(
                archive, client, nil,
                { _, client, buffer in
                    guard let client, let buffer else { return -1 }
                    return Unmanaged<ArchiveInput>.fromOpaque(client).takeUnretainedValue().next(&buffer.pointee)
                }, nil)
            try check(status)
        }
    }

    deinit {
        archive_read_free(archive)
        freelocale(locale)
    }

    /// The next member; nil after the last. Content of the member before that was not read is skipped.
    ///
    /// - Throws: `Failure` when the archive is damaged or exceeds its limits.
    package func next() throws -> ArchiveMember? {
        try Task.checkCancellation()
        current = try inCLocale { () throws -> ArchiveMember? in
            var entry: OpaquePointer?
            let status = archive_read_next_header(archive, &entry)
            if status == ARCHIVE_EOF || status == ARCHIVE_OK || status == ARCHIVE_WARN { try checkCompression() }
            if status == ARCHIVE_EOF { return nil }
            // A warning here is about a conversion of names, which nobody asked for.
            if status != ARCHIVE_WARN { try check(status) }
            guard let entry else { throw Failure(at: place, "the archive is damaged") }
            return try member(entry)
        }
        return current
    }

    /// Hands on the current member's content, block by block, holes left out.
    ///
    /// - Parameter body: takes the offset (bytes into the content; rising) and the bytes.
    /// - Throws: what `body` throws; `Failure` when the archive is damaged or the content is longer than declared.
    package func forEachBlock(_ body: (UInt64, UnsafeRawBufferPointer) throws -> Void) throws {
        guard let current else { return }
        var end: UInt64 = 0
        while true {
            try Task.checkCancellation()
            var bytes: UnsafeRawPointer?
            var count = 0
            var offset: Int64 = 0
            let status = inCLocale { archive_read_data_block(archive, &bytes, &count, &offset) }
            if status == ARCHIVE_EOF { return }
            try check(status)
            guard count > 0 else { continue }
            guard offset >= 0, UInt64(offset) >= end, UInt64(offset) + UInt64(count) <= current.size else {
                throw Failure(
                    at: "\(place): \(current.name)",
                    "the content does not fit the declared size of \(current.size) bytes")
            }
            end = UInt64(offset) + UInt64(count)
            try body(UInt64(offset), UnsafeRawBufferPointer(start: bytes, count: count))
        }
    }

    /// Writes the current member's content into a layer, holes as zeros.
    package func copyContent(to sink: ContentSink) throws {
        try forEachBlock { offset, bytes in
            try Self.fill(sink, upTo: offset)
            try sink.write(bytes)
        }
        try Self.fill(sink, upTo: current?.size ?? 0)
    }

    private static func fill(_ sink: ContentSink, upTo offset: UInt64) throws {
        while sink.size < offset {
            try Task.checkCancellation()
            try sink.write([UInt8](repeating: 0, count: Int(min(offset - sink.size, 1 << 20))))
        }
    }

    private func inCLocale<Result>(_ body: () throws -> Result) rethrows -> Result {
        let before = uselocale(locale)
        defer { uselocale(before) }
        return try body()
    }

    private func check(_ status: CInt) throws {
        if status == ARCHIVE_OK { return }
        if let failure = input.failure { throw failure }
        let reason = archive_error_string(archive).map { String(cString: $0) } ?? "unknown error \(status)"
        throw Failure(at: place, "the archive is damaged: \(reason.prefix(1).lowercased() + reason.dropFirst())")
    }

    /// libarchive reads plain bytes, too, where it was told of a compression.
    private func checkCompression() throws {
        let expected =
            switch compression {
            case .none: ARCHIVE_FILTER_NONE
            case .gzip: ARCHIVE_FILTER_GZIP
            case .xz: ARCHIVE_FILTER_XZ
            case .zstd: ARCHIVE_FILTER_ZSTD
            }
        guard archive_filter_code(archive, 0) == expected else {
            throw Failure(at: place, "the archive is not compressed as its name says", expected: "\(compression)")
        }
    }

    // MARK: Headers

    private func member(_ entry: OpaquePointer) throws -> ArchiveMember {
        guard let path = archive_entry_pathname(entry).map(bytes) else {
            throw Failure(at: place, "the archive holds a member without a name")
        }
        let name = "\(place): \(String(decoding: path, as: UTF8.self))"
        let kind = try kind(entry, name)
        let size = kind == .regular ? archive_entry_size(entry) : 0
        guard size >= 0 else { throw Failure(at: name, "the declared size is negative") }
        members += 1
        guard members <= limits.members else {
            throw Failure(at: name, "the archive holds too many members", expected: "at most \(limits.members)")
        }
        let (total, overflow) = totalBytes.addingReportingOverflow(UInt64(size))
        totalBytes = total
        guard UInt64(size) <= limits.memberBytes else {
            throw Failure(
                at: name, "the file is too large", expected: "at most \(limits.memberBytes) bytes",
                found: "\(size) bytes")
        }
        guard !overflow, total <= limits.totalBytes else {
            throw Failure(
                at: name, "the archive's content is too large", expected: "at most \(limits.totalBytes) bytes")
        }
        guard let uid = UInt32(exactly: archive_entry_uid(entry)), let gid = UInt32(exactly: archive_entry_gid(entry))
        else { throw Failure(at: name, "the owner's number is out of range", expected: "0 to \(UInt32.max)") }
        let mtime = Timestamp(
            seconds: Int64(archive_entry_mtime(entry)), nanoseconds: UInt32(clamping: archive_entry_mtime_nsec(entry)))
        let attributes = Attributes(
            mode: UInt16(archive_entry_perm(entry) & 0o7777), uid: uid, gid: gid, mtime: mtime, xattrs: xattrs(entry))
        return ArchiveMember(path: path, kind: kind, attributes: attributes, size: UInt64(size))
    }

    private func kind(_ entry: OpaquePointer, _ name: String) throws -> ArchiveMemberKind {
        if let target = archive_entry_hardlink(entry) { return .hardLink(bytes(target)) }
        let major = UInt32(truncatingIfNeeded: archive_entry_rdevmajor(entry))
        let minor = UInt32(truncatingIfNeeded: archive_entry_rdevminor(entry))
        // File types as in inode(7).
        switch archive_entry_filetype(entry) {
        case 0o100000: return .regular
        case 0o040000: return .directory
        case 0o120000: return .symlink(archive_entry_symlink(entry).map(bytes) ?? [])
        case 0o020000: return .characterDevice(major: major, minor: minor)
        case 0o060000: return .blockDevice(major: major, minor: minor)
        case 0o010000: return .fifo
        case 0o140000: return .socket
        case let type: throw Failure(at: name, "the member's type is unknown", found: "0o\(String(type, radix: 8))")
        }
    }

    private func xattrs(_ entry: OpaquePointer) -> [ExtendedAttribute] {
        var result: [ExtendedAttribute] = []
        archive_entry_xattr_reset(entry)
        var name: UnsafePointer<CChar>?
        var value: UnsafeRawPointer?
        var size = 0
        while archive_entry_xattr_next(entry, &name, &value, &size) == ARCHIVE_OK, let name {
            let bytes = Array(UnsafeRawBufferPointer(start: value, count: size))
            result.append(ExtendedAttribute(name: String(cString: name), value: bytes))
        }
        return result
    }

    private func bytes(_ text: UnsafePointer<CChar>) -> [UInt8] {
        Array(UnsafeRawBufferPointer(start: text, count: strlen(text)))
    }
}

/// The bytes libarchive asks for, one block after the other.
private final class ArchiveInput {
    private let file: OpenFile
    private var offset: UInt64
    private let end: UInt64
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 16)
    /// What went wrong while reading; libarchive only knows that something did.
    private(set) var failure: (any Error)?

    init(_ file: OpenFile, _ range: Range<UInt64>) {
        self.file = file
        self.offset = range.lowerBound
        self.end = range.upperBound
    }

    deinit { buffer.deallocate() }

    /// Points `block` at the next bytes and returns how many; 0 at the end, -1 on an error.
    func next(_ block: inout UnsafeRawPointer?) -> Int {
        let count = Int(min(UInt64(buffer.count), end - offset))
        do {
            try file.readExactly(at: offset, into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<count]))
        } catch {
            failure = error
            return -1
        }
        offset += UInt64(count)
        block = UnsafeRawPointer(buffer.baseAddress)
        return count
    }
}
