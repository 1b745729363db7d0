import Diagnostics

extension Manifest {
    /// What a system says it is, in its `os-release` (os-release(5)).
    package struct Distribution: Codable, Sendable, Equatable {
        /// `ID`: `debian`, `ubuntu`.
        package var id: String
        /// `VERSION_CODENAME`: `trixie`, `bionic`; nil for none.
        package var codename: String?

        package init(id: String, codename: String?) {
            self.id = id
            self.codename = codename
        }

        /// Reads the file's text; nil when it has no `ID`, or one that is none.
        package init?(osRelease text: String) {
            func value(_ key: String) -> String? {
                let line = text.splitLines().last { $0.hasPrefix("\(key)=") }
                guard let value = line?.dropFirst(key.count + 1) else { return nil }
                let bare = value.filter { $0 != "\"" && $0 != "'" }
                let isName = bare.utf8.allSatisfy {
                    (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0)
                        || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) || "._-".utf8.contains($0)
                }
                return isName && !bare.isEmpty ? bare : nil
            }
            guard let id = value("ID") else { return nil }
            self.init(id: id, codename: value("VERSION_CODENAME"))
        }
    }
}
