import Digests
import Testing

@Suite struct ResumableSHA256Tests {
    private func bytes(_ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 131 ^ $0 >> 7) } }

    @Test(arguments: [0, 1, 55, 56, 63, 64, 65, 1000, 4096, 100_000]) func itIsTheDigestOfTheSameBytes(count: Int) {
        var hasher = ResumableSHA256()
        let bytes = bytes(count)
        bytes[..<(count / 3)].withUnsafeBytes { hasher.update($0) }
        bytes[(count / 3)...].withUnsafeBytes { hasher.update($0) }
        #expect(hasher.finalized() == .of(bytes))
        #expect(hasher.finalized() == .of(bytes), "a digest that is asked for changes nothing")
        #expect(hasher.count == UInt64(count))
    }

    @Test(arguments: [64, 128, 64_000, 99_968]) func itGoesOnWhereAnotherStopped(count: Int) throws {
        let bytes = bytes(100_000)
        var first = ResumableSHA256()
        bytes[..<count].withUnsafeBytes { first.update($0) }
        let state = try #require(first.state)
        var second = try #require(ResumableSHA256(state: state, count: UInt64(count)))
        bytes[count...].withUnsafeBytes { second.update($0) }
        #expect(second.finalized() == .of(bytes))
    }

    /// Lengths are counted in bits, in two words.
    @Test func lengthsBeyondHalfAGibibyteAreCounted() throws {
        let piece = bytes(1 << 20)
        let whole = SHA256Hasher()
        var first = ResumableSHA256()
        for _ in 0..<513 {
            whole.update(piece)
            piece.withUnsafeBytes { first.update($0) }
        }
        let state = try #require(first.state)
        var second = try #require(ResumableSHA256(state: state, count: first.count))
        piece.withUnsafeBytes { second.update($0) }
        whole.update(piece)
        #expect(second.finalized() == whole.finalize())
    }

    @Test func aStateInTheMiddleOfABlockIsNone() {
        var hasher = ResumableSHA256()
        bytes(65).withUnsafeBytes { hasher.update($0) }
        #expect(hasher.state == nil)
        #expect(ResumableSHA256(state: .of("x"), count: 65) == nil)
    }
}
