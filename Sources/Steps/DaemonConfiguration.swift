import Diagnostics
import Foundation
import Recipe

/// Docker's daemon.json (dockerd(8), "Daemon configuration file") while it is put together: what is there stays as it is.
struct DaemonConfiguration {
    static let file = "/etc/docker/daemon.json"
    private(set) var root: [String: JSON] = [:]

    /// Starts from what the image has; nil for nothing.
    ///
    /// - Throws: `Failure` when it is not JSON, or not an object.
    init(_ bytes: [UInt8]?) throws {
        guard let bytes, !bytes.allSatisfy({ [0x20, 0x09, 0x0a, 0x0d].contains($0) }) else { return }
        let value: JSON
        do { value = try JSONDecoder().decode(Decoded.self, from: Data(bytes)).value } catch {
            throw Failure(
                at: Self.file, "the image's own file is not JSON", expected: "a JSON object, or no file",
                next: "correct the file where it comes from: an overlay, or the stock image")
        }
        guard case .object(let members) = value else {
            throw Failure(
                at: Self.file, "the image's own file is not a JSON object", expected: "{…}",
                found: String(value.inline.prefix(60)))
        }
        root = Self.table(members)
    }

    /// Adds keys; objects are merged.
    ///
    /// - Parameter place: who adds them.
    /// - Throws: `Failure` for a key that is there with another value.
    mutating func merge(_ members: [JSON.Member], for place: String) throws {
        root = try Self.merged(root, members, [], place)
    }

    /// Adds what the recipe does not ask for: only where nothing is said yet.
    mutating func addDefault(_ key: String, _ value: JSON) {
        if root[key] == nil { root[key] = value }
    }

    /// The file: keys sorted, so that the same settings give the same bytes.
    var text: String { JSON.object(Self.members(root)).sorted.pretty }

    private static func merged(
        _ table: [String: JSON], _ members: [JSON.Member], _ path: [String], _ place: String
    ) throws -> [String: JSON] {
        var table = table
        for member in members {
            let path = path + [member.key]
            guard let other = table[member.key] else {
                table[member.key] = member.value
                continue
            }
            // The definition of a runtime is one value: half of each would be a third.
            let isRuntime = path.count == 2 && path[0] == "runtimes"
            if !isRuntime, case .object(let old) = other, case .object(let new) = member.value {
                table[member.key] = .object(Self.members(try merged(Self.table(old), new, path, place)))
            } else if other.sorted != member.value.sorted {
                throw Failure(
                    .usage, at: place, "\(file) has '\(path.joined(separator: "."))' already, with another value",
                    expected: member.value.sorted.inline, found: other.sorted.inline,
                    next: isRuntime ? "give one of the two another name" : "leave one of the two out")
            }
        }
        return table
    }

    private static func table(_ members: [JSON.Member]) -> [String: JSON] {
        Dictionary(members.map { ($0.key, $0.value) }, uniquingKeysWith: { $1 })
    }

    private static func members(_ table: [String: JSON]) -> [JSON.Member] {
        table.map { JSON.Member(key: $0.key, value: $0.value) }.sorted { $0.key < $1.key }
    }
}

extension JSON {
    /// The same value with the keys of every object sorted by their bytes.
    var sorted: JSON {
        switch self {
        case .object(let members):
            .object(
                members.map { Member(key: $0.key, value: $0.value.sorted) }
                    .sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) })
        case .array(let items): .array(items.map(\.sorted))
        default: self
        }
    }
}

/// Any JSON value, through Foundation's decoder.
private struct Decoded: Decodable {
    let value: JSON

    struct AnyKey: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }
        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    init(from decoder: any Decoder) throws {
        if let keys = try? decoder.container(keyedBy: AnyKey.self) {
            value = .object(
                try keys.allKeys.map {
                    JSON.Member(key: $0.stringValue, value: try keys.decode(Decoded.self, forKey: $0).value)
                })
            return
        }
        if var items = try? decoder.unkeyedContainer() {
            var array: [JSON] = []
            while !items.isAtEnd { array.append(try items.decode(Decoded.self).value) }
            value = .array(array)
            return
        }
        let scalar = try decoder.singleValueContainer()
        if scalar.decodeNil() {
            value = .null
        } else if let flag = try? scalar.decode(Bool.self) {
            value = .bool(flag)
        } else if let integer = try? scalar.decode(Int64.self) {
            value = .integer(integer)
        } else if let number = try? scalar.decode(Double.self) {
            value = .number(number)
        } else {
            value = .string(try scalar.decode(String.self))
        }
    }
}
