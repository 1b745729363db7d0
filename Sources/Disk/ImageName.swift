import Storage
import SystemPackage

/// The name of an image's file, taken apart: `NAME.img` or `NAME.img.xz`, whatever their letters' case is, as files come from FAT.
package struct ImageName: Sendable, Equatable {
    /// `NAME`, which the files beside the image begin with.
    package let stem: String
    /// Whether the name says that the file is an .xz file.
    package let isCompressed: Bool

    /// nil for what is no name of an image.
    package init?(_ file: String) {
        let lower = file.lowercased()
        guard let suffix = [".img.xz", ".img"].first(where: lower.hasSuffix), file.count > suffix.count else {
            return nil
        }
        stem = String(file.dropLast(suffix.count))
        isCompressed = suffix.hasSuffix(".xz")
    }
}

/// A path that nothing lies at: the stem and the suffix, with `-2`, `-3` and so on between them where it is needed.
func freeName(_ stem: String, _ suffix: String) -> String {
    let names = ["\(stem)\(suffix)"] + (2...99).map { "\(stem)-\($0)\(suffix)" }
    return names.first { !exists(FilePath($0)) } ?? names[0]
}
