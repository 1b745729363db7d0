import Diagnostics
import SystemPackage

extension Recipe {
    /// Reads a recipe, applies overrides, and checks all of it.
    ///
    /// - Parameters:
    ///   - path: the YAML file, at most 1 MiB. Messages write it as it is given here; relative paths in the recipe start at its
    ///     folder.
    ///   - overrides: `a.b=c` each, as `--set` takes them, applied in order.
    ///   - device: what is set for it, after the overrides.
    ///   - home: what `~/` stands for in the recipe's paths; nil refuses it.
    ///   - share: the absolute folder with what comes with piforge, where names of runtimes, fragments and overlays are looked for at
    ///     last; nil for nowhere.
    /// - Throws: `Failure` of kind `.usage` for one mistake, `FailureList` for several, each with its line or override.
    package static func load(
        path: FilePath, overrides: [String] = [], device: DeviceList.Device? = nil, home: FilePath? = nil,
        share: FilePath? = nil
    ) throws -> Recipe {
        let text = try readText(path, limit: 1 << 20)
        return try parse(
            text, file: path.string, folder: try absolute(path).removingLastComponent(), overrides: overrides,
            device: device, home: home, share: share)
    }

    /// Where the value of a key such as `overlays[1]` stands in a recipe's file: `recipes/x.yaml:14`, or the nearest key above it.
    ///
    /// - Returns: nil when the file is no longer there, or no longer a recipe.
    package static func place(of key: String, in path: FilePath) -> String? {
        guard let text = try? readText(path, limit: 1 << 20),
            let root = try? YAMLReader.read(text, file: path.string),
            let steps = [PathStep](parsing: key)
        else { return nil }
        return root.place(of: steps).text(in: path.string)
    }

    /// As ``load(path:overrides:device:home:share:)``, from text.
    ///
    /// - Parameters:
    ///   - file: what messages call the text.
    ///   - folder: the absolute folder where relative paths start.
    package static func parse(
        _ text: String, file: String, folder: FilePath, overrides: [String] = [], device: DeviceList.Device? = nil,
        home: FilePath? = nil, share: FilePath? = nil
    ) throws -> Recipe {
        var root = try YAMLReader.read(text, file: file)
        for override in overrides { try root.apply(override: override) }
        if let device { try root.apply(device) }
        let decoding = Decoding(file: file, folder: folder, home: home, share: share)
        guard var recipe = shape.decode(root, [], decoding) else {
            try decoding.finish()
            throw Failure(.usage, at: file, "the recipe could not be read")
        }
        recipe.completeDefaults()
        recipe.resolveOwners(root, decoding)
        recipe.check(root, decoding)
        try decoding.finish()
        return recipe
    }

    /// Fills in what is made from other keys.
    private mutating func completeDefaults() {
        if seed.isEmpty { seed = name }
        if packages.suites.isEmpty, packages.sources.isEmpty, case .debian(let suite) = base {
            packages.suites = suite == "sid" ? [suite] : [suite, "\(suite)-updates", "\(suite)-security"]
        }
        guard stock == nil else { return }
        var taken = Set(accounts.users.compactMap(\.uid))
        for index in accounts.users.indices where accounts.users[index].uid == nil {
            let uid = (1000...59999).first { !taken.contains($0) } ?? 59999
            taken.insert(uid)
            accounts.users[index].uid = uid
        }
    }

    /// Turns the owners of overlays into numbers.
    private mutating func resolveOwners(_ root: Node, _ decoding: Decoding) {
        guard decoding.isClean("accounts.users"), decoding.isClean("overlays") else { return }
        for index in overlays.indices {
            let text = overlays[index].ownerText
            let numbers = text.split(separator: ":").compactMap { UInt32($0) }
            if numbers.count == 2 {
                overlays[index].owner = Overlay.Owner(uid: numbers[0], gid: numbers[1])
            } else if let user = accounts.users.first(where: { $0.name == text }), let uid = user.uid {
                overlays[index].owner = Overlay.Owner(uid: uid, gid: uid)
            } else if accounts.users.contains(where: { $0.name == text }) {
                decoding.refuse(
                    "overlays[\(index)].owner", in: root,
                    "the user ID of '\(text)' is not known before the stock image is read",
                    next: "give the account a uid, or write UID:GID")
            } else if text != "root" {
                let names = ["root"] + accounts.users.map(\.name)
                decoding.refuse(
                    "overlays[\(index)].owner", in: root, "unknown account '\(text)'\(didYouMean(text, names))",
                    expected: "one of \(names.joined(separator: ", ")), or UID:GID")
            }
        }
    }
}

/// The absolute form of a path, from the working folder.
private func absolute(_ path: FilePath) throws -> FilePath {
    if path.isAbsolute { return path.lexicallyNormalized() }
    return FilePath(try workingFolder()).pushing(path).lexicallyNormalized()
}
