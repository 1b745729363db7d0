// swift-tools-version: 6.2

import PackageDescription

// One target per concern; the arrows run downwards only (docs/design.md). A system library target is
// imported by the one module that owns it.

let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .treatAllWarnings(as: .error),
]

let system = Target.Dependency.product(name: "SystemPackage", package: "swift-system")

let package = Package(
    name: "piforge",
    products: [
        .executable(name: "piforge", targets: ["piforge"])
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
        .package(url: "https://github.com/apple/swift-system", exact: "1.8.1"),
        .package(url: "https://github.com/jpsim/Yams", exact: "6.2.2"),
        .package(url: "https://github.com/swiftlang/swift-subprocess", exact: "1.0.2"),
        // The server that the tests talk to; nothing that is shipped depends on it.
        .package(url: "https://github.com/swhitty/FlyingFox", exact: "0.27.1"),
    ],
    targets: [
        // What every room may use.
        .target(name: "Diagnostics", swiftSettings: settings),
        .systemLibrary(name: "CCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
        .target(name: "Digests", dependencies: ["CCrypto", "Diagnostics"], swiftSettings: settings),
        .target(name: "Packages", dependencies: ["Digests", system], swiftSettings: settings),
        .systemLibrary(name: "CLinux"),
        .target(
            name: "Storage", dependencies: ["CLinux", "Diagnostics", "Digests", system], swiftSettings: settings),
        .target(
            name: "Tools",
            dependencies: ["Diagnostics", .product(name: "Subprocess", package: "swift-subprocess"), system],
            swiftSettings: settings),

        // Recipe to image, from the bottom up.
        .target(
            name: "Recipe",
            dependencies: ["Diagnostics", "Digests", "Packages", "Storage", "Yams", system],
            swiftSettings: settings),
        .systemLibrary(name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
        .target(
            name: "Fetch",
            dependencies: ["CCurl", "Diagnostics", "Digests", "Storage", "Tools", system],
            swiftSettings: settings),
        .systemLibrary(name: "CArchive", pkgConfig: "libarchive", providers: [.apt(["libarchive-dev"])]),
        .target(
            name: "Layers", dependencies: ["CArchive", "Diagnostics", "Digests", "Storage", system],
            swiftSettings: settings),
        .systemLibrary(name: "CExt2FS", pkgConfig: "ext2fs", providers: [.apt(["libext2fs-dev"])]),
        .target(
            name: "Disk",
            dependencies: ["CExt2FS", "Diagnostics", "Digests", "Layers", "Storage", "Tools", system],
            swiftSettings: settings),
        .target(
            name: "Debian",
            dependencies: ["Diagnostics", "Digests", "Fetch", "Layers", "Packages", "Storage", "Tools", system],
            swiftSettings: settings),
        .target(
            name: "Kernel",
            dependencies: ["Diagnostics", "Digests", "Layers", "Storage", "Tools", system],
            resources: [.embedInCode("Resources/boot-init.sh"), .embedInCode("Resources/kconfig-facts.py")],
            swiftSettings: settings),
        .target(
            name: "Guest",
            dependencies: [
                "Diagnostics", "Digests", "Disk", "Kernel", "Layers", "Packages", "Storage", "Tools", system,
            ],
            resources: [.embedInCode("Resources/init.sh")], swiftSettings: settings),
        .systemLibrary(name: "CLZMA", pkgConfig: "liblzma", providers: [.apt(["liblzma-dev"])]),
        .target(
            name: "XZ", dependencies: ["CLZMA", "Diagnostics", "Digests", "Storage", system], swiftSettings: settings),
        // What is known of an image, and what lies beside it.
        .target(
            name: "Records", dependencies: ["Diagnostics", "Digests", "Packages", "Recipe", "Storage", "XZ", system],
            swiftSettings: settings),
        .target(
            name: "Stock",
            dependencies: ["Diagnostics", "Digests", "Disk", "Layers", "Storage", "Tools", "XZ", system],
            swiftSettings: settings),
        // What stands between an image and who judges it: a Pi's boot partition as its firmware reads it.
        .target(
            name: "Firmware", dependencies: ["Diagnostics", "Disk", "Storage", "Tools", system],
            swiftSettings: settings
        ),
        .systemLibrary(name: "CCrypt", pkgConfig: "libcrypt", providers: [.apt(["libcrypt-dev"])]),
        .target(
            name: "Steps",
            dependencies: [
                "CCrypt", "Debian", "Diagnostics", "Digests", "Firmware", "Guest", "Kernel", "Layers", "Recipe",
                "Storage", system,
            ],
            resources: [
                // The files of overlays/firstboot, by links: they belong to every image.
                .embedInCode("Resources/grow-root"), .embedInCode("Resources/make-host-keys"),
                .embedInCode("Resources/piforge-grow.service"), .embedInCode("Resources/piforge-host-keys.service"),
                .embedInCode("Resources/make-secrets"), .embedInCode("Resources/piforge-secrets.service"),
            ], swiftSettings: settings),
        .target(
            name: "Engine",
            dependencies: [
                "Debian", "Diagnostics", "Digests", "Disk", "Fetch", "Firmware", "Guest", "Kernel", "Layers",
                "Packages", "Recipe", "Records", "Steps", "Stock", "Storage", "Tools", "XZ", system,
            ],
            swiftSettings: settings),
        .target(
            name: "Verify",
            dependencies: [
                "Diagnostics", "Digests", "Disk", "Fetch", "Firmware", "Kernel", "Layers", "Records", "Storage",
                "Tools", "XZ", system,
            ], swiftSettings: settings),
        .target(
            name: "Prove",
            dependencies: [
                "Diagnostics", "Digests", "Disk", "Firmware", "Guest", "Kernel", "Records", "Storage", "Tools", "XZ",
                system,
            ],
            resources: [.embedInCode("Resources/kvm-probe.c")], swiftSettings: settings),
        // Looks into finished images, and compares them.
        .target(
            name: "Inspect",
            dependencies: [
                "Debian", "Diagnostics", "Digests", "Disk", "Firmware", "Kernel", "Layers", "Packages", "Storage", "XZ",
                system,
            ], swiftSettings: settings),
        // What a person, or a program, sees of a command while it runs.
        .target(name: "Progress", dependencies: ["Diagnostics", "Storage"], swiftSettings: settings),
        .executableTarget(
            name: "piforge",
            dependencies: [
                "Diagnostics", "Digests", "Disk", "Engine", "Fetch", "Inspect", "Layers", "Progress", "Prove", "Recipe",
                "Records", "Stock", "Storage", "Tools", "Verify", "XZ",
                .product(name: "ArgumentParser", package: "swift-argument-parser"), system,
            ],
            swiftSettings: settings),

        // What several test targets use: servers, judges, numbers that are the same on every run.
        .target(
            name: "TestSupport",
            dependencies: ["Diagnostics", "Layers", "Storage", "Tools", "FlyingFox", system],
            path: "Tests/TestSupport",
            swiftSettings: settings),
        .testTarget(
            name: "DiagnosticsTests", dependencies: ["Diagnostics", "Storage", "TestSupport", system],
            swiftSettings: settings),
        .testTarget(name: "PackagesTests", dependencies: ["Packages"], swiftSettings: settings),
        .testTarget(name: "DigestsTests", dependencies: ["Digests"], swiftSettings: settings),
        .testTarget(
            name: "StorageTests",
            dependencies: ["Digests", "Storage", "TestSupport", "Tools", system],
            swiftSettings: settings),
        .testTarget(
            name: "LayersTests",
            dependencies: ["Diagnostics", "Digests", "Layers", "Storage", "TestSupport", "Tools", system],
            swiftSettings: settings),
        .testTarget(
            name: "RecipeTests",
            dependencies: ["Diagnostics", "Recipe", "Storage", "TestSupport", system],
            exclude: ["Fixtures"], swiftSettings: settings),
        .testTarget(
            name: "FetchTests",
            dependencies: ["Diagnostics", "Digests", "Fetch", "Storage", "TestSupport", "Tools", system],
            swiftSettings: settings),
        .testTarget(
            name: "DiskTests",
            dependencies: ["Diagnostics", "Digests", "Disk", "Layers", "Storage", "TestSupport", "Tools", system],
            swiftSettings: settings),
        .testTarget(
            name: "DebianTests",
            dependencies: [
                "Debian", "Diagnostics", "Digests", "Fetch", "Layers", "Packages", "Storage", "TestSupport", "Tools",
                system,
            ], swiftSettings: settings),
        .testTarget(
            name: "KernelTests",
            dependencies: ["Diagnostics", "Kernel", "Layers", "Storage", "TestSupport", "Tools", system],
            swiftSettings: settings),
        .testTarget(
            name: "GuestTests",
            dependencies: [
                "Diagnostics", "Digests", "Guest", "Kernel", "Layers", "Packages", "Storage", "TestSupport", "Tools",
                system,
            ], swiftSettings: settings),
        .testTarget(
            name: "XZTests",
            dependencies: ["Diagnostics", "Digests", "Storage", "TestSupport", "Tools", "XZ", system],
            swiftSettings: settings),
        .testTarget(
            name: "RecordsTests",
            dependencies: [
                "Diagnostics", "Digests", "Disk", "Layers", "Records", "Storage", "TestSupport", "Tools", "XZ", system,
            ], exclude: ["Golden"], swiftSettings: settings),
        .testTarget(
            name: "StockTests",
            dependencies: [
                "Diagnostics", "Digests", "Disk", "Layers", "Stock", "Storage", "TestSupport", "Tools", system,
            ], resources: [.embedInCode("Resources/compare.py")], swiftSettings: settings),
        .testTarget(
            name: "FirmwareTests",
            dependencies: ["Diagnostics", "Firmware", "Storage", "TestSupport", "Tools", system],
            swiftSettings: settings),
        .testTarget(
            name: "StepsTests",
            dependencies: [
                "Diagnostics", "Digests", "Firmware", "Layers", "Recipe", "Steps", "Storage", "TestSupport", "Tools",
                system,
            ], swiftSettings: settings),
        // Writes into a cache until it is killed.
        .executableTarget(
            name: "CacheWriter", dependencies: ["Digests", "Layers", "Storage", system],
            path: "Tests/CacheWriter",
            swiftSettings: settings),
        .testTarget(
            name: "EngineTests",
            dependencies: [
                "CacheWriter", "Debian", "Diagnostics", "Digests", "Disk", "Engine", "Fetch", "Guest", "Layers",
                "Recipe", "Records", "Steps", "Storage", "TestSupport", "Tools", "XZ", "piforge", "FlyingFox", system,
            ], swiftSettings: settings),
        .testTarget(
            name: "ProgressTests", dependencies: ["Diagnostics", "Progress"], swiftSettings: settings),
        .testTarget(
            name: "VerifyTests",
            dependencies: [
                "Diagnostics", "Digests", "Disk", "Fetch", "Layers", "Records", "Storage", "TestSupport", "Tools",
                "Verify", "XZ", system,
            ], swiftSettings: settings),
        .testTarget(
            name: "ProveTests",
            dependencies: ["Diagnostics", "Firmware", "Prove", "Records", "Storage", "TestSupport", "Tools", system],
            swiftSettings: settings),
        .testTarget(
            name: "InspectTests",
            dependencies: ["Diagnostics", "Disk", "Inspect", "Layers", "Storage", "TestSupport", "Tools", system],
            swiftSettings: settings),
        // Drives the program itself, as a person would.
        .testTarget(
            name: "AcceptanceTests",
            dependencies: ["Digests", "Records", "Storage", "piforge", "FlyingFox", system],
            exclude: ["Field", "Runtimes", "Stock"],
            swiftSettings: settings),
    ]
)
