import Diagnostics
import Disk
import Layers
import Storage

/// Compares two images: what they are, what is on them, and where their bytes differ. Belongs to one task.
///
///     bytes        one pass over both disks, past what is packed the same: the sectors that differ
///     names        inodes and folders, in the disk's order
///     content      files of the same name and size whose sectors differ, or that lie elsewhere: by their SHA-256, in each
///                  disk's order
///     the rest     the things that own the sectors which differ
package final class ImageComparison {
    /// Which sections are looked at, and whether texts are compared line by line.
    package struct Options: Sendable {
        /// What is not among them is not compared. Their order means nothing.
        package var sections: [ImageDifferences.Section]
        /// Whether files of text that differ get the lines of a unified diff.
        package var text: Bool

        package init(sections: [ImageDifferences.Section] = ImageDifferences.Section.allCases, text: Bool = true) {
            self.sections = sections
            self.text = text
        }
    }

    private let a: ImageDisk
    private let b: ImageDisk
    private let options: Options
    private var result: ImageDifferences

    /// Nothing is compared before ``run()``.
    ///
    /// - Parameters:
    ///   - a: the old image.
    ///   - b: the new one.
    package init(_ a: ImageDisk, _ b: ImageDisk, _ options: Options = Options()) {
        self.a = a
        self.b = b
        self.options = options
        result = ImageDifferences(
            a: a.path.string, b: b.path.string,
            sections: ImageDifferences.Section.allCases.filter(options.sections.contains))
    }

    /// - Throws: `Failure` when a disk cannot be read; what cannot be read of what is on it is told in the result.
    ///   `CancellationError`.
    package func run() throws -> ImageDifferences {
        if wants(.disk) { result.disk = try DiskFields.differences(a, b) }
        let bytes: ByteComparison? =
            wants(.files) || wants(.bytes) ? try ByteComparison(a, b) : nil
        if let bytes, bytes.isSame {
            // Sector by sector the same: there is nothing to look for.
            if a.size == b.size { return result }
        }
        if wants(.filesystems) { result.filesystems = try FileSystemFields.differences(a, b) }
        for (disk, volume) in a.volumes.map({ (a, $0) }) + b.volumes.map({ (b, $0) }) {
            if let problem = volume.problem, wants(.files) {
                result.notCompared.append("\(printable(disk.path.string)): partition \(volume.number): \(problem)")
            }
        }
        try compareTrees()
        guard let bytes else { return result }
        try compareFiles(bytes)
        return result
    }

    private func wants(_ section: ImageDifferences.Section) -> Bool { options.sections.contains(section) }

    // MARK: Systems

    private func compareTrees() throws {
        guard let one = try noting({ try ImageFiles(a) }), let other = try noting({ try ImageFiles(b) }) else { return }
        // Where one has no root file system that can be read, all of the other's would be told as gone.
        guard (one.root.ext4 == nil) == (other.root.ext4 == nil) else { return }
        if a.packed?.isSequential == true { try a.holdNames(of: one.root) }
        if b.packed?.isSequential == true { try b.holdNames(of: other.root) }
        if wants(.boot) { result.boot = SystemFields.boot(one, other) }
        if wants(.packages) {
            if let old = try noting({ try PackageList(one) }), let new = try noting({ try PackageList(other) }) {
                result.packages = SystemFields.packages(old?.versions ?? [:], new?.versions ?? [:])
            }
        }
        if wants(.kernel) {
            result.kernel = try noting({ try SystemFields.kernelOptions(one, other) }) ?? []
        }
    }

    /// A value, or a note of why there is none.
    ///
    /// - Throws: what is no `Failure`.
    private func noting<Value>(_ body: () throws -> Value) throws -> Value? {
        do { return try body() } catch let failure as Failure {
            let note = "\(printable(failure.place)): \(failure.message)"
            if !result.notCompared.contains(note) { result.notCompared.append(note) }
            return nil
        }
    }

    // MARK: Files and bytes

    private func compareFiles(_ bytes: ByteComparison) throws {
        let one = try noting { try ImageFiles(a) }
        let other = try noting { try ImageFiles(b) }
        var comparisons: [Int: FileComparison] = [:]
        for (old, new) in pairs {
            try Task.checkCancellation()
            guard old.problem == nil, new.problem == nil else { continue }
            let mount = one?.mountPoint(of: old) ?? other?.mountPoint(of: new)
            let differing = bytes.partitions[old.number]
            // Sector by sector the same, and nothing of it is asked for by name.
            if differing?.isEmpty == true, old.partition.size == new.partition.size { continue }
            let comparison = try noting {
                try FileComparison((a, old), (b, new), mount: mount, differing: differing ?? [], text: options.text)
            }
            guard let comparison else { continue }
            if wants(.files) { result.files += comparison.changes }
            comparisons[old.number] = comparison
        }
        result.files.sort { $0.path < $1.path }
        if wants(.bytes) {
            result.bytes = bytes.outside
            for (old, new) in pairs {
                guard let differing = bytes.partitions[old.number], !differing.isEmpty else { continue }
                result.bytes += try ByteOwners.changes(
                    (a, old), (b, new), comparisons[old.number], differing: differing)
            }
        }
    }

    /// The partitions that both have, by their numbers.
    private var pairs: [(Volume, Volume)] {
        a.volumes.compactMap { old in b.volumes.first { $0.number == old.number }.map { (old, $0) } }
    }
}
