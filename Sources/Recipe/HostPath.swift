import SystemPackage

#if canImport(Glibc)
    import Glibc
#endif

/// A file or folder of the host that a recipe names.
package struct HostPath: Sendable, Equatable {
    /// Where it is: absolute after loading. It must not reach an output.
    package var path: FilePath
    /// As the recipe wrote it; messages and the manifest name it so.
    package var written: String

    package init(path: FilePath, written: String) {
        self.path = path
        self.written = written
    }
}

/// What a path of a recipe must lead to.
enum HostFileKind {
    case file, folder
}

extension Shape where Value == HostPath {
    /// A path of the host that must lead to something.
    ///
    /// Relative paths start at the recipe's folder, `~/` at the home folder. They may lead out of the recipe's project: a
    /// recipe is its owner's file and may name any other of his.
    ///
    /// - Parameters:
    ///   - folders: where a name without a slash is looked for, from the recipe's folder.
    ///   - shared: where it is looked for at last, in the folder with what comes with piforge.
    ///   - suffix: what such a name's file has behind the name.
    ///   - called: what such a name is the name of, where a wrong one is to be answered with those that there are.
    static func existing(
        _ kind: HostFileKind, named folders: [String] = [], shared: String? = nil, suffix: String = "",
        called: String? = nil
    ) -> Shape {
        Shape<String>.text("a path", pattern: "[^\\x00-\\x1f]+", expected: "a path of a \(kind)").mapped(
            { text, decoding in
                let isName = !folders.isEmpty && !text.contains("/") && !text.hasPrefix(".") && !text.hasPrefix("~")
                // Each folder, and how messages name it.
                var places: [(path: FilePath, shown: String)] = []
                for folder in isName ? folders : [""] {
                    guard let path = decoding.resolve(isName ? folder : text) else {
                        throw Refusal(
                            "'\(text)' starts at a home folder, and none is known", next: "write the whole path")
                    }
                    places.append((path, folder))
                }
                if isName, let shared, let share = decoding.share {
                    let path = share.pushing(FilePath(shared))
                    // Of a recipe in piforge's own tree it is one of the others.
                    if !places.contains(where: { $0.path == path }) { places.append((path, path.string)) }
                }
                for place in places {
                    let path = isName ? place.path.appending("\(text)\(suffix)") : place.path
                    var status = stat()
                    guard stat(path.string, &status) == 0 else { continue }
                    guard (status.st_mode & S_IFMT == S_IFDIR) == (kind == .folder) else {
                        throw Refusal("'\(isName ? "\(place.shown)/\(text)\(suffix)" : text)' is not a \(kind)")
                    }
                    return HostPath(path: path, written: text)
                }
                let looked = places.map(\.shown)
                let known = isName ? decoding.names(in: places.map(\.path), ending: suffix) : []
                if let called, !known.isEmpty {
                    throw Refusal(
                        "unknown \(called) '\(text)'\(didYouMean(text, known))",
                        expected: "\(known.joined(separator: ", ")), or a path of a \(kind) with a slash in it",
                        found: "no \(text)\(suffix) in \(looked.joined(separator: ", ")), seen from the recipe's folder"
                    )
                }
                let candidates = isName ? looked.map { "\($0)/\(text)\(suffix)" } : [text]
                throw Refusal(
                    "there is no \(kind) '\(text)'",
                    expected: "\(candidates.joined(separator: " or ")), seen from the recipe's folder")
            }, back: \.written
        ).summarized("path of a \(kind)")
    }
}
