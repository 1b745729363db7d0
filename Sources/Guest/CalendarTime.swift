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

/// The seconds since 1970 of a date and a time in UTC: `2026-01-31`, `23:59:59`; nil for what is none.
func calendarSeconds(date: Substring, time: Substring) -> Int64? {
    let numbers = (date.split(separator: "-") + time.split(separator: ":")).map { Int32($0) }
    guard numbers.count == 6, let year = numbers[0], let month = numbers[1], let day = numbers[2],
        let hour = numbers[3],
        let minute = numbers[4], let second = numbers[5], (1970...9999).contains(year)
    else { return nil }
    var parts = tm()
    parts.tm_year = year - 1900
    parts.tm_mon = month - 1
    parts.tm_mday = day
    parts.tm_hour = hour
    parts.tm_min = minute
    parts.tm_sec = second
    return Int64(timegm(&parts))
}

/// The folder that relative paths start from.
func workingFolder() -> FilePath {
    guard let text = getcwd(nil, 0) else { return "/" }
    defer { free(text) }
    return FilePath(platformString: text)
}
