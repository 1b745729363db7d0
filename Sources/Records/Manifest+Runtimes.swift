import Digests

extension Manifest {
    /// A container runtime of the image: how Docker knows it, and what shows that it works.
    package struct Runtime: Codable, Sendable, Equatable {
        /// The runtime file's name, such as `gvisor`.
        package var name: String
        /// The name that `docker run --runtime` takes; nil for what Docker does not know of. A runtime with several such names
        /// stands here once for each.
        package var docker: String?
        /// In this order.
        package var checks: [RuntimeCheck]
        /// What containers must show besides; nil for nothing.
        package var proof: RuntimeProof?

        package init(name: String, docker: String?, checks: [RuntimeCheck], proof: RuntimeProof? = nil) {
            self.name = name
            self.docker = docker
            self.checks = checks
            self.proof = proof
        }
    }

    /// What containers of a runtime must show.
    package struct RuntimeProof: Codable, Sendable, Equatable {
        /// `kvm` (the process has a virtual machine) or `seccomp` (it has a filter of system calls); nil where nothing is promised.
        package var isolation: String?
        /// What must stand in the refusal of an image that is not made for the runtime; nil where none is refused.
        package var refusal: String?
        /// nil: what an image would show cannot be shown.
        package var image: ProofImage?

        package init(isolation: String?, refusal: String?, image: ProofImage?) {
            self.isolation = isolation
            self.refusal = refusal
            self.image = image
        }
    }

    /// A container image that a runtime is proved by. The disk does not have it: the proof brings it.
    package struct ProofImage: Codable, Sendable, Equatable {
        /// As the recipe or the runtime's file names it; never a path of the host.
        package var name: String
        /// Of the archive that `docker load` takes.
        package var sha256: SHA256Digest
        /// Bytes.
        package var size: UInt64
        /// Text that it prints.
        package var expect: String
        /// What it is started with to print that.
        package var arguments: [String]
        /// The status that it ends with then; nil for one that runs until it is stopped.
        package var status: Int?
        /// What it is started with to run until it is stopped; nil for one that does not.
        package var serve: [String]?
        /// `ping`, `none`, or `tcp N`.
        package var answers: String

        package init(
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
    package struct RuntimeCheck: Codable, Sendable, Equatable {
        /// What is shown, in a few words.
        package var name: String
        /// Lines that run before; each must succeed.
        package var setup: [String]
        /// What is looked at: it must end with status 0.
        package var run: String
        /// `root` where root runs it; nil for a user who may use Docker.
        package var user: String?
        /// Text that must stand in what ``run`` prints.
        package var expect: String
        /// Lines that run afterwards, however ``run`` ended.
        package var cleanup: [String]

        package init(
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
