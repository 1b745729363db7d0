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

        public init(name: String, docker: String?, checks: [RuntimeCheck]) {
            self.name = name
            self.docker = docker
            self.checks = checks
        }
    }

    /// A command in the booted image, and what it must print. Lines are for root's `/bin/sh`.
    public struct RuntimeCheck: Codable, Sendable, Equatable {
        /// What is shown, in a few words.
        public var name: String
        /// Lines that run before; each must succeed.
        public var setup: [String]
        public var run: String
        /// Text that must stand in what ``run`` prints.
        public var expect: String
        /// Lines that run afterwards, however ``run`` ended.
        public var cleanup: [String]

        public init(name: String, setup: [String] = [], run: String, expect: String, cleanup: [String] = []) {
            self.name = name
            self.setup = setup
            self.run = run
            self.expect = expect
            self.cleanup = cleanup
        }
    }
}
