import Records
import Diagnostics
import Digests
import Disk
import Fetch
import Storage
import SystemPackage

/// Reads lists of sums, a publisher's and our own.
enum SumsReader {
    static func read(_ path: FilePath) throws -> SumsList {
        try SumsList(parsing: try readFile(path, limit: SumsList.limit), at: path.string)
    }
}

extension Verification {
    private var listName: String? { subject.sums?.lastComponent?.string }
    private static let noList = "there is no list of sums beside it"

    /// The signature over the list of sums, by a key that was named.
    func checkSignature() async throws {
        let names = options.keys.map(\.keyID) + options.sshKeys.map(\.description)
        let expected = names.isEmpty ? "a signature by a named key" : "by \(names.joined(separator: ", "))"
        try await recorder.row("signature", expected: expected) {
            guard let list = subject.sums else {
                return options.hasKeys ? .failed(Self.noList) : .notChecked(Self.noList)
            }
            guard let signature = subject.signature else {
                let text = "\(listName ?? "") has no signature beside it"
                return options.hasKeys ? .failed(text) : .notChecked(text)
            }
            guard let keyring = options.keyring else { return .notChecked("give --keyring and --key") }
            guard options.sshKeys.isEmpty else {
                let verifier = SSHSignatureVerifier(keyring: keyring, keys: options.sshKeys, tools: tools)
                let key = try await verifier.verify(signature: signature, over: list, work: work)
                return .ok("good, by \(key), over \(listName ?? "")")
            }
            let verifier = SignatureVerifier(keyring: keyring, keys: options.keys, tools: tools)
            let found = try await verifier.verify(signature: signature, over: list, work: work)
            return .ok("good, by \(found.key.keyID), over \(listName ?? "")")
        }
    }

    /// The sum that the list has for the image; nil for none.
    func readList() async throws -> Checksum? {
        var sum: Checksum?
        try await recorder.row("sum line", expected: "a line for \(subject.file)") {
            guard let path = subject.sums else { return .notChecked(Self.noList) }
            let listed = try SumsReader.read(path).checksum(of: subject.file)
            guard listed.algorithm.isStrong else {
                return .failed("only its \(listed.algorithm.title) is listed, which proves nothing")
            }
            sum = listed
            return .ok("\(listed.algorithm.title) in \(listName ?? "")")
        }
        return sum
    }

    func checkSum(_ listed: Checksum?, _ image: ImageContent) async throws {
        guard let listed else {
            recorder.add("sum", expected: "the listed one", .notChecked("no sum is listed"))
            return
        }
        let found = image.checksum ?? Checksum(image.digest)
        recorder.add(
            "sum", expected: listed.hex, found == listed ? .ok(found.hex) : .failed(found.hex), image.hashSeconds)
    }

    /// The manifest, where there is one that can be read.
    func readManifest() async throws -> Manifest? {
        var manifest: Manifest?
        try await recorder.row("manifest", expected: "one of this image") {
            guard let path = subject.manifest else {
                return .notChecked("there is none beside it; this is no image of piforge's, or stands alone")
            }
            let bytes = try readFile(path)
            let found = try Manifest(json: bytes, at: path.string)
            let name = path.lastComponent?.string ?? ""
            guard [found.image.file, String(found.image.file.dropLast(3))].contains(subject.file) else {
                return .failed("\(name) is of \(found.image.file)")
            }
            manifest = found
            let listed = try subject.sums.flatMap { try SumsReader.read($0).checksums(of: name).last }
            guard let listed else { return .ok("\(name), in no list of sums") }
            let sum = Checksum.of(bytes, listed.algorithm)
            guard sum == listed else {
                return .failed("\(name) is not the one that is listed; expected \(listed.hex); found \(sum.hex)")
            }
            return .ok("\(name), as listed")
        }
        return manifest
    }

    /// The files that lie beside the image and stand in its list: block map, bills of materials, and the like.
    func checkCompanions() async throws {
        try await recorder.row("companions", expected: "as listed") {
            guard let path = subject.sums else { return .notChecked(Self.noList) }
            let list = try SumsReader.read(path)
            let names = list.names.filter { name in
                name.hasPrefix("\(subject.name).") && ImageName(name) == nil
                    && name != "\(subject.name).manifest.json" && isPlainFileName(name)
            }
            let here = names.filter { exists(path.removingLastComponent().appending($0)) }
            guard !here.isEmpty else { return .notChecked("the list has none that is here") }
            let wrong = try here.filter { name in
                guard let listed = list.checksums(of: name).last else { return false }
                let bytes = try readFile(path.removingLastComponent().appending(name))
                return Checksum.of(bytes, listed.algorithm) != listed
            }
            guard wrong.isEmpty else {
                return .failed(wrong.map { "\($0) is not the one that is listed" }.joined(separator: "\n"))
            }
            let missing = names.count == here.count ? "" : "; not here: \(names.count - here.count)"
            return .ok("\(here.count) \(here.count == 1 ? "file" : "files")\(missing)")
        }
    }

    func checkAgainstManifest(_ manifest: Manifest?, _ image: ImageContent) async throws {
        let absent = Observation.notChecked("there is no manifest")
        guard let record = manifest?.image else {
            recorder.add("image", expected: "as in the manifest", absent)
            addStructure(image)
            let digest = image.unpackedDigest.map { ": \($0.hex)" } ?? ""
            recorder.add("unpacked", expected: "as in the manifest", .notChecked("there is no manifest\(digest)"))
            return
        }
        if subject.isCompressed {
            let isSame = image.digest == record.sha256 && image.size == record.size
            let seen = "\(image.size) bytes, \(image.digest.hex)"
            recorder.add(
                "image", expected: "\(record.size) bytes, \(record.sha256.hex)", isSame ? .ok(seen) : .failed(seen))
        } else {
            recorder.add("image", expected: "as in the manifest", .notChecked("the manifest is of \(record.file)"))
        }
        addStructure(image)
        let expected = "\(record.uncompressedSize) bytes, \(record.uncompressedSHA256.hex)"
        guard let digest = image.unpackedDigest else {
            recorder.add("unpacked", expected: expected, .notChecked("it does not unpack"))
            return
        }
        let isSame = digest == record.uncompressedSHA256 && image.diskSize == record.uncompressedSize
        let seen = "\(image.diskSize) bytes, \(digest.hex)"
        recorder.add("unpacked", expected: expected, isSame ? .ok(seen) : .failed(seen))
    }

    private func addStructure(_ image: ImageContent) {
        guard subject.isCompressed else {
            recorder.add("xz", expected: "every block whole", .notChecked("the image is not compressed"))
            return
        }
        recorder.add("xz", expected: "every block whole", image.structure, image.scanSeconds)
    }
}
