import Diagnostics
import Firmware
import TestSupport
import Testing

/// What a build holds its boot partition to.
@Suite struct FirmwareContractTests {
    private let system = "enable_uart=1\ninitramfs initrd followkernel\n"

    private func check(
        _ own: [String], publisher: String? = nil, limit: UInt64? = nil, text: String? = nil
    ) async throws -> [String] {
        let config = text ?? (publisher ?? system) + own.map { $0 + "\n" }.joined()
        let contract = FirmwareContract(ownLines: own, hasPublisher: publisher != nil, memoryLimit: limit)
        return try await contract.check(try await IneffectiveSettingTests.partition(config))
    }

    @Test func recipesLinesWithoutEffectAreNamedByTheirKeyAllTogether() async throws {
        let failures = await #expect(throws: FailureList.self) {
            try await check(["# mine", "dtoverlay=disable-bt", "gpu_mem=32", "[pi5]", "gpu_memm=1"])
        }
        #expect(
            failures?.description == """
                firmware.config[1]: 'dtoverlay=disable-bt' has no effect: the boot partition has no overlays/disable-bt.dtbo
                  found:    line 4 of config.txt
                  next:     bring the file with an overlay of the recipe, at boot/firmware/overlays/disable-bt.dtbo, or leave the line out
                firmware.config[3]: '[pi5]' has no effect: no board of the Pi 4's family reads this section: a Pi 4 Model B reads [pi4], \
                a Pi 400 reads [pi4] and [pi400], a Compute Module 4 reads [cm4] and [pi4], a Compute Module 4S reads [cm4s] and [pi4]
                  found:    line 6 of config.txt
                  next:     leave the section out, or begin it with [all] or [pi4]
                """)
        #expect(failures?.exitCode == 2)
    }

    @Test func whatMayCountWithAHATIsSaidAlone() async throws {
        #expect(
            try await check(["dtparam=audio=on"]) == [
                "firmware.config[0]: 'dtparam=audio=on' may have no effect: 'audio' is no parameter of bcm2711-rpi-4-b.dtb, which has "
                    + "none; only the overlay of an attached HAT could have it"
            ])
    }

    /// An overlay of the recipe may bring a config.txt of its own: its lines are the recipe's, too.
    @Test func linesOfAnOverlaysFileAreNamedByTheirPlace() async throws {
        let failures = await #expect(throws: FailureList.self) {
            try await check(["gpu_mem=32"], text: system + "nonsense=1")
        }
        #expect(failures?.failures.map(\.place) == ["config.txt:3"])
        let end = await #expect(throws: FailureList.self) {
            try await check(["nonsense=1"], text: system + "nonsense=1")
        }
        #expect(end?.failures.map(\.place) == ["firmware.config[0]"])
    }

    @Test func aPublishersLinesAreSaidAndTheRecipesAreErrors() async throws {
        let publisher = "[pi3]\ngpu_mem=32\n[all]\ninitramfs initrd followkernel\n"
        let notes = try await check(["gpu_mem=32"], publisher: publisher)
        #expect(notes.count == 1 && notes[0].hasPrefix("config.txt:1: '[pi3]' has no effect: "), "\(notes)")
        let failures = await #expect(throws: FailureList.self) {
            try await check(["gpu_mem=32", "nonsense=1"], publisher: publisher)
        }
        #expect(failures?.failures.map(\.place) == ["firmware.config[1]"])
    }

    @Test func whatTheFirmwareCannotBootIsRefusedAsVerifyDoes() async throws {
        let failure = await failure { try await check(["kernel=none.img"]) }
        #expect(failure?.description == "none.img: the boot partition has no such file; config.txt makes it the kernel")
    }

    @Test func anotherMemoryLimitIsRefused() async throws {
        #expect(try await check(["total_mem=1024"], limit: 1024) == [])
        let failure = await failure { try await check(["total_mem=2048"], limit: 1024) }
        #expect(
            failure?.description == """
                config.txt: the memory's limit is not the recipe's
                  expected: total_mem=1024, as memory.limit says
                  found:    total_mem=2048
                  next:     look for total_mem in firmware.config and in the recipe's overlays
                """)
    }
}
