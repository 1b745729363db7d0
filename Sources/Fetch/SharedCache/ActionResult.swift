import Digests

/// What a remote cache of Bazel's keeps under `/ac/KEY`: which file an action made, by its digest. Written and read by hand, since
/// it is one message of Protocol Buffers with one file in it (Remote Execution API v2, remote_execution.proto: `ActionResult`;
/// protobuf.dev, "Encoding"):
///
///     ActionResult.output_files = 2:  OutputFile.path = 1
///                                     OutputFile.digest = 2:  Digest.hash = 1 (hex), Digest.size_bytes = 2
///
/// bazel-remote parses such a message, and answers with it only while it has the file; it adds a field of its own.
struct ActionResult: Equatable {
    /// The most bytes that a message may have.
    static let limit = 64 << 10
    /// The path that stands for the one file of an entry.
    static let path = "piforge"

    var digest: SHA256Digest
    /// Bytes of the file.
    var size: UInt64

    init(digest: SHA256Digest, size: UInt64) {
        self.digest = digest
        self.size = size
    }

    var bytes: [UInt8] {
        let digest = Self.field(1, Array(self.digest.hex.utf8)) + [2 << 3] + Self.variable(size)
        return Self.field(2, Self.field(1, Array(Self.path.utf8)) + Self.field(2, digest))
    }

    /// Parses a message; nil for one that is malformed, or names no file of ours.
    init?(_ bytes: [UInt8]) {
        guard bytes.count <= Self.limit, let files = Self.fields(2, in: bytes[...]) else { return nil }
        for file in files {
            guard let paths = Self.fields(1, in: file), let digests = Self.fields(2, in: file) else { return nil }
            guard paths.last.map({ $0.elementsEqual(Self.path.utf8) }) == true, let digest = digests.last else {
                continue
            }
            var reader = Reader(rest: digest)
            var (hash, size): (SHA256Digest?, UInt64) = (nil, 0)
            while let (number, value) = reader.next() {
                switch (number, value) {
                case (1, .bytes(let text)): hash = SHA256Digest(hex: String(decoding: text, as: UTF8.self))
                case (2, .number(let count)): size = count
                default: break
                }
            }
            guard !reader.isMalformed, let hash, size <= UInt64(Int64.max) else { return nil }
            self.init(digest: hash, size: size)
            return
        }
        return nil
    }

    // MARK: Protocol Buffers

    /// A field of bytes: its number and kind, how many there are, and they.
    private static func field(_ number: UInt8, _ bytes: [UInt8]) -> [UInt8] {
        [number << 3 | 2] + variable(UInt64(bytes.count)) + bytes
    }

    /// Seven bits a byte, the lowest first.
    private static func variable(_ value: UInt64) -> [UInt8] {
        var (value, bytes): (UInt64, [UInt8]) = (value, [])
        while value > 127 {
            bytes.append(UInt8(value & 127) | 128)
            value >>= 7
        }
        return bytes + [UInt8(value)]
    }

    /// The fields of a number that hold bytes; nil for a malformed message.
    private static func fields(_ number: UInt64, in bytes: ArraySlice<UInt8>) -> [ArraySlice<UInt8>]? {
        var reader = Reader(rest: bytes)
        var found: [ArraySlice<UInt8>] = []
        while let (name, value) = reader.next() {
            if name == number, case .bytes(let bytes) = value { found.append(bytes) }
        }
        return reader.isMalformed ? nil : found
    }

    private enum Value {
        case number(UInt64)
        case bytes(ArraySlice<UInt8>)
        case other
    }

    private struct Reader {
        var rest: ArraySlice<UInt8>
        var isMalformed = false

        init(rest: ArraySlice<UInt8>) { self.rest = rest }

        /// The next field; nil at the end, and where the message is malformed.
        mutating func next() -> (UInt64, Value)? {
            guard !rest.isEmpty, !isMalformed else { return nil }
            guard let tag = number() else { return malformed() }
            switch tag & 7 {
            case 0: return number().map { (tag >> 3, .number($0)) } ?? malformed()
            case 1: return take(8).map { _ in (tag >> 3, .other) } ?? malformed()
            case 2:
                guard let count = number(), let bytes = take(count) else { return malformed() }
                return (tag >> 3, .bytes(bytes))
            case 5: return take(4).map { _ in (tag >> 3, .other) } ?? malformed()
            default: return malformed()
            }
        }

        private mutating func malformed() -> (UInt64, Value)? {
            isMalformed = true
            return nil
        }

        private mutating func take(_ count: UInt64) -> ArraySlice<UInt8>? {
            guard count <= UInt64(rest.count) else { return nil }
            defer { rest = rest.dropFirst(Int(count)) }
            return rest.prefix(Int(count))
        }

        private mutating func number() -> UInt64? {
            var value: UInt64 = 0
            for shift in stride(from: 0, to: 64, by: 7) {
                guard let byte = rest.popFirst() else { return nil }
                value |= UInt64(byte & 127) << UInt64(shift)
                if byte < 128 { return value }
            }
            return nil
        }
    }
}
