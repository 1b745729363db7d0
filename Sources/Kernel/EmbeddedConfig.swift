import Storage
import Diagnostics
import Layers

#if canImport(Glibc)
    import Glibc
#endif

extension KernelConfig {
    /// The configuration that a kernel carries in itself (CONFIG_IKCONFIG): a gzip stream between `IKCFG_ST` and `IKCFG_ED` (Linux,
    /// kernel/configs.c).
    ///
    /// - Parameters:
    ///   - image: a raw image, or a gzip of one.
    ///   - place: the image's path, for errors.
    /// - Returns: nil when it carries none.
    /// - Throws: `Failure` when what it carries is cut short, damaged, or no configuration.
    package init?(embeddedIn image: [UInt8], at place: String) throws {
        let isCompressed = image.starts(with: Self.gzipMark)
        let raw = isCompressed ? try Decompression.bytes(of: image, place: place) : image
        // The stream's first bytes too: the mark alone may stand in a string.
        guard let start = Self.position(of: Self.startMark + Self.gzipMark, in: raw, from: 0) else { return nil }
        let first = start + Self.startMark.count
        guard let end = Self.position(of: Self.endMark, in: raw, from: first) else {
            throw Failure(
                at: place, "the configuration inside the kernel has no end", expected: "IKCFG_ED behind IKCFG_ST")
        }
        let text = try Decompression.bytes(
            of: Array(raw[first..<end]), place: "\(place): the configuration inside the kernel", limit: Self.largest)
        try self.init(text, at: "\(place): the configuration inside the kernel")
    }

    /// Holds a configuration's file to the one inside the kernel, where there is one.
    ///
    /// - Parameters:
    ///   - path: the file's, for errors.
    ///   - image: the kernel's image, at `place`.
    /// - Returns: whether the kernel carries one.
    /// - Throws: `Failure` naming the options in which they differ.
    @discardableResult
    package func agrees(at path: String, withKernel image: [UInt8], at place: String) throws -> Bool {
        guard let inside = try KernelConfig(embeddedIn: image, at: place) else { return false }
        let differing = Set(options).union(inside.options).sorted().filter { self[$0] != inside[$0] }
        guard differing.isEmpty else {
            throw Failure(
                at: path, "the file is not the configuration of the kernel beside it, \(place)",
                expected: differing.prefix(8).map { "\($0)=\(inside[$0])" }.joined(separator: ", "),
                found: differing.prefix(8).map { "\($0)=\(self[$0])" }.joined(separator: ", ")
                    + (differing.count > 8 ? ", and \(differing.count - 8) more" : ""))
        }
        return true
    }

    private static let startMark = Array("IKCFG_ST".utf8)
    private static let endMark = Array("IKCFG_ED".utf8)
    private static let gzipMark = PackedFormat.gzip.magic

    private static func position(of mark: [UInt8], in bytes: [UInt8], from start: Int) -> Int? {
        bytes.withUnsafeBytes { buffer in
            guard let base = buffer.baseAddress else { return nil }
            let last = buffer.count - mark.count
            var position = start
            while position <= last, let found = memchr(base + position, Int32(mark[0]), last - position + 1) {
                if memcmp(found, mark, mark.count) == 0 { return base.distance(to: found) }
                position = base.distance(to: found) + 1
            }
            return nil
        }
    }
}
