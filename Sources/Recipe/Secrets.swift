extension Recipe {
    /// What becomes of a secret that a package's script makes while the image is made.
    package enum SecretChoice: String, Sendable, CaseIterable {
        /// It is not in the image; the board makes its own at its first boot, or the recipe's own services do.
        case firstBoot = "first_boot"
        /// It is in the image, the same on every board.
        case keep
    }
}

extension Shape where Value == [String: Recipe.SecretChoice] {
    /// Paths in the image, and a word for each.
    static let secrets: Shape = {
        let path = Shape<String>.text(
            "a path in the image", pattern: "/[^\\x00-\\x1f]+", expected: "an absolute path")
        let word = Shape<String>.word("choice", of: Recipe.SecretChoice.allCases.map(\.rawValue))
        return Shape(
            summary: "mapping of paths to \(word.summary)",
            schema: .members([
                "type": .string("object"), "propertyNames": path.schema, "additionalProperties": word.schema,
            ]),
            decode: { node, steps, decoding in
                guard case .map(let pairs) = node.value else {
                    decoding.refuse(
                        steps, at: node.place, "not a mapping", expected: "PATH: first_boot, or PATH: keep",
                        found: describe(node))
                    return nil
                }
                var choices: [String: Recipe.SecretChoice] = [:]
                for pair in pairs {
                    let place = steps + [.key(pair.key)]
                    let key = Node(value: .scalar(pair.key, plain: false), place: pair.keyPlace)
                    guard let name = path.decode(key, place, decoding),
                        let choice = word.decode(pair.value, place, decoding).flatMap(Recipe.SecretChoice.init)
                    else { continue }
                    choices[name] = choice
                }
                return choices.count == pairs.count ? choices : nil
            },
            encode: { choices in
                .object(
                    choices.sorted { $0.key < $1.key }.map { .init(key: $0.key, value: .string($0.value.rawValue)) })
            })
    }()
}
