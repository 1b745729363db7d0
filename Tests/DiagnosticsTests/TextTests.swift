import Storage
import Diagnostics
import Testing

@Suite struct TextTests {
    @Test(arguments: [("", ""), (" \t", ""), ("\u{a0}a b\r\n", "a b"), ("a", "a")])
    func whiteSpaceAtTheEndsGoes(text: String, trimmed: String) {
        #expect(text.trimmed == trimmed)
    }

    @Test func digitsAreFilledUpWithZeros() {
        #expect(UInt32(0xbeef).hex(digits: 8) == "0000beef")
        #expect(UInt8(0).hex() == "0")
        #expect(0x12345.hex(digits: 2) == "12345")
        #expect([UInt8]([0, 0x0f, 0xff]).hex() == "000fff")
        #expect([UInt8]([1, 2]).hex(separator: " ") == "01 02")
    }

    @Test func packedFilesAreKnownByTheirFirstBytes() {
        for format in PackedFormat.allCases {
            #expect(PackedFormat(start: format.magic + [1, 2, 3]) == format)
            #expect(PackedFormat(start: format.magic.dropLast()) == nil)
        }
        #expect(PackedFormat(start: []) == nil)
    }

    @Test func whatIsToBeDoneAboutTheCacheNamesTheOneInUse() {
        let full = Failure.noRoom(at: "/tmp", "for the build", needed: 2_000_000, free: 1_000_000)
        #expect(full.next == "free some, run piforge cache prune, or choose another folder with -o and --cache")
        #expect(
            full.naming(cache: "my cache").next
                == "free some, run piforge cache prune --cache 'my cache', or choose another folder with -o and --cache"
        )
        let damaged = Failure.damagedCache(at: "x", "the layer's index is damaged at byte 7")
        #expect(damaged.next == "piforge cache prune --all, then build again")
        #expect(damaged.naming(cache: "c").next == "piforge cache prune --all --cache c, then build again")
        let other = Failure(at: "x", "y", next: "piforge cache prune")
        #expect(other.naming(cache: "c") == other)
    }
}
