#if canImport(Glibc)
    import Glibc
#endif

/// Writes text to a stream of the process as far as it can be written: what a person would have read is no reason to end a build.
///
/// - Parameter descriptor: 1 or 2.
package func writeAsFarAsPossible(_ text: String, to descriptor: Int32) {
    var text = text
    text.withUTF8 { bytes in
        var done = 0
        while done < bytes.count {
            let count = write(descriptor, bytes.baseAddress?.advanced(by: done), bytes.count - done)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return }
            done += count
        }
    }
}
