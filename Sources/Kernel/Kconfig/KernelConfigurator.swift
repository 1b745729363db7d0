import Diagnostics
import Storage
import SystemPackage
import Tools

/// Configures a kernel through its own Kconfig.
///
/// A configuration holds what its compiler can do, so the compiler is part of what it is made of: the cross compiler that builds
/// the kernel is asked, and its version and that of its assembler and linker stand in the configuration. What else of a machine
/// could reach it is fixed: the text by which the compiler introduces itself (it has the distribution's package version); and
/// pahole, rustc, bindgen, Python's modules and the headers of gcc's plugins count as not there, whether they are or not.
package struct KernelConfigurator: Sendable {
    /// The programs that Kconfig is built and run with.
    package static let programs: [Tool] = [.make, .gcc, .flex, .bison, .arm64GCC]
    static let prefix = "aarch64-linux-gnu-"

    /// Variables of the kernel's Makefile, for every use of a tree.
    package static let variables: [(name: String, value: String)] = [
        ("ARCH", "arm64"), ("CROSS_COMPILE", prefix), ("CC_VERSION_TEXT", "\(prefix)gcc"),
        ("PAHOLE", "pahole-is-not-used"), ("RUSTC", "rustc-is-not-used"), ("BINDGEN", "bindgen-is-not-used"),
        ("PYTHON3", "python3-is-not-used"),
    ]

    /// What a configuration can start from besides the files of arch/arm64/configs: Kconfig's answer to every question is no.
    package static let goals = ["allnoconfig"]

    /// Whether the compiler can link programs for the board hangs on a C library for it on this machine; a kernel needs none, so the
    /// answer is always no (Linux, scripts/cc-can-link.sh). A line of a shell script.
    static let noPrograms = "case \"$*\" in *\"-x c - -o /dev/null\") exit 1 ;; esac"

    /// The compiler as Kconfig sees it: without the folder of its plugins, whose headers are a package of their own.
    private static let compiler = """
        #!/bin/sh
        test "$*" = -print-file-name=plugin && exec echo plugins-are-not-used
        \(noPrograms)
        exec \(prefix)gcc "$@"

        """

    private let tree: KconfigTree
    private let work: FilePath
    private let tools: ToolRunner

    /// - Parameter work: an empty folder, for what Kconfig builds. Nothing is written to the tree.
    package init(tree: KconfigTree, work: FilePath, tools: ToolRunner = ToolRunner()) {
        self.tree = tree
        self.work = work
        self.tools = tools
    }

    /// The `.config` that a defconfig and a fragment give, as the kernel's `olddefconfig` writes it; of ``goals``, as that
    /// goal writes it with the fragment's lines fixed.
    ///
    /// - Throws: `Failure` for a defconfig that the source lacks, and with the last lines of a Kconfig that fails;
    ///   `FailureList` with every program that is missing.
    package func configure(defconfig: String, _ fragment: ConfigFragment) async throws -> [UInt8] {
        try KernelToolchain.require(Self.programs)
        let base = tree.root.appending("arch/arm64/configs").appending(defconfig)
        let isGoal = Self.goals.contains(defconfig)
        guard isGoal || exists(base) else {
            throw Failure(
                .usage, at: "kernel.defconfig", "Linux \(tree.version) has no arch/arm64/configs/\(defconfig)",
                expected: "one of \((tree.defconfigs + Self.goals).joined(separator: ", "))")
        }
        let lines = try fragment.settings(for: tree.version)
        let start =
            (isGoal ? [] : try readFile(base, limit: KernelConfig.largest) + Array("\n".utf8))
            + Array(lines.map { "\($0.text)\n" }.joined().utf8)
        let config = work.appending(".config")
        // Where nothing is the start, the lines are what Kconfig holds fixed while it answers all else with no.
        let fixed = work.appending("fixed.config")
        try writeAtomically(to: isGoal ? fixed : config, bytes: start)
        // The defconfig's lines and then the fragments', completed in one go: the last line for a symbol wins.
        let compiler = work.appending("compiler")
        try writeAtomically(to: compiler, mode: 0o755, bytes: Array(Self.compiler.utf8))
        let arguments =
            ["-C", tree.root.string, "O=\(work)", "CC=\(compiler)", "--no-print-directory"]
            + Self.variables.map { "\($0.name)=\($0.value)" } + [isGoal ? defconfig : "olddefconfig"]
        var tools = tools
        if isGoal { tools.environment["KCONFIG_ALLCONFIG"] = fixed.string }
        try await tools.run(.make, arguments, place: "Kconfig of Linux \(tree.version)")
        return try readFile(config, limit: KernelConfig.largest)
    }

    /// The versions of the compiler, assembler and linker that a configuration was made with: `gcc 12.2.0, binutils 2.40`.
    package static func toolchain(of config: KernelConfig) -> String {
        func version(_ option: String) -> String {
            guard case .number(let digits) = config[option], let number = Int(digits), number > 0 else {
                return "unknown"
            }
            let parts = [number / 10_000, number / 100 % 100, number % 100]
            return option == "CONFIG_GCC_VERSION"
                ? parts.map(String.init).joined(separator: ".") : "\(parts[0]).\(parts[1])"
        }
        let linker = version("CONFIG_LD_VERSION")
        return "gcc \(version("CONFIG_GCC_VERSION"))" + (linker == "unknown" ? "" : ", binutils \(linker)")
    }
}
