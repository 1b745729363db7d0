import Records
import Diagnostics
import Disk
import Fetch
import Storage
import SystemPackage

#if canImport(Glibc)
    import Glibc
#endif

/// An image that is to be verified, and what stands beside it.
struct VerifySubject: Equatable {
    /// The image, as its path was given.
    var path: FilePath
    /// Its file name.
    var file: String
    var isCompressed: Bool
    /// `NAME.SHA256SUMS` or `SHA256SUMS` beside it; nil for none.
    var sums: FilePath?
    /// The list's signature: the list's name and `.gpg`, `.sig` or `.asc`; nil for none.
    var signature: FilePath?
    /// `NAME.manifest.json` beside it; nil for none.
    var manifest: FilePath?

    /// The images that a name on the command line stands for: an image; those in a list of sums; the one of a manifest.
    ///
    /// - Throws: `Failure` of kind usage for what is no image or one in a format that is not read, or names none.
    static func all(named path: FilePath, _ options: VerifyOptions) throws -> [VerifySubject] {
        let subjects = try subjects(named: path, options)
        for subject in subjects { try ImagePacking.check(subject.path) }
        return subjects
    }

    private static func subjects(named path: FilePath, _ options: VerifyOptions) throws
        -> [VerifySubject]
    {
        try requireFile(path)
        let name = path.lastComponent?.string ?? ""
        let folder = path.removingLastComponent()
        if isImage(name) { return [VerifySubject(path, name, options)] }
        if name.hasSuffix(".manifest.json") {
            let image = folder.appending(try Manifest.read(path).image.file)
            try requireFile(image)
            return [VerifySubject(image, image.lastComponent?.string ?? "", options)]
        }
        if name == "SHA256SUMS" || name.hasSuffix(".SHA256SUMS") {
            let listed = try SumsReader.read(path).names.filter { isImage($0) && isPlainFileName($0) }
            // A publisher's list has files that nobody fetched.
            let images = listed.filter { name != "SHA256SUMS" || exists(folder.appending($0)) }
            guard !images.isEmpty else {
                throw Failure(
                    .usage, at: path.string, "the list of sums names no image that is here",
                    expected: "a line for NAME.img.xz or NAME.img", found: "\(listed.count) images, none beside it")
            }
            return try images.map { image in
                try requireFile(folder.appending(image))
                var subject = VerifySubject(folder.appending(image), image, options)
                subject.useList(options.sums ?? path, options)
                return subject
            }
        }
        try ImagePacking.check(path)
        throw Failure(
            .usage, at: path.string, "the file is no image",
            expected: "NAME.img.xz, NAME.img, NAME.SHA256SUMS, SHA256SUMS or NAME.manifest.json", found: name)
    }

    /// The file's name without what marks it as an image.
    var name: String {
        ImageName(file)?.stem ?? file
    }

    private init(_ path: FilePath, _ file: String, _ options: VerifyOptions) {
        self.path = path
        self.file = file
        isCompressed = ImageName(file)?.isCompressed ?? false
        let folder = path.removingLastComponent()
        func beside(_ name: String) -> FilePath? {
            let path = folder.appending(name)
            return exists(path) ? path : nil
        }
        manifest = beside("\(name).manifest.json")
        useList(options.sums ?? beside("\(name).SHA256SUMS") ?? beside("SHA256SUMS"), options)
    }

    private mutating func useList(_ list: FilePath?, _ options: VerifyOptions) {
        sums = list
        signature = options.signature
        guard signature == nil, let list else { return }
        let found = [".gpg", ".sig", ".asc"].map { FilePath(list.string + $0) }.filter(exists)
        let isSSH = !options.sshKeys.isEmpty
        signature = found.first { SSHSignatureVerifier.isSignature($0) == isSSH } ?? found.first
    }

    private static func isImage(_ name: String) -> Bool { ImageName(name) != nil }

    /// - Throws: `Failure` of kind usage when nothing, or no file, is there.
    static func requireFile(_ path: FilePath) throws {
        var status = stat()
        guard stat(path.string, &status) == 0 else { throw Failure.notThere(path) }
        switch status.st_mode & S_IFMT {
        case S_IFREG: return
        case S_IFDIR:
            throw Failure(
                .usage, at: path.string, "this is a folder, not an image", next: "name the files in it that are images")
        default: throw Failure(.usage, at: path.string, "this is no regular file")
        }
    }
}
