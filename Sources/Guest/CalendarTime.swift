import SystemPackage

#if canImport(Glibc)
    import Glibc
#endif

/// A time as `2026-01-31T23:59:59`, in UTC.
///
/// - Parameter seconds: since 1970 UTC.
func calendarTime(_ seconds: Int64) -> String {
    var seconds = time_t(seconds)
    var parts = tm()
    gmtime_r(&seconds, &parts)
    var text = [CChar](repeating: 0, count: 64)
    let count = strftime(&text, text.count, "%Y-%m-%dT%H:%M:%S", &parts)
    return String(decoding: text[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
}

/// The folder that relative paths start from.
func workingFolder() -> FilePath {
    guard let text = getcwd(nil, 0) else { return "/" }
    defer { free(text) }
    return FilePath(platformString: text)
}
