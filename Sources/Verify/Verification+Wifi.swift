import Records
import Disk
import Kernel
import Layers
import SystemPackage

extension Verification {
    /// What the radios of a Pi 4 need before they are a wlan0: no emulated machine has one, so nothing else looks for it.
    func checkRadioFirmware(
        _ image: ImageContent, _ disk: FilePath, _ parts: [DiskPart], _ manifest: Manifest
    ) async throws {
        guard manifest.expectations.wifi != nil else { return }
        try await recorder.row("wifi firmware", expected: "what a Pi 4B's radio asks for") {
            guard let part = parts.first(where: { $0.kind == .ext4 }) else {
                return .failed("the disk has no Linux partition")
            }
            if let absence = image.absence(of: part.range) { return .notChecked(absence) }
            let root = try Ext4Reader(disk, offset: part.range.lowerBound, place: subject.file)
            var lacking: [(board: String, files: [String])] = []
            for board in RadioFirmware.boards {
                let files = try RadioFirmware.missing(for: board) { try root.isFile($0) }
                if !files.isEmpty { lacking.append((board.name, files)) }
            }
            let whole = RadioFirmware.boards.filter { board in !lacking.contains { $0.board == board.name } }
            var lines = whole.isEmpty ? [] : [whole.map { "\($0.name): \($0.chip)" }.joined(separator: ", ")]
            lines += lacking.map { "\($0.board): no \($0.files.joined(separator: ", no "))" }
            // An image without the files of another board than the 4B is one for the 4B.
            let first = RadioFirmware.boards[0].name
            guard lacking.contains(where: { $0.board == first }) else { return .ok(lines.joined(separator: "\n")) }
            return .failed((lines + ["they are in \(RadioFirmware.packages)"]).joined(separator: "\n"))
        }
    }
}

extension Ext4Reader {
    /// Linux gives up after 40 links (path_resolution(7)).
    private static let mostLinks = 40

    /// Whether a path, without a leading slash, leads to a regular file, links followed within the file system.
    ///
    /// - Throws: `Failure` where the file system is damaged.
    func isFile(_ path: String) throws -> Bool {
        let slash = UInt8(ascii: "/")
        var pending = Array(Array(path.utf8).split(separator: slash).reversed())
        var current = EntryPath.root
        var links = 0
        while let component = pending.popLast() {
            if component == [UInt8(ascii: ".")] { continue }
            if component == [UInt8(ascii: "."), UInt8(ascii: ".")] {
                current = current.parent ?? .root
                continue
            }
            let next = current.appending(component)
            guard next.bytes.count <= 4095, let entry = try entry(at: next) else { return false }
            switch entry.kind {
            case .symlink(let target):
                links += 1
                guard links <= Self.mostLinks else { return false }
                pending += target.split(separator: slash).reversed()
                if target.first == slash { current = .root }
            case .regular: return pending.isEmpty
            default: current = next
            }
        }
        return false
    }
}
