import Diagnostics
import Foundation

/// What apt knows the packages of a source by (apt_preferences(5), "DETERMINATION OF PACKAGE VERSION AND DISTRIBUTION PROPERTIES").
package enum ArchivePin: Sendable, Hashable {
    /// The archive's host, as its URI has it; empty for a folder of this machine.
    case origin(String)
    /// What its Release file says of itself: the suite or the code name.
    case release(String)

    /// The values of stanzas' `Pin` fields, one of which holds for each of the source's packages. What begins with a digit is a version to
    /// apt, unless it is said what it is.
    package var texts: [String] {
        switch self {
        case .origin(let host): ["origin \"\(host)\""]
        case .release(let name):
            name.first?.isNumber == true ? ["release a=\(name)", "release n=\(name)"] : ["release \(name)"]
        }
    }

    /// The error for a source whose `only` no pin can keep.
    ///
    /// - Parameter isOfBoard: whether it is the board's apt that cannot, which need not have the source.
    package static func refusal(
        of source: String, _ message: String, expected: String, found: String, isOfBoard: Bool = false
    ) -> Failure {
        Failure(
            .usage, at: "only of the source '\(source)'", message, expected: expected, found: found,
            next: (isOfBoard ? "write on_board: false, or take" : "take")
                + " only out\(isOfBoard ? "" : ",") and write packages.preferences by what its Release file says: "
                + "pin: \"release o=ORIGIN,l=LABEL\"")
    }
}

/// A package index that apt has, as apt's pins see it (apt-get(8), indextargets).
package struct IndexTarget: Equatable {
    /// The archive's base URI, as the source has it.
    var uri: String
    /// The suite that the source asks for; empty for the flat archive `/`.
    var release: String
    /// Scheme, host and port; for a folder of this machine its whole URI.
    var site: String
    /// `Codename` and `Suite` of the Release file; empty where it has none.
    var codename: String
    var suite: String
    /// The index's file.
    var path: String

    /// What apt-get prints, the fields apart by tabs.
    static let format = "$(REPO_URI)\t$(RELEASE)\t$(SITE)\t$(CODENAME)\t$(SUITE)\t$(FILENAME)"

    /// nil for a line that is not of ``format``.
    package init?(_ line: Substring) {
        let fields = line.split(separator: "\t", maxSplits: 5, omittingEmptySubsequences: false).map(String.init)
        guard fields.count == 6 else { return nil }
        (uri, release, site) = (fields[0], fields[1], fields[2])
        // apt-get prints the format's own words for a field that a Release file lacks.
        func said(_ field: String) -> String { field.hasPrefix("$(") ? "" : field }
        (codename, suite, path) = (said(fields[3]), said(fields[4]), fields[5])
    }

    /// The host, as apt's pins have it: without the port, and empty for a folder of this machine.
    package var host: String {
        guard let start = site.range(of: "://"), !site.hasPrefix("file:"), !site.hasPrefix("copy:") else { return "" }
        let host = site[start.upperBound...]
        guard !host.hasPrefix("[") else { return String(host.dropFirst().prefix { $0 != "]" }) }
        return String(host.prefix { $0 != ":" && $0 != "/" })
    }

    /// Whether the pin holds for this index's packages.
    func isMeant(by pin: ArchivePin) -> Bool {
        switch pin {
        // apt compares without regard to case.
        case .origin(let name): host.lowercased() == name.lowercased()
        case .release(let name): [codename, suite].contains { $0.lowercased() == name.lowercased() }
        }
    }

    /// Checks that a source's pins hold for all that is of the source, and for nothing else.
    ///
    /// - Parameters:
    ///   - own: the source's indices.
    ///   - others: those of all other sources, with what they are called.
    /// - Throws: `Failure` that says which Release file stands against it.
    static func check(
        _ pins: [ArchivePin], of source: String, own: [IndexTarget], others: [(name: String, target: IndexTarget)]
    ) throws {
        func failure(_ problem: String, _ found: String) -> Failure {
            ArchivePin.refusal(
                of: source, problem,
                expected:
                    "packages that are known by \(pins.flatMap(\.texts).joined(separator: " or ")), and no others",
                found: found)
        }
        func words(_ target: IndexTarget) -> String {
            "\(target.uri) \(target.release): host '\(target.host)', Suite '\(target.suite)', Codename '\(target.codename)'"
        }
        if let stranger = own.first(where: { target in !pins.contains { target.isMeant(by: $0) } }) {
            throw failure("apt would not know the source's packages", words(stranger))
        }
        if let (name, target) = others.first(where: { other in pins.contains { other.target.isMeant(by: $0) } }) {
            throw failure("apt cannot tell the source's packages from those of '\(name)'", words(target))
        }
    }
}
