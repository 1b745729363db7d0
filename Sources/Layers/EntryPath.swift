import Diagnostics

/// A path inside a tree: components joined by single slashes, without a leading one; the root is the empty path.
///
/// Paths are bytes, as the kernel has it. (Swift's `String` compares by canonical equivalence, so two names that
/// differ on the disk could be one key.)
package struct EntryPath: Hashable, Sendable {
    /// The path's bytes, without leading, trailing or doubled slashes.
    package let bytes: [UInt8]

    /// The root of the tree.
    package static let root = EntryPath(trusted: [])

    private init(trusted bytes: [UInt8]) { self.bytes = bytes }

    /// Takes a path as an archive or a recipe spells it: leading slashes and `.` components are dropped.
    ///
    /// - Throws: `Failure` for what no tree may hold: a `..` component, a NUL byte, a component longer than
    ///   255 bytes, a path longer than 4,095 bytes (Linux, limits.h).
    package init(validating raw: some Sequence<UInt8>) throws {
        let raw = Array(raw)
        func refuse(_ reason: String) -> Failure {
            Failure(at: String(decoding: raw, as: UTF8.self), "the path \(reason)")
        }
        guard !raw.contains(0) else { throw refuse("holds a NUL byte") }
        var components: [ArraySlice<UInt8>] = []
        for component in raw.split(separator: UInt8(ascii: "/")) where component != [UInt8(ascii: ".")] {
            guard component != [UInt8(ascii: "."), UInt8(ascii: ".")] else { throw refuse("climbs out with '..'") }
            guard component.count <= 255 else { throw refuse("has a component of more than 255 bytes") }
            components.append(component)
        }
        let bytes = Array(components.joined(separator: [UInt8(ascii: "/")]))
        guard bytes.count <= 4095 else { throw refuse("is longer than 4095 bytes") }
        self.bytes = bytes
    }

    /// Takes a path as an archive or a recipe spells it.
    ///
    /// - Throws: as ``init(validating:)-(Sequence)``.
    package init(validating text: String) throws { try self.init(validating: text.utf8) }

    package var isRoot: Bool { bytes.isEmpty }

    /// The path's components, first to last.
    package var components: [ArraySlice<UInt8>] { bytes.split(separator: UInt8(ascii: "/")) }

    /// The last component; empty for the root.
    package var name: ArraySlice<UInt8> {
        guard let slash = bytes.lastIndex(of: UInt8(ascii: "/")) else { return bytes[...] }
        return bytes[(slash + 1)...]
    }

    /// The folder this path lies in; nil for the root.
    package var parent: EntryPath? {
        if bytes.isEmpty { return nil }
        guard let slash = bytes.lastIndex(of: UInt8(ascii: "/")) else { return .root }
        return EntryPath(trusted: Array(bytes[..<slash]))
    }

    /// The path of a child. The component holds no slash.
    package func appending(_ component: some Sequence<UInt8>) -> EntryPath {
        EntryPath(trusted: bytes.isEmpty ? Array(component) : bytes + [UInt8(ascii: "/")] + Array(component))
    }

    /// The path of a child. The component holds no slash.
    package func appending(_ component: String) -> EntryPath { appending(component.utf8) }

    /// Whether this path is `folder` or lies below it.
    package func isInside(_ folder: EntryPath) -> Bool {
        if folder.isRoot { return true }
        guard bytes.starts(with: folder.bytes) else { return false }
        return bytes.count == folder.bytes.count || bytes[folder.bytes.count] == UInt8(ascii: "/")
    }

    /// The path below `folder`; nil when this path is not inside it.
    package func relative(to folder: EntryPath) -> EntryPath? {
        guard isInside(folder) else { return nil }
        if folder.isRoot { return self }
        return EntryPath(trusted: Array(bytes.dropFirst(folder.bytes.count + 1)))
    }
}

extension EntryPath: Comparable {
    /// Orders by bytes, a folder before what is in it.
    package static func < (a: EntryPath, b: EntryPath) -> Bool { a.bytes.lexicographicallyPrecedes(b.bytes) }
}

extension EntryPath: CustomStringConvertible {
    /// With a leading slash; bytes that are not UTF-8 show as replacement characters.
    package var description: String { "/" + String(decoding: bytes, as: UTF8.self) }
}

extension EntryPath: ExpressibleByStringLiteral {
    /// A path written in the source.
    package init(stringLiteral text: String) {
        do { try self.init(validating: text) } catch { preconditionFailure("not a path: \(text)") }
    }
}
