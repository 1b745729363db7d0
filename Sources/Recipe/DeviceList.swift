import Diagnostics
import SystemPackage

/// Devices that get an image each from one recipe, and what differs between them: the file of `piforge build --matrix`.
///
///     - name: node-1
///       set:
///         system.hostname: node-1
///         accounts.users[0].ssh_keys: [{file: keys/node-1.pub}]
///
/// A key of `set` is a path of keys as `--set` takes it; relative paths in its value start at the recipe's folder, as always.
package struct DeviceList: Sendable {
    /// A device, and what is set for it in the recipe.
    package struct Device: Sendable {
        /// Part of the image's name: letters, digits, `.`, `_` and `-`.
        package let name: String
        /// What is set, in the file's order.
        let settings: [(path: [PathStep], value: Node)]
    }

    /// At least one, in the file's order; no name twice.
    package let devices: [Device]

    /// Reads a list of devices.
    ///
    /// - Parameter path: the YAML file, at most 1 MiB.
    /// - Throws: `FailureList` of kind `.usage` with the line of every mistake.
    package static func load(path: FilePath) throws -> DeviceList {
        try parse(try readText(path, limit: 1 << 20), file: path.string)
    }

    /// As ``load(path:)``, from text that messages call `file`.
    package static func parse(_ text: String, file: String) throws -> DeviceList {
        var failures: [Failure] = []
        func refuse(_ node: Node, _ message: String, expected: String? = nil, found: String? = nil) {
            failures.append(
                Failure(.usage, at: node.place.text(in: file), message, expected: expected, found: found))
        }
        let root = try YAMLReader.read(text, file: file)
        guard case .list(let nodes) = root.value, !nodes.isEmpty else {
            throw Failure(
                .usage, at: root.place.text(in: file), "not a list of devices", expected: "lines of '- name: …'",
                found: root.kind)
        }
        var devices: [Device] = []
        for node in nodes {
            guard case .map(let pairs) = node.value, let name = node["name"].flatMap(scalarText) else {
                refuse(node, "a device has no name", expected: "name: …, and set: {…}", found: describe(node))
                continue
            }
            for pair in pairs where !["name", "set"].contains(pair.key) {
                refuse(pair.value, "unknown key '\(pair.key)'\(didYouMean(pair.key, ["name", "set"]))")
            }
            if !matches(name, "[A-Za-z0-9][A-Za-z0-9._-]{0,63}") {
                refuse(node, "'\(name)' is not a device's name", expected: "letters, digits, '.', '_' and '-'")
            }
            if devices.contains(where: { $0.name == name }) { refuse(node, "the device '\(name)' is there twice") }
            var settings: [(path: [PathStep], value: Node)] = []
            switch node["set"]?.value {
            case nil: break
            case .map(let pairs):
                for pair in pairs {
                    if let path = [PathStep](parsing: pair.key) {
                        settings.append((path, pair.value.placed(in: file)))
                    } else {
                        refuse(
                            pair.value, "'\(pair.key)' is not a path of keys",
                            expected: "such as system.hostname or accounts.users[0].name")
                    }
                }
            default: refuse(node, "'set' is not a mapping", expected: "lines such as system.hostname: \(name)")
            }
            devices.append(Device(name: name, settings: settings))
        }
        guard failures.isEmpty else { throw FailureList(failures) }
        return DeviceList(devices: devices)
    }
}

extension Node {
    /// Sets what differs for a device.
    mutating func apply(_ device: DeviceList.Device) throws {
        for (path, value) in device.settings {
            do { try set(value, at: path[...], place: value.place) } catch let refusal as Refusal {
                throw Failure(.usage, at: value.place.text(in: ""), refusal.message, expected: refusal.expected)
            }
        }
    }

    /// The node with places that name their file, since it goes into another one.
    fileprivate func placed(in file: String) -> Node {
        var node = self
        node.place = .elsewhere(place.text(in: file))
        switch value {
        case .scalar: break
        case .list(let items): node.value = .list(items.map { $0.placed(in: file) })
        case .map(let pairs):
            node.value = .map(
                pairs.map {
                    Pair(
                        key: $0.key, keyPlace: .elsewhere($0.keyPlace.text(in: file)), value: $0.value.placed(in: file))
                })
        }
        return node
    }
}
