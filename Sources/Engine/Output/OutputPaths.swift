import SystemPackage

/// What the files of an image are called, and where they lie.
struct OutputPaths: Sendable {
    let folder: FilePath
    /// The recipe's name, and the device's where there are several.
    let name: String
    private let recipe: String

    init(recipe: String, options: BuildOptions) {
        self.recipe = recipe
        folder = options.output
        name = options.device.map { "\(recipe)-\($0)" } ?? recipe
    }

    var imageName: String { "\(name).img.xz" }
    var manifestName: String { "\(name).manifest.json" }
    var sumsName: String { "\(name).SHA256SUMS" }

    var image: FilePath { folder.appending(imageName) }
    var credentials: FilePath { folder.appending("\(name).credentials") }
    /// The lock of an image that could not be built from the recipe's own.
    var lock: FilePath { folder.appending("\(recipe).lock") }
    /// The folder of a kernel's package and its parts.
    var kernel: FilePath { folder.appending("\(recipe).kernel") }
    var kernelLog: FilePath { folder.appending("\(recipe).kernel.log") }

    /// The console of a step that runs in the micro-VM.
    func log(of step: String) -> FilePath { folder.appending("\(name).\(step).log") }
    /// A file beside the image, by its name.
    func path(_ name: String) -> FilePath { folder.appending(name) }
}
