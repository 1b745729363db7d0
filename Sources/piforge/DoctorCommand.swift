import Progress
import ArgumentParser
import Engine

struct DoctorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "List every program piforge needs, its version, and how to get what is missing.",
        discussion: """
            piforge doctor
            piforge doctor --json
            """)

    @Flag(name: .long, help: "Print one JSON object a line.")
    var json = false

    func run() async throws {
        let findings = try await Doctor.examine()
        if json {
            for finding in findings { try printLine(jsonLine(finding), terminator: "") }
        } else {
            try printLine(Doctor.table(findings), terminator: "")
        }
        if findings.contains(where: { $0.problem != nil }) { throw ExitCode(1) }
    }
}
