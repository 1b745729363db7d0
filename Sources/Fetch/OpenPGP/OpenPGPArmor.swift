import Foundation

/// ASCII armour around binary OpenPGP data (RFC 9580, section 6).
enum OpenPGPArmor {
    /// What stands in the first header line: `PUBLIC KEY BLOCK`, `SIGNATURE`, `MESSAGE`, `SIGNED MESSAGE`.
    ///
    /// - Returns: nil where there is no such line.
    static func kind(of bytes: [UInt8]) -> String? {
        lines(bytes).lazy.compactMap(header).first
    }

    /// Why armour cannot be taken off.
    struct Problem: Error {
        /// 1 for the first line.
        var line: Int
        var message: String
    }

    /// The binary data of all blocks of a kind, one after the other. Text around the blocks is passed over.
    static func data(_ bytes: [UInt8], kind: String) throws(Problem) -> [UInt8] {
        var result: [UInt8] = []
        var block: Block?
        for (index, line) in lines(bytes).enumerated() {
            if block == nil {
                if header(line) == kind { block = Block() }
                continue
            }
            if text(line) == "-----END PGP \(kind)-----" {
                guard let decoded = block?.decoded() else {
                    throw Problem(line: index + 1, message: "the armoured text is damaged")
                }
                result += decoded
                block = nil
            } else {
                block?.add(text(line))
            }
        }
        guard block == nil else {
            throw Problem(line: lines(bytes).count, message: "the armoured text has no end line")
        }
        return result
    }

    private struct Block {
        private var inHeaders = true
        private var digits = ""
        private var checksum: String?

        mutating func add(_ line: String) {
            if inHeaders {
                // `Key: value` lines, up to an empty one; some writers leave out both.
                if line.isEmpty { inHeaders = false }
                if line.isEmpty || line.contains(": ") { return }
                inHeaders = false
            }
            if line.hasPrefix("=") { checksum = String(line.dropFirst()) } else { digits += line }
        }

        /// nil unless the digits are base64, and the checksum is theirs where there is one.
        func decoded() -> [UInt8]? {
            guard let data = Data(base64Encoded: digits), !data.isEmpty else { return nil }
            if let checksum {
                let sum = OpenPGPArmor.crc24(data)
                let expected = Data([UInt8(sum >> 16 & 255), UInt8(sum >> 8 & 255), UInt8(sum & 255)])
                guard Data(base64Encoded: checksum) == expected else { return nil }
            }
            return Array(data)
        }
    }

    private static func lines(_ bytes: [UInt8]) -> [ArraySlice<UInt8>] {
        bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    }

    /// The line without the white space at its end.
    private static func text(_ line: ArraySlice<UInt8>) -> String {
        let end = line.lastIndex { ![9, 13, 32].contains($0) }.map { $0 + 1 } ?? line.startIndex
        return String(decoding: line[line.startIndex..<end], as: UTF8.self)
    }

    private static func header(_ line: ArraySlice<UInt8>) -> String? {
        guard line.starts(with: Array("-----BEGIN PGP ".utf8)), line.count < 80 else { return nil }
        let text = text(line)
        guard text.hasSuffix("-----") else { return nil }
        return String(text.dropFirst("-----BEGIN PGP ".count).dropLast(5))
    }

    /// RFC 9580, section 6.1.1.
    private static func crc24(_ bytes: Data) -> UInt32 {
        var crc: UInt32 = 0xb704ce
        for byte in bytes {
            crc ^= UInt32(byte) << 16
            for _ in 0..<8 {
                crc <<= 1
                if crc & 0x100_0000 != 0 { crc ^= 0x186_4cfb }
            }
        }
        return crc & 0xff_ffff
    }
}
