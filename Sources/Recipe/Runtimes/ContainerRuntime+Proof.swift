import Storage
import Diagnostics
import SystemPackage

extension ContainerRuntime {
    /// What the proof shows of a runtime by containers: what it refuses, and, by an image that is made for it, that it runs, answers,
    /// keeps to its limits, isolates as it says and leaves nothing.
    package struct Proof: Sendable, Equatable {
        /// What keeps the program apart from the board's kernel.
        package enum Isolation: String, Sendable, CaseIterable {
            /// A virtual machine: the process has one open.
            case kvm
            /// A filter of system calls (seccomp mode 2).
            case seccomp
        }

        /// How a container that runs is asked whether its network works.
        package enum Answer: Sendable, Equatable {
            /// It has no network.
            case none
            /// By ICMP echo.
            case ping
            /// By a connection to a TCP port.
            case tcp(Int)
        }

        /// Where the image comes from.
        package enum Image: Sendable, Equatable {
            /// An archive as `docker save` writes it, or an OCI layout in a tar: its URL or absolute path, and how it was written.
            case archive(place: String, written: String)
            /// `REGISTRY/NAME@sha256:…`.
            case reference(String)
        }

        /// What a container that runs must show; nil promises nothing: that row of the proof says "not run".
        package var isolation: Isolation?
        /// What must stand in the refusal of an image that is not made for the runtime; nil where none is refused.
        package var refusal: String?
        /// nil: what an image would show is not shown.
        package var image: Image?
        /// Of the archive, 64 hex digits; nil for one that a person has to accept once.
        package var sha256: String?
        /// Text that the image prints.
        package var expect = ""
        /// What it is started with to print that.
        package var arguments: [String] = []
        /// The status that it ends with then; nil for one that runs until it is stopped.
        package var status: Int?
        /// What it is started with to run until it is stopped; nil for ``arguments``, where these do that.
        package var serve: [String]?
        /// How it is asked over the network while it runs.
        package var answers = Answer.ping

        package init() {}

        /// What it is started with to be looked at while it runs; nil for an image that always ends by itself.
        package var servingArguments: [String]? { serve ?? (status == nil ? arguments : nil) }

        /// The image of another description, for this one's promises.
        func taking(_ other: Proof) -> Proof {
            var proof = other
            proof.isolation = isolation
            proof.refusal = refusal
            return proof
        }
    }
}

extension ContainerRuntime.Proof {
    /// - Parameter ofChoice: whether a recipe says it of a runtime that it names: then it is about the image alone.
    static func shape(ofChoice: Bool = false) -> Shape<Self> {
        let promises: [Key<Self>] = [
            Key(
                optional: "isolation", \.isolation,
                Shape<String>.word("isolation", of: Isolation.allCases.map(\.rawValue)).mapped(
                    { text, _ in Isolation(rawValue: text) ?? .kvm }, back: \.rawValue),
                "What keeps the program apart from the board's kernel, as a running container must show it: a virtual machine (`kvm`), or a filter of system calls (`seccomp`)."
            ),
            Key(
                optional: "refuses", \.refusal,
                .text("text", pattern: "[^\\n]+", expected: "text of one line", limit: 200),
                example: .string("is not a unikernel"),
                "Text that must stand in the refusal of an image that is not made for the runtime."),
        ]
        let image: [Key<Self>] = [
            Key(
                optional: "image", \.image, Self.imageShape, fallback: "none; rows that need one say \"not run\"",
                example: .string("./hello-hvt.tar"),
                "An image for the proof, which the image on the card does not get: an archive of `docker save` (a URL or a path), or a reference with a digest."
            ),
            Key(
                optional: "sha256", \.sha256, ContainerRuntime.sha256,
                fallback: "the archive must be accepted once (`piforge lock accept`)", "The archive's SHA-256."),
            Key(
                "expect", \.expect, .text("text", pattern: "[^\\n]*", expected: "text of one line", limit: 500),
                example: .string("Hello, World"), "Text that it prints; needed where there is an image."),
            Key(
                "arguments", \.arguments, Self.words("list of arguments"), example: .array([.string("hello")]),
                "What it is started with to print that."),
            Key(
                optional: "status", \.status, .integer("integer", in: 0...255),
                fallback: "it runs until it is stopped", example: .integer(0), "The status that it ends with then."),
            Key(
                optional: "serve", \.serve, Self.words("list of arguments"),
                fallback: "`arguments`, where there is no `status`",
                example: .array([.string("serve")]),
                "What it is started with to run until it is stopped: network, memory, isolation and control group are looked at then."
            ),
            Key(
                "answers", \.answers, Self.answer, example: .members(["tcp": .integer(6379)]),
                "How it is asked over the network while it runs."),
        ]
        return Shape.object(Self(), ofChoice ? image : promises + image).checked { proof in
            if proof.image == nil {
                let alone = Self().taking(proof)
                return alone == Self() ? nil : Refusal("it describes an image and names none", expected: "image")
            }
            if proof.expect.isEmpty { return Refusal("it names an image, and not what it prints", expected: "expect") }
            if case .reference? = proof.image, proof.sha256 != nil {
                return Refusal("sha256 belongs to an archive, and the reference has its digest")
            }
            return nil
        }
    }

