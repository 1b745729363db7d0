#if canImport(Glibc)
    import Glibc
#endif

/// Whether all bytes are zero: memcmp of them with themselves, one byte on.
package func isZero(_ bytes: UnsafeRawBufferPointer) -> Bool {
    guard let base = bytes.baseAddress, let first = bytes.first else { return true }
    return first == 0 && memcmp(base, base + 1, bytes.count - 1) == 0
}
