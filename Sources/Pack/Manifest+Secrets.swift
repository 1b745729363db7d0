extension Manifest {
    /// A private key or another secret that a package's script made while the image was made. The manifest never has the secret itself.
    public struct Secret: Codable, Sendable, Equatable {
        /// Where it lies in the image.
        public var path: String
        /// The package whose script made it; nil where that is not known.
        public var package: String?
        /// Whether it is in the image, the same on every board.
        public var isKept: Bool
        /// Whether the board's first boot makes it, by the package's own script.
        public var isMadeAtFirstBoot: Bool

        public init(path: String, package: String?, isKept: Bool, isMadeAtFirstBoot: Bool) {
            self.path = path
            self.package = package
            self.isKept = isKept
            self.isMadeAtFirstBoot = isMadeAtFirstBoot
        }
    }
}
