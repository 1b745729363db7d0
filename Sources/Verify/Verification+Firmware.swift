import Records
import Firmware

extension Verification {
    /// Lines of config.txt that have no effect (`PiFirmware.ineffectiveSettings`). In an image that piforge made from packages, all lines
    /// are the recipe's, and one of them that is sure to have none is a failure. The lines of a stock image, or of an image without a
    /// manifest, are its publisher's: they are named, and no more.
    func checkFirmwareSettings(_ image: ImageContent, _ parts: [DiskPart], _ manifest: Manifest?) async throws {
        try await recorder.row("firmware settings", expected: "each line of config.txt has an effect") {
            guard let disk = image.disk, !parts.isEmpty else {
                return .notChecked(image.absence(of: 0..<512) ?? "there are no partitions")
            }
            guard let part = parts.first(where: { $0.kind == .fat }) else {
                return manifest == nil ? .notChecked(Self.noBootPartition) : .failed(Self.noBootPartition)
            }
            if let absence = image.absence(of: part.range) { return .notChecked(absence) }
            let found: [IneffectiveSetting]
            do {
                let files = try PartitionBootFiles(disk, offset: part.range.lowerBound, place: subject.file)
                found = try PiFirmware.ineffectiveSettings(files)
            } catch {
                guard manifest == nil else { throw error }
                return .notChecked(VerifyRecorder.words(for: error))
            }
            let words = found.map(\.summary).joined(separator: "\n")
            guard let manifest else {
                let why = "there is no manifest: the lines are its publisher's; "
                return .notChecked(why + (found.isEmpty ? "each has an effect" : "without effect:\n\(words)"))
            }
            guard !found.isEmpty else { return .ok("each line has an effect") }
            guard manifest.base == nil, found.contains(where: \.isCertain) else { return .ok("noted: \(words)") }
            return .failed(words)
        }
    }
}
