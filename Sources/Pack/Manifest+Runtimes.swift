import Digests

extension Manifest {
    /// A container runtime of the image: how Docker knows it, and what shows that it works.
    public struct Runtime: Codable, Sendable, Equatable {
        /// The runtime file's name, such as `gvisor`.
        public var name: String
        /// The name that `docker run --runtime` takes; nil for what Docker does not know of. A runtime with several such names
        /// stands here once for each.
        public var docker: String?
        /// In this order.
        public var checks: [RuntimeCheck]
        /// What containers must show besides; nil for nothing.
        public var proof: RuntimeProof?

        public init(name: String, docker: String?, checks: [RuntimeCheck], proof: RuntimeProof? = nil) {
            self.name = name
            self.docker = docker
            self.checks = checks
            self.proof = proof
        }
    }

    /// What containers of a runtime must show.
    public struct RuntimeProof: Codable, Sendable, Equatable {
        /// `kvm` (the process has a virtual machine) or `seccomp` (it has a filter of system calls); nil where nothing is promised.
        public var isolation: String?
        /// What must stand in the refusal of an image that is not made for the runtime; nil where none is refused.
        public var refusal: String?
        /// nil: what an image would show cannot be shown.
        public var image: ProofImage?

        public init(isolation: String?, refusal: String?, image: ProofImage?) {
            self.isolation = isolation
            self.refusal = refusal
            self.image = image
        }
    }

    /// A container image that a runtime is proved by. The disk does not have it: the proof brings it.
    public struct ProofImage: Codable, Sendable, Equatable {
        /// As the recipe or the runtime's file names it; never a path of the host.
        public var name: String
        /// Of the archive that `docker load` takes.
        public var sha256: SHA256Digest
        /// Bytes.
        public var size: UInt64
        /// Text that it prints.
        public var expect: String
        /// What it is started with to print that.
        public var arguments: [String]
        /// The status that it ends with then; nil for one that runs until it is stopped.
        public var status: Int?
        /// What it is started with to run until it is stopped; nil for one that does not.
        public var serve: [String]?
        /// `ping`, `none`, or `tcp N`.
        public var answers: String

        public init(
            name: String, sha256: SHA256Digest, size: UInt64, expect: String, arguments: [String], status: Int?,
            serve: [String]?, answers: String
        ) {
            self.name = name
            self.sha256 = sha256
            self.size = size
            self.expect = expect
            self.arguments = arguments
            self.status = status
            self.serve = serve
            self.answers = answers
        }
    }

    /// A command in the booted image, and what it must print. Lines are for `/bin/sh`, root's but for ``run``.
    public struct RuntimeCheck: Codable, Sendable, Equatable {
        /// What is shown, in a few words.
        public var name: String
        /// Lines that run before; each must succeed.
        public var setup: [String]
        public var run: String
        /// `root` where root runs it; nil for a user who may use Docker.
        public var user: String?
        /// Text that must stand in what ``run`` prints.
        public var expect: String
        /// Lines that run afterwards, however ``run`` ended.
        public var cleanup: [String]

        public init(
            name: String, setup: [String] = [], run: String, user: String? = nil, expect: String, cleanup: [String] = []
        ) {
            self.name = name
            self.setup = setup
            self.run = run
            self.user = user
            self.expect = expect
            self.cleanup = cleanup
        }
    }
}
