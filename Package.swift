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
        .target(name: "Storage", dependencies: ["Diagnostics", "Digests", system], swiftSettings: settings),
        .target(
            name: "Tools",
            dependencies: [
                "Diagnostics", system, .product(name: "Subprocess", package: "swift-subprocess"),
            ], swiftSettings: settings),

        // Recipe to image, from the bottom up.
        .target(
            name: "Recipe", dependencies: ["Diagnostics", "Digests", "Packages", "Storage", "Yams", system],
            swiftSettings: settings),
        .systemLibrary(name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
        .target(
            name: "Fetch", dependencies: ["CCurl", "Diagnostics", "Digests", "Storage", "Tools", system],
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
            name: "Kernel", dependencies: ["Diagnostics", "Digests", "Layers", "Storage", "Tools", system],
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
            name: "Pack",
            dependencies: ["CLZMA", "Diagnostics", "Digests", "Packages", "Storage", system],
            swiftSettings: settings),
        .target(
            name: "Stock",
            dependencies: ["Diagnostics", "Digests", "Disk", "Layers", "Pack", "Storage", "Tools", system],
            swiftSettings: settings),
        // What stands between an image and who judges it: a Pi's boot partition as its firmware reads it.
        .target(
            name: "Firmware", dependencies: ["Diagnostics", "Disk", "Storage", "Tools", system], swiftSettings: settings
        ),
        .systemLibrary(name: "CCrypt", pkgConfig: "libcrypt", providers: [.apt(["libcrypt-dev"])]),
        .target(
            name: "Steps",
            dependencies: [
                "CCrypt", "Debian", "Diagnostics", "Digests", "Firmware", "Guest", "Kernel", "Layers", "Recipe",
                "Storage",
                system,
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
                "Debian", "Diagnostics", "Digests", "Disk", "Fetch", "Firmware", "Guest", "Kernel", "Layers", "Pack",
                "Packages", "Recipe", "Steps", "Stock", "Storage", "Tools", system,
            ],
            swiftSettings: settings),
        .target(
            name: "Verify",
            dependencies: [
                "Diagnostics", "Digests", "Disk", "Fetch", "Firmware", "Kernel", "Layers", "Pack", "Storage", "Tools",
                system,
            ], swiftSettings: settings),
        .target(
            name: "Prove",
            dependencies: [
                "Diagnostics", "Digests", "Disk", "Firmware", "Guest", "Kernel", "Pack", "Storage", "Tools",
                system,
            ],
            resources: [.embedInCode("Resources/kvm-probe.c")], swiftSettings: settings),
        // Looks into finished images, and compares them.
        .target(
            name: "Inspect",
            dependencies: [
                "Debian", "Diagnostics", "Digests", "Disk", "Firmware", "Kernel", "Layers", "Pack", "Packages",
                "Storage", system,
            ], swiftSettings: settings),
        .executableTarget(
            name: "piforge",
            dependencies: [
                "Diagnostics", "Digests", "Disk", "Engine", "Fetch", "Inspect", "Layers", "Pack", "Prove",
                "Recipe", "Stock", "Storage", "Tools", "Verify",
                .product(name: "ArgumentParser", package: "swift-argument-parser"), system,
            ],
            swiftSettings: settings),

        // What several test targets use: servers, judges, numbers that are the same on every run.
        .target(
            name: "TestSupport",
            dependencies: ["Diagnostics", "FlyingFox", "Layers", "Storage", "Tools", system], path: "Tests/TestSupport",
            swiftSettings: settings),
        .testTarget(
            name: "DiagnosticsTests", dependencies: ["Diagnostics", "Storage", "TestSupport", system],
            swiftSettings: settings),
        .testTarget(name: "PackagesTests", dependencies: ["Packages"], swiftSettings: settings),
        .testTarget(
            name: "StorageTests", dependencies: ["Digests", "Storage", "TestSupport", "Tools", system],
            swiftSettings: settings),
        .testTarget(
            name: "LayersTests",
            dependencies: ["Layers", "Diagnostics", "Digests", "Storage", "TestSupport", "Tools", system],
            swiftSettings: settings),
        .testTarget(
            name: "RecipeTests", dependencies: ["Recipe", "Diagnostics", "Storage", "TestSupport", system],
            exclude: ["Fixtures"], swiftSettings: settings),
        .testTarget(
            name: "FetchTests",
            dependencies: ["Fetch", "Diagnostics", "Digests", "Storage", "TestSupport", "Tools", system],
            swiftSettings: settings),
        .testTarget(
            name: "DiskTests",
            dependencies: ["Disk", "Layers", "Diagnostics", "Storage", "TestSupport", "Tools", system],
            swiftSettings: settings),
        .testTarget(
            name: "DebianTests",
            dependencies: [
                "Debian", "Fetch", "Layers", "Packages", "Diagnostics", "Digests", "Storage", "TestSupport", "Tools",
                system,
            ], swiftSettings: settings),
        .testTarget(
            name: "KernelTests",
            dependencies: ["Kernel", "Layers", "Diagnostics", "Storage", "TestSupport", "Tools", system],
            swiftSettings: settings),
        .testTarget(
            name: "GuestTests",
            dependencies: [
                "Guest", "Kernel", "Layers", "Packages", "Diagnostics", "Digests", "Storage", "TestSupport", "Tools",
                system,
            ], swiftSettings: settings),
        .testTarget(
            name: "PackTests",
            dependencies: [
                "Pack", "Disk", "Layers", "Diagnostics", "Digests", "Storage", "TestSupport", "Tools", system,
            ], exclude: ["Golden"], swiftSettings: settings),
        .testTarget(
            name: "StockTests",
            dependencies: [
                "Stock", "Disk", "Layers", "Diagnostics", "Digests", "Storage", "TestSupport", "Tools", system,
            ], resources: [.embedInCode("Resources/compare.py")], swiftSettings: settings),
        .testTarget(
            name: "FirmwareTests",
            dependencies: ["Firmware", "Diagnostics", "Storage", "TestSupport", "Tools", system],
            swiftSettings: settings),
        .testTarget(
            name: "StepsTests",
            dependencies: [
                "Steps", "Firmware", "Layers", "Recipe", "Diagnostics", "Digests", "Storage", "TestSupport", "Tools",
                system,
            ], swiftSettings: settings),
        // Writes into a cache until it is killed.
        .executableTarget(
            name: "CacheWriter", dependencies: ["Digests", "Layers", "Storage", system], path: "Tests/CacheWriter",
            swiftSettings: settings),
        .testTarget(
            name: "EngineTests",
            dependencies: [
                "Engine", "CacheWriter", "Debian", "Disk", "Fetch", "FlyingFox", "Guest", "Layers", "Pack", "piforge",
                "Recipe", "Steps", "Diagnostics", "Digests", "Storage", "TestSupport", "Tools", system,
            ], swiftSettings: settings),
        .testTarget(
            name: "VerifyTests",
            dependencies: [
                "Verify", "Disk", "Fetch", "Layers", "Pack", "Diagnostics", "Digests", "Storage", "TestSupport",
                "Tools", system,
            ], swiftSettings: settings),
        .testTarget(
            name: "ProveTests",
            dependencies: ["Prove", "Firmware", "Pack", "Diagnostics", "Storage", "TestSupport", "Tools", system],
            swiftSettings: settings),
        .testTarget(
            name: "InspectTests",
            dependencies: [
                "Inspect", "Disk", "Layers", "Pack", "Diagnostics", "Storage", "TestSupport", "Tools", system,
            ], swiftSettings: settings),
        // Drives the program itself, as a person would.
        .testTarget(
            name: "AcceptanceTests",
            dependencies: ["piforge", "Digests", "FlyingFox", "Pack", "Storage", system],
            exclude: ["Field", "Runtimes", "Stock"],
            swiftSettings: settings),
    ]
)
