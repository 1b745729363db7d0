import Diagnostics
import Engine
import Foundation
import Storage
import SystemPackage
import TestSupport
import Testing

/// What an overlay brings to the boot partition that FAT cannot hold, refused before anything is fetched.
@Suite struct BootFileTests {
    /// The failure of a plan, for files of the overlay `files` and of another one, which is laid over it. The bench's folder is `%`.
    private func refused(_ files: [String], _ others: [String] = [], links: [String] = [])
        async throws -> String
    {
        let bench = try await PlanBench()
        for file in files { try bench.write("overlays/files/\(file)", "x") }
        for file in others { try bench.write("more/\(file)", "x") }
        for link in links {
            try createFolder(bench.path("overlays/files/\(link)").removingLastComponent())
            symlink("config.txt", bench.path("overlays/files/\(link)").string)
        }
        if !others.isEmpty {
            bench.replaced = [
                ("[{path: files}]", "\n  - {path: files}\n  - {path: ./more, to: /boot/firmware}")
            ]
        }
        let builder = try bench.builder()
        let failure = await failure { _ = try await builder.planned() }
        #expect(failure?.exitCode == 2)
        return (failure?.description ?? "").replacing("\(bench.folder.path)", with: "%")
    }

    @Test func nameThatFATCannotHoldIsNamedWithItsOverlay() async throws {
        #expect(
            try await refused(["boot/firmware/overlays/a:b.dtbo"]) == """
                %/overlays/files/boot/firmware/overlays/a:b.dtbo: \
                FAT cannot hold the name: it has the reserved character ':' (the boot partition is FAT)
                  found:    brought by overlays[0] (%/pi.yaml:9)
                  next:     rename the file, or take it out of the overlay
                """)
    }

    @Test func linkIsNamedWithItsOverlay() async throws {
        #expect(
            try await refused([], links: ["boot/firmware/kernel.txt"]) == """
                %/overlays/files/boot/firmware/kernel.txt: \
                FAT cannot hold a symbolic link (the boot partition is FAT)
                  found:    brought by overlays[0] (%/pi.yaml:9)
                  next:     rename the file, or take it out of the overlay
                """)
    }

    @Test func namesThatDifferByCaseAloneAreBothNamed() async throws {
        #expect(
            try await refused(["boot/firmware/Notes.txt"], ["NOTES.TXT"]) == """
                %/overlays/files/boot/firmware/Notes.txt: \
                FAT cannot tell the name from /NOTES.TXT: case does not count (the boot partition is FAT)
                  found:    brought by overlays[0] (%/pi.yaml:10), %/more/NOTES.TXT by overlays[1] (%/pi.yaml:11)
                  next:     rename the file, or take it out of the overlay
                """)
    }

    @Test func ownBootFileInAnotherCaseIsTheOverlays() async throws {
        #expect(
            try await refused(["boot/firmware/CONFIG.TXT"]) == """
                %/overlays/files/boot/firmware/CONFIG.TXT: \
                FAT cannot tell the name from /config.txt: case does not count (the boot partition is FAT)
                  found:    brought by overlays[0] (%/pi.yaml:9)
                  next:     rename the file, or take it out of the overlay
                """)
    }

    @Test func fileThatIsTooLargeIsNamedWithItsOverlay() async throws {
        let bench = try await PlanBench()
        try bench.write("overlays/files/boot/firmware/disk.img", "")
        let file = try OpenFile.updating(bench.path("overlays/files/boot/firmware/disk.img"))
        try file.truncate(to: 1 << 32)
        // A gibibyte is hashed in a second or two; this is four, once.
        let failure = await failure { _ = try await bench.builder().planned() }
        #expect(failure?.place == "\(bench.folder.path)/overlays/files/boot/firmware/disk.img")
        #expect(failure?.message == "FAT cannot hold a file this long (the boot partition is FAT)")
        #expect(failure?.found == "4294967296; brought by overlays[0] (\(bench.folder.path)/pi.yaml:9)")
    }

    @Test func whatFATCanHoldIsTaken() async throws {
        let bench = try await PlanBench()
        for name in ["config.txt", "overlays/mine.dtbo", "a b.txt"] {
            try bench.write("overlays/files/boot/firmware/\(name)", "x")
        }
        symlink("motd", bench.path("overlays/files/etc/MOTD").string)
        _ = try await bench.builder().planned()
    }
}
