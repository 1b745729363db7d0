import CArchive

/// The libarchive that is in use, with the libraries that it packs with: `libarchive 3.6.2 zlib/1.2.13 liblzma/5.4.1 …`.
package func libarchiveVersion() -> String {
    archive_version_details().map { String(cString: $0) } ?? "unknown"
}
