import Diagnostics

extension Node {
    /// Applies `a.b=c` or `a.b[0].c=d`. The value is YAML on one line; mappings on the way are made, a list grows by one item when
    /// the index is its length.
    ///
    /// - Throws: `Failure` at the place `--set a.b=c`.
    mutating func apply(override text: String) throws {
        let place = Place.override(text)
        func refuse(_ message: String, expected: String? = nil) -> Failure {
            Failure(.usage, at: place.text(in: ""), message, expected: expected)
        }
        guard let equals = text.firstIndex(of: "=") else {
            throw refuse("there is no '=' in it", expected: "--set key.key=value")
        }
        guard let path = [PathStep](parsing: text[..<equals]) else {
            throw refuse(
                "'\(text[..<equals])' is not a path of keys",
                expected: "such as system.hostname or accounts.users[0].name")
        }
        let value = try YAMLReader.readValue(String(text[text.index(after: equals)...]), place: place)
        do {
            try set(value, at: path[...], place: place)
        } catch let refusal as Refusal {
            throw refuse(refusal.message, expected: refusal.expected)
        }
    }

    /// - Throws: `Refusal`.
    mutating func set(_ new: Node, at path: ArraySlice<PathStep>, place: Place) throws {
        guard let step = path.first else {
            self = new
            return
        }
        switch step {
        case .key(let key):
            // A scalar gives way to a mapping: `password.env=NAME` where the recipe has `password: generate`.
            var pairs: [Pair] = []
            switch value {
            case .map(let own): pairs = own
            case .list: throw Refusal("'\(key)' is set in a list", expected: "an index, such as [0].\(key)")
            case .scalar: self.place = place
            }
            let index = pairs.firstIndex { $0.key == key } ?? pairs.endIndex
            if index == pairs.endIndex {
                pairs.append(
                    Pair(key: key, keyPlace: place, value: Node(value: .scalar("", plain: true), place: place)))
            }
            pairs[index].keyPlace = place
            try pairs[index].value.set(new, at: path.dropFirst(), place: place)
            value = .map(pairs)
        case .index(let index):
            var items: [Node] = []
            switch value {
            case .list(let own): items = own
            case .scalar where isNull: self.place = place
            default: throw Refusal("[\(index)] is set in something that is not a list")
            }
            guard index <= items.count else {
                throw Refusal(
                    "the list has no item [\(index)]", expected: "[0] to [\(items.count)]; the last one adds an item")
            }
            if index == items.count { items.append(Node(value: .scalar("", plain: true), place: place)) }
            try items[index].set(new, at: path.dropFirst(), place: place)
            value = .list(items)
        }
    }
}
