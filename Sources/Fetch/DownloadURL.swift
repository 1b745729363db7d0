import Digests
import Foundation

#if canImport(Glibc)
    import Glibc
#endif

/// A URL fit for a message: without a user's name and password.
func shownURL(_ url: String) -> String {
    guard let scheme = url.range(of: "://") else { return url }
    let rest = url[scheme.upperBound...]
    let authority = rest.prefix { $0 != "/" }
    guard let at = authority.lastIndex(of: "@") else { return url }
    return String(url[..<scheme.upperBound]) + rest[rest.index(after: at)...]
}

/// The host and port a URL names; the port is the scheme's own where none is written.
func hostAndPort(_ url: String) -> (host: String, port: String) {
    let shown = shownURL(url)
    guard let scheme = shown.range(of: "://") else { return (shown, "") }
    let authority = shown[scheme.upperBound...].prefix { $0 != "/" }
    let standard = shown.hasPrefix("https:") ? "443" : "80"
    guard let colon = authority.lastIndex(of: ":"), !authority[colon...].contains("]") else {
        return (String(authority), standard)
    }
    return (String(authority[..<colon]), String(authority[authority.index(after: colon)...]))
}

/// A URL as libcurl takes it: a plain path becomes a `file:` URL.
func curlURL(_ url: String) -> String {
    if url.hasPrefix("file:"), !url.hasPrefix("file://") { return "file://" + url.dropFirst("file:".count) }
    if url.contains("://") { return url }
    let plain = Set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/-._~".utf8)
    return "file://" + url.utf8.map { plain.contains($0) ? String(UnicodeScalar($0)) : "%" + encodeHex([$0]) }.joined()
}

/// Whether a URL can be asked for a part of its file; `file:` URLs and plain paths are read whole.
func isRemote(_ url: String) -> Bool { url.contains("://") && !url.hasPrefix("file:") }

/// What is wrong with a `file:` URL or a plain path, where libcurl would say less; nil for other URLs, and for files that
/// may be tried.
func problem(ofLocal url: String) -> AttemptFailure.Reason? {
    guard !isRemote(url) else { return nil }
    var path = url
    if url.hasPrefix("file:") {
        // file:///path, file://localhost/path or file:/path (RFC 8089, section 2).
        path = String(url.dropFirst("file:".count)).removingPercentEncoding ?? ""
        if path.hasPrefix("//") { path = String(path.dropFirst(2)) }
        if path.hasPrefix("localhost/") { path = String(path.dropFirst("localhost".count)) }
    }
    guard path.hasPrefix("/") else {
        return .refused(
            .init("the path is relative, and so names no one file", expected: "a path that begins with /, or a URL"))
    }
    var status = stat()
    guard stat(path, &status) == 0 else { return errno == ENOENT || errno == ENOTDIR ? .missing : nil }
    guard status.st_mode & S_IFMT != S_IFDIR else {
        return .refused(.init("this is a folder, not a file", next: "name the file in it"))
    }
    return nil
}
