import Foundation

/// Whether the whole text matches a regular expression. A pattern that cannot be compiled matches nothing.
func matches(_ text: String, _ pattern: String) -> Bool {
    text.range(of: "\\A(?:\(pattern))\\z", options: .regularExpression) != nil
}

/// Decodes base64 in the standard alphabet, padded, with nothing else in it (RFC 4648, section 4).
func decodeBase64(_ text: some StringProtocol) -> [UInt8]? {
    Data(base64Encoded: String(text)).map { Array($0) }
}
