import Storage
import SystemPackage

/// Bytes that compress about as programs do: words of a small vocabulary, with noise between them.
package func compressibleBytes(_ count: Int, seed: UInt64) -> [UInt8] {
    var generator = SplitMix64(seed: seed)
    let words = (0..<64).map { _ in
        (0..<Int.random(in: 2...20, using: &generator)).map { _ in UInt8.random(in: 0...255, using: &generator) }
    }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count + 32)
    while bytes.count < count {
        let draw = generator.next()
        bytes += words[Int(draw & 63)]
        if draw >> 60 == 0 { bytes.append(UInt8(truncatingIfNeeded: draw >> 8)) }
    }
    return Array(bytes.prefix(count))
}

/// Writes a raw disk: pieces of data at offsets, holes elsewhere.
package func writeDisk(_ path: FilePath, size: UInt64, _ pieces: [(offset: UInt64, bytes: [UInt8])]) throws {
    try writeAtomically(to: path) { file in
        try file.truncate(to: size)
        for piece in pieces { try file.write(at: piece.offset, piece.bytes) }
    }
}
