import Diagnostics
import Digests
import Engine
import Foundation
import Recipe
import Storage
import SystemPackage
import TestSupport
import Testing
import Tools

/// A kernel that does not follow the recipe's fragments ends a build before anything is made of it.
@Suite struct KernelContractTests {
    /// The packages that a Debian image always has, as empty shells; the kernel has a configuration.
    private static let script = """
        umask 022; mkdir -p debian/pool/main debian/dists/trixie/main/binary-arm64
        build() { printf '%s\\n' "Package: $1" "Version: 1.0" "Architecture: arm64" "Maintainer: T <t@example.org>" \\
          "Description: test" > p/DEBIAN/control; dpkg-deb -Znone --build p debian/pool/main/$1_1.0_arm64.deb >/dev/null; }
        for name in systemd-sysv udev dbus kmod passwd login netbase busybox-static e2fsprogs dosfstools raspi-firmware \\
          systemd-resolved less; do rm -rf p; mkdir -p p/DEBIAN; build $name; done
        rm -rf p; mkdir -p p/DEBIAN p/boot p/lib/modules/6.12.1-arm64; echo k > p/boot/vmlinuz-6.12.1-arm64
        printf '%s\\n' 'CONFIG_KVM=m' '# CONFIG_VIRTIO is not set' 'CONFIG_CGROUPS=y' > p/boot/config-6.12.1-arm64
        echo m > p/lib/modules/6.12.1-arm64/modules.builtin; build linux-image-arm64
        cd debian; for deb in pool/main/*.deb; do dpkg-deb -f $deb; echo "Filename: $deb"; echo "Size: $(stat -c %s $deb)"
          echo "SHA256: $(sha256sum $deb | cut -d ' ' -f 1)"; echo; done > dists/trixie/main/binary-arm64/Packages
        cd dists/trixie; sum=$(sha256sum main/binary-arm64/Packages | cut -d ' ' -f 1)
        printf '%s\\n' 'Origin: Test' 'Suite: trixie' 'Codename: trixie' 'Date: Sat, 01 Jan 2022 00:00:00 UTC' \\
          'Architectures: arm64' 'Components: main' 'SHA256:' " $sum $(stat -c %s main/binary-arm64/Packages) main/binary-arm64/Packages" > Release
        mkdir -m 700 ../../../gnupg; export GNUPGHOME=$PWD/../../../gnupg
        gpg --batch --quiet --passphrase '' --quick-gen-key t@example.org ed25519 sign never
        gpg --batch --quiet --clearsign --output InRelease Release; gpg --batch --quiet --export > ../../../keys.gpg
        gpgconf --kill all
        """

    /// A builder of a recipe on such an archive, with a kernel of CONFIG_KVM=m and without VIRTIO.
    private func builder(_ folder: FilePath, _ more: String) async throws -> ImageBuilder {
        try await ToolRunner().run(Judge.sh, ["-ec", Self.script], directory: folder, place: "test")
        try writeAtomically(
            to: folder.appending("kernel-configs/kvm.config"),
            bytes: Array("# A machine in the machine.\nCONFIG_KVM=y\nCONFIG_CGROUPS=y\n".utf8))
        try writeAtomically(
            to: folder.appending("kernel-configs/virtio.config"), bytes: Array("CONFIG_VIRTIO=y\n".utf8))
        let runtime = """
            summary: guests
            packages: [less]
            kernel:
              - CONFIG_KVM=y
              - CONFIG_CGROUPS=y
              - 'CONFIG_VIRTIO=y|m # since 5.0'
              - 'CONFIG_OLD=y # until 4.19'
            """
        try writeAtomically(to: folder.appending("runtimes/guests.yaml"), bytes: Array(runtime.utf8))
        let file = folder.appending("pi.yaml")
        let text = """
            name: pi
            epoch: 2026-11-01
            base: {debian: trixie}
            packages: {suites: [trixie], components: [main], keyring: keys.gpg, install: [less]}
            \(more)
            system: {ssh: {enable: false}}
            disk: {grow: false}
            """
        try writeAtomically(to: file, bytes: Array(text.utf8))
        return ImageBuilder(
            recipe: try Recipe.load(path: file),
            options: BuildOptions(
                recipePath: file, output: folder.appending("out"), mirror: "file:\(folder)/debian",
                securityMirror: "file:\(folder)/debian", jobs: 1, environment: [:]),
            cache: try Cache(root: folder.appending("cache")), progress: SilentProgress())
    }

    @Test func whatARuntimeNeedsAndTheKernelLacksIsNamed() async throws {
        let folder = try TemporaryFolder(in: "/tmp", name: "piforge-contract")
        let builder = try await builder(folder.path, "runtimes: [guests]")
        let thrown = await #expect(throws: FailureList.self) { _ = try await builder.build() }
        #expect(
            thrown?.failures.map(\.description) == [
                """
                guests.yaml:4: the runtime guests needs what the kernel 6.12.1-arm64 does not have
                  expected: CONFIG_KVM=y
                  found:    m
                  next:     choose another kernel, or take guests out of runtimes
                """,
                """
                guests.yaml:6: the runtime guests needs what the kernel 6.12.1-arm64 does not have
                  expected: CONFIG_VIRTIO=y|m
                  found:    n
                  next:     choose another kernel, or take guests out of runtimes
                """,
            ])
    }

    @Test func everyLineThatTheKernelBreaksIsNamed() async throws {
        let folder = try TemporaryFolder(in: "/tmp", name: "piforge-contract")
        let builder = try await builder(folder.path, "kernel: {fragments: [kvm, virtio]}")
        let thrown = await #expect(throws: FailureList.self) { _ = try await builder.build() }
        #expect(
            thrown?.failures.map(\.description) == [
                """
                kvm.config:2: the kernel 6.12.1-arm64 does not follow it
                  expected: CONFIG_KVM=y
                  found:    m
                  next:     choose another kernel, or take the fragment out of kernel.fragments
                """,
                """
                virtio.config:1: the kernel 6.12.1-arm64 does not follow it
                  expected: CONFIG_VIRTIO=y
                  found:    n
                  next:     choose another kernel, or take the fragment out of kernel.fragments
                """,
            ])
        #expect(!exists(folder.path.appending("out/pi.img.xz")))
    }
}
