import Diagnostics
import Foundation
import Prove
import SystemPackage
import Testing
import Tools

/// A whole proof takes minutes and an image, so it is made only when asked for: PIFORGE_PROVE names the image,
/// PIFORGE_MACHINE one machine of the two.
@Suite struct WholeProofTests {
    struct Narrator: ProgressReporter {
        func report(_ event: ProgressEvent) { print("\(event)") }
    }

    static let environment = ProcessInfo.processInfo.environment

    @Test(.enabled(if: environment["PIFORGE_PROVE"] != nil))
    func imagePassesItsProof() async throws {
        let image = FilePath(Self.environment["PIFORGE_PROVE"] ?? "")
        var options = ProofOptions(
            image: image, logs: image.removingLastComponent(), cache: image.removingLastComponent().appending("cache"))
        if let machine = Self.environment["PIFORGE_MACHINE"].flatMap(ProofMachine.init) { options.machines = [machine] }
        let report = try await Prover.run(options, progress: Narrator())
        print(Report(report).plainText)
        #expect(report.passed)
    }
}