    private static func words(_ summary: String) -> Shape<[String]> {
        // Each is one word of a command line in the booted image.
        .list(
            of: .text("an argument", pattern: "[^\\x00-\\x1f']+", expected: "text without ' in one line"),
            called: summary, limit: 64)
    }

    /// How archives begin: tar's mark behind its first name (POSIX.1-2024, pax, "ustar Header Block"), and the packings of tar that are
    /// read (RFC 1952; The .xz File Format; RFC 8878).
    private static let archiveMarks: [(offset: Int, bytes: [UInt8])] = [
        (257, Array("ustar".utf8)), (0, PackedFormat.gzip.magic), (0, PackedFormat.xz.magic),
        (0, PackedFormat.zstd.magic),
    ]

    /// Refuses a file of this machine that is surely no archive of an image. What is in it shows when it is read.
    private static func checkArchive(_ path: FilePath, written: String) throws {
        let head: [UInt8]
        do {
            // To open a fifo would be to wait for its writer.
            let file = try FileDescriptor.open(path, .readOnly, options: [.nonBlocking, .closeOnExec])
            head = try file.closeAfter {
                try [UInt8](unsafeUninitializedCapacity: 512) { bytes, count in
                    count = try file.read(fromAbsoluteOffset: 0, into: UnsafeMutableRawBufferPointer(bytes))
                }
            }
        } catch let error as Errno where error == .noSuchFileOrDirectory || error == .notDirectory {
            throw Refusal(
                "there is no file '\(written)'", expected: "\(written), seen from the file that names it")
        } catch let error as Errno {
            throw Refusal("'\(written)' cannot be read: \(error.description.lowercased())")
        }
        guard archiveMarks.contains(where: { head.dropFirst($0.offset).starts(with: $0.bytes) }) else {
            throw Refusal(
                "'\(written)' is not an archive of an image", expected: "a tar, as docker save writes it",
                next: "docker save IMAGE -o \(written.shellWord)")
        }
    }

    private static let imageShape = ContainerRuntime.place.mapped(
        { text, decoding in
            if text.contains("@sha256:") {
                guard matches(text, Recipe.Docker.Preload.reference) else {
                    throw Refusal("'\(text)' is not a reference of an image", expected: "REGISTRY/NAME@sha256:HEX")
                }
                return Image.reference(text)
            }
            if text.contains("://") { return Image.archive(place: text, written: text) }
            guard let path = decoding.resolve(text) else {
                throw Refusal("'\(text)' starts at a home folder, and none is known", next: "write the whole path")
            }
            try checkArchive(path, written: text)
            return Image.archive(place: path.string, written: text)
        },
        back: { image in
            switch image {
            case .archive(_, let text), .reference(let text): text
            }
        })

    private static let answer = Shape<Answer>.oneOf(
        "a way to ask",
        [
            .word("ping", .ping, "By ICMP echo.", is: { $0 == .ping }),
            .word("none", .none, "It has no network.", is: { $0 == .none }),
            .key(
                "tcp", .integer("port", in: 1...65535), "By a connection to this TCP port.", make: { .tcp($0) },
                part: { if case .tcp(let port) = $0 { port } else { nil } }),
        ])
}
