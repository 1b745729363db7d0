import Records
import Diagnostics
import Disk
import Firmware
import Kernel
import Layers
import Storage
import SystemPackage
import Tools

#if canImport(Glibc)
    import Glibc
#endif

extension Verification {
    private static let noManifest = "there is no manifest: only piforge's own images are held to what is in them"

    static let noBootPartition = "the disk has no FAT partition to boot from"

    /// Labels, boot files, the firmware's settings and the kernel, against the manifest.
    func checkContents(_ image: ImageContent, _ parts: [DiskPart], _ manifest: Manifest?) async throws {
        guard let manifest else { return try await leaveContents(image, parts, nil, Self.noManifest) }
        guard let disk = image.disk, !parts.isEmpty else {
            let reason = image.absence(of: 0..<512) ?? "there are no partitions"
            return try await leaveContents(image, parts, manifest, reason)
        }
        try await checkLabels(image, disk, parts, manifest)
        let boot = try await checkBootFiles(image, disk, parts, manifest)
        try await checkFirmwareSettings(image, parts, manifest)
        try await checkKernelConfig(image, disk, parts, boot, manifest)
        try await checkRadioFirmware(image, disk, parts, manifest)
    }

    /// Says of each row why it is not made; the firmware's settings can be looked at without a manifest, too.
    private func leaveContents(
        _ image: ImageContent, _ parts: [DiskPart], _ manifest: Manifest?, _ reason: String
    ) async throws {
        func leave(_ name: String) { recorder.add(name, expected: "as in the manifest", .notChecked(reason)) }
        leave("labels")
        leave("boot files")
        try await checkFirmwareSettings(image, parts, manifest)
        leave("kernel config")
        if manifest?.expectations.wifi != nil { leave("wifi firmware") }
    }

    private func checkLabels(
        _ image: ImageContent, _ disk: FilePath, _ parts: [DiskPart], _ manifest: Manifest
    ) async throws {
        let records = manifest.partitionTable.partitions
        let expected = records.map { "\($0.filesystem) \($0.label) \($0.uuid)" }
        try await recorder.row("labels", expected: expected.joined(separator: "\n")) {
            if let absence = parts.lazy.compactMap({ image.absence(of: $0.range) }).first {
                return .notChecked(absence)
            }
            let found = try parts.map { part in
                switch part.kind {
                case .ext4:
                    let reader = try Ext4Reader(disk, offset: part.range.lowerBound, place: subject.file)
                    return "\(reader.kind) \(reader.label) \(reader.uuid)"
                case .fat:
                    let reader = try FATReader(
                        try FileSource(disk), offset: part.range.lowerBound, place: subject.file)
                    return "vfat \(try reader.volumeLabel() ?? "") \(reader.uuid)"
                case .other: return "other"
                }
            }
            let text = found.joined(separator: "\n")
            return found == expected ? .ok(text) : .failed(text)
        }
    }

    /// - Returns: what the firmware would start; nil when it would not, or that could not be found out.
    private func checkBootFiles(
        _ image: ImageContent, _ disk: FilePath, _ parts: [DiskPart], _ manifest: Manifest
    ) async throws -> FirmwareBoot? {
        var boot: FirmwareBoot?
        let limit = manifest.expectations.memoryLimit.map { $0 >> 20 }
        let expected = "what a Pi 4 can boot" + (limit.map { ", total_mem=\($0)" } ?? "")
        try await recorder.row("boot files", expected: expected) {
            guard let part = parts.first(where: { $0.kind == .fat }) else { return .failed(Self.noBootPartition) }
            if let absence = image.absence(of: part.range) { return .notChecked(absence) }
            let files = try PartitionBootFiles(disk, offset: part.range.lowerBound, place: subject.file)
            let found = try await PiFirmware.boot(from: files, tools: tools)
            boot = found
            let names = [found.kernelName, found.initramfsName, found.deviceTreeName].compactMap { $0 }
            guard let limit else { return .ok(names.joined(separator: ", ")) }
            let memory = "total_mem=\(found.totalMemory.map(String.init) ?? "(not set)")"
            let seen = (names + [memory]).joined(separator: ", ")
            return found.totalMemory.map(UInt64.init) == limit ? .ok(seen) : .failed(seen)
        }
        return boot
    }

