import Firmware
import Recipe
import SystemPackage

extension ImageBuilder {
    /// Holds the boot partition, as it will lie on the card, to what `piforge verify` asks of it.
    ///
    /// - Parameter partition: the file of the boot file system.
    /// - Throws: as ``FirmwareContract/check(_:tools:)``.
    func firmwareContract(_ partition: FilePath) async throws {
        let contract = FirmwareContract(
            ownLines: recipe.firmware.config, hasPublisher: recipe.stock != nil,
            memoryLimit: recipe.memory.limit.map { $0.bytes >> 20 })
        let files = try PartitionBootFiles(partition, offset: 0, place: "boot file system")
        for note in try await contract.check(files, tools: tools) {
            progress.report(.note(step: "firmware", text: note))
        }
    }
}
