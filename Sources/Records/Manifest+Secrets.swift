extension Manifest {
    /// A private key or another secret that a package's script made while the image was made. The manifest never has the secret itself.
    package struct Secret: Codable, Sendable, Equatable {
        /// Where it lies in the image.
        package var path: String
        /// The package whose script made it; nil where that is not known.
        package var package: String?
        /// Whether it is in the image, the same on every board.
        package var isKept: Bool
        /// Whether the board's first boot makes it, by the package's own script.
        package var isMadeAtFirstBoot: Bool

        package init(path: String, package: String?, isKept: Bool, isMadeAtFirstBoot: Bool) {
            self.path = path
            self.package = package
            self.isKept = isKept
            self.isMadeAtFirstBoot = isMadeAtFirstBoot
        }
    }
}