    /// Holds the configuration of the kernel that config.txt names to the manifest's lines.
    private func checkKernelConfig(
        _ image: ImageContent, _ disk: FilePath, _ parts: [DiskPart], _ boot: FirmwareBoot?, _ manifest: Manifest
    ) async throws {
        let lines = manifest.expectations.kernelConfig
        let count = lines.count == 1 ? "1 line" : "\(lines.count) lines"
        let expected = "\(manifest.expectations.kernelRelease)" + (lines.isEmpty ? "" : ", \(count) of fragments")
        try await recorder.row("kernel config", expected: expected) {
            guard let boot else { return .notChecked("it is not known which kernel the board would start") }
            guard let release = try await release(of: boot.kernel) else {
                return .failed("\(boot.kernelName) does not say which release it is")
            }
            guard release == manifest.expectations.kernelRelease else {
                return .failed("\(boot.kernelName) is \(release)")
            }
            guard !lines.isEmpty else {
                return .notChecked("\(release); the manifest asks nothing of its configuration")
            }
            guard let part = parts.first(where: { $0.kind == .ext4 }) else {
                return .failed("the disk has no Linux partition")
            }
            if let absence = image.absence(of: part.range) { return .notChecked(absence) }
            let config = try kernelConfig(release, disk, part)
            let isInside = try config.agrees(
                at: "/boot/config-\(release)", withKernel: boot.kernel, at: boot.kernelName)
            guard let version = KernelVersion(release) else { return .failed("\(release) is no version") }
            // Each line for itself: fragments may ask for one option together.
            let fragment = try ConfigFragment.joined(
                lines.enumerated().map { index, line in
                    try ConfigFragment.parse(line, file: "the manifest's kernelConfig[\(index)]")
                })
            let violations = ConfigFragment.violations(of: fragment, in: config, version: version)
            guard violations.isEmpty else { return .failed(violations.map(\.summary).joined(separator: "\n")) }
            return .ok("\(release), all \(lines.count) followed" + (isInside ? "; the kernel holds the same" : ""))
        }
    }

    private func kernelConfig(_ release: String, _ disk: FilePath, _ part: DiskPart) throws -> KernelConfig {
        let path = EntryPath("boot").appending("config-\(release)")
        let root = try Ext4Reader(disk, offset: part.range.lowerBound, place: subject.file)
        guard let entry = try root.entry(at: path), case .regular(let size) = entry.kind else {
            throw Failure(at: "\(path)", "the root file system has no such file")
        }
        guard size <= UInt64(KernelConfig.largest) else {
            throw Failure(
                at: "\(path)", "the kernel configuration is too large",
                expected: "at most \(KernelConfig.largest) bytes",
                found: "\(size)")
        }
        var bytes: [UInt8] = []
        try root.forEachChunk(of: entry) { bytes += $0 }
        return try KernelConfig(bytes, at: "\(path)")
    }

    /// What `uname -r` would print, from the kernel's own banner (Linux, init/version-timestamp.c: `Linux version RELEASE (`).
    private func release(of kernel: [UInt8]) async throws -> String? {
        var image = kernel
        if KernelImage(kernel) == .gzip {
            image = try await tools.run(.gzip, ["-dc"], input: kernel, place: "kernel").output
        }
        return image.withUnsafeBytes(Self.release(in:))
    }

    private static func release(in image: UnsafeRawBufferPointer) -> String? {
        let mark = Array("Linux version ".utf8)
        guard let base = image.baseAddress, image.count > mark.count else { return nil }
        let last = image.count - mark.count
        var position = 0
        while position < last, let found = memchr(base + position, Int32(mark[0]), last - position) {
            let start = base.distance(to: found)
            position = start + 1
            guard memcmp(found, mark, mark.count) == 0 else { continue }
            let word = image[(start + mark.count)...].prefix(129).prefix { $0 > 0x20 && $0 < 0x7f }
            if let first = word.first, (0x30...0x39).contains(first), word.count < 129 {
                return String(decoding: word, as: UTF8.self)
            }
        }
        return nil
    }
}
