/// Sorts packages into the order in which they are laid over each other and their preinst scripts run.
package enum InstallOrder {
    /// `base-files` first of all, since its links (/bin → usr/bin) must be there before anything lands in those
    /// folders; then the Essential packages, then the others. Each after what it depends on. Where dependencies go round in
    /// a circle, Pre-Depends hold and Depends give way. The order depends on the set alone, not on how it was given.
    ///
    /// - Throws: `Failure` for a dependency field that cannot be read.
    package static func sort(_ packages: [UnpackedPackage]) throws -> [UnpackedPackage] {
        let packages = packages.sorted { $0.identity < $1.identity }
        let graph = try Graph(packages)
        let roots = packages.indices.sorted { (rank(packages[$0]), $0) < (rank(packages[$1]), $1) }
        let byDependency = order(roots, following: graph.dependencies)
        return order(byDependency, following: graph.preDependencies).map { packages[$0] }
    }

    private static func rank(_ package: UnpackedPackage) -> Int {
        package.name == first ? 0 : package.isEssential ? 1 : 2
    }

    fileprivate static let first = "base-files"

    /// Depth first: each node after those it points at, except where that would close a circle.
    private static func order(_ roots: [Int], following edges: [[Int]]) -> [Int] {
        var result: [Int] = []
        var seen = [Bool](repeating: false, count: edges.count)
        for root in roots where !seen[root] {
            seen[root] = true
            var stack = [(node: root, next: 0)]
            while let top = stack.last {
                guard top.next < edges[top.node].count else {
                    result.append(top.node)
                    stack.removeLast()
                    continue
                }
                stack[stack.count - 1].next += 1
                let child = edges[top.node][top.next]
                if !seen[child] {
                    seen[child] = true
                    stack.append((child, 0))
                }
            }
        }
        return result
    }

    private struct Graph {
        var dependencies: [[Int]] = []
        var preDependencies: [[Int]] = []
        private var named: [String: [Int]] = [:]
        private var provided: [String: [Int]] = [:]

        init(_ packages: [UnpackedPackage]) throws {
            for (index, package) in packages.enumerated() {
                named[package.name, default: []].append(index)
                for provision in try package.dependencies("Provides") {
                    for relation in provision.alternatives { provided[relation.name, default: []].append(index) }
                }
            }
            for package in packages {
                // It goes before its own dependencies.
                if package.name == InstallOrder.first {
                    dependencies.append([])
                    preDependencies.append([])
                    continue
                }
                let before = try package.dependencies("Pre-Depends").compactMap { meeting($0, packages) }
                let others = try package.dependencies("Depends").compactMap { meeting($0, packages) }
                preDependencies.append(before)
                dependencies.append(before + others)
            }
        }

        /// The package of the set that meets a dependency: the first alternative by name, else the first provider.
        private func meeting(_ dependency: Dependency, _ packages: [UnpackedPackage]) -> Int? {
            for relation in dependency.alternatives {
                if let index = named[relation.name]?.first(where: {
                    relation.accepts(version: packages[$0].parsedVersion)
                }) {
                    return index
                }
                if let index = provided[relation.name]?.first { return index }
            }
            return nil
        }
    }
}

extension UnpackedPackage {
    /// A dependency field of the control file, parsed; empty where there is none.
    func dependencies(_ field: String) throws -> [Dependency] {
        try control[field].map { try Dependency.parse($0, place: "\(identity): \(field)") } ?? []
    }
}
