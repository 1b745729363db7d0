import Diagnostics

/// How a relation compares versions (Debian Policy 7.1).
package enum VersionRelation: String, Sendable {
    case earlier = "<<"
    case earlierOrEqual = "<="
    case equal = "="
    case laterOrEqual = ">="
    case later = ">>"

    /// Whether `a` stands so to `b`: ``earlier`` holds where `a` is earlier than `b`.
    package func holds(_ a: DebianVersion, _ b: DebianVersion) -> Bool {
        switch self {
        case .earlier: a < b
        case .earlierOrEqual: a <= b
        case .equal: a == b
        case .laterOrEqual: a >= b
        case .later: a > b
        }
    }
}

/// One alternative of a dependency: `name[:architecture] [(relation version)]`.
package struct PackageRelation: Sendable, CustomStringConvertible {
    /// Letters, digits, `+`, `-`, `.` and `_`; it may be the name of a virtual package.
    package let name: String
    /// `any`, `native` or an architecture.
    package let qualifier: String?
    /// What the version must be compared with; nil where every version will do.
    package let constraint: (relation: VersionRelation, version: DebianVersion)?

    package var description: String {
        let qualified = qualifier.map { "\(name):\($0)" } ?? name
        return constraint.map { "\(qualified) (\($0.relation.rawValue) \($0.version))" } ?? qualified
    }

    /// Whether a package of this name and version meets the relation.
    package func accepts(version: DebianVersion) -> Bool {
        constraint.map { $0.relation.holds(version, $0.version) } ?? true
    }
}

/// One element of a field such as `Depends`: alternatives, of which one must be met.
package struct Dependency: Sendable, CustomStringConvertible {
    /// At least one.
    package let alternatives: [PackageRelation]

    package var description: String { alternatives.map(\.description).joined(separator: " | ") }

    /// Parses a binary package's dependency field (Debian Policy 7.1).
    ///
    /// - Throws: `Failure` at `place`, which names the package and the field.
    package static func parse(_ field: String, place: String) throws -> [Dependency] {
        var result: [Dependency] = []
        for element in field.split(separator: ",", omittingEmptySubsequences: false) {
            // A comma may end the field.
            if element.allSatisfy(\.isWhitespace) { continue }
            let alternatives = try element.split(separator: "|", omittingEmptySubsequences: false).map {
                try relation($0, place)
            }
            result.append(Dependency(alternatives: alternatives))
        }
        return result
    }

    /// A field in the form that dpkg writes it in.
    static func render(_ dependencies: [Dependency]) -> String {
        dependencies.map(\.description).joined(separator: ", ")
    }

    private static func relation(_ text: Substring, _ place: String) throws -> PackageRelation {
        let whole = trim(text)
        func refuse() -> Failure { Failure(at: place, "'\(whole)' is not a dependency", expected: "name (>= version)") }
        var head = whole
        var constraint: (VersionRelation, DebianVersion)?
        if let open = whole.firstIndex(of: "(") {
            guard whole.last == ")" else { throw refuse() }
            head = trim(whole[..<open])
            let inside = trim(whole[whole.index(after: open)...].dropLast())
            let sign = inside.prefix { "<>=".contains($0) }
            // A lone < or > is an old spelling of <= and >=.
            let spelled = sign == "<" ? "<=" : sign == ">" ? ">=" : sign.isEmpty ? "=" : String(sign)
            guard let relation = VersionRelation(rawValue: spelled) else { throw refuse() }
            constraint = (relation, try DebianVersion(String(trim(inside.dropFirst(sign.count))), place: place))
        }
        let parts = head.split(separator: ":", omittingEmptySubsequences: false)
        guard let name = parts.first, isControlName(name), parts.count <= 2, parts.last?.isEmpty == false,
            parts.dropFirst().allSatisfy({ isControlName($0) })
        else { throw refuse() }
        return PackageRelation(
            name: String(name), qualifier: parts.count == 2 ? String(parts[1]) : nil, constraint: constraint)
    }

    private static func trim(_ text: Substring) -> Substring {
        var text = text.drop(while: \.isWhitespace)
        while text.last?.isWhitespace == true { text.removeLast() }
        return text
    }
}

/// Whether a control file may name a package so: letters, digits, `+`, `-` and `.` (`_` in some old ones), beginning with a letter or a digit
/// (Debian Policy 5.6.7).
func isControlName(_ name: some StringProtocol) -> Bool {
    guard let first = name.utf8.first else { return false }
    func isAlphanumeric(_ byte: UInt8) -> Bool {
        (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
    }
    return isAlphanumeric(first) && name.utf8.allSatisfy { isAlphanumeric($0) || "+-._".utf8.contains($0) }
}
