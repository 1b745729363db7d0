import ArgumentParser
import Diagnostics
import Engine
import Foundation
import Glibc
import Layers

/// The command line. Exit codes: 0 done, 1 the build or check failed, 2 usage or recipe error, 130 interrupted.
@main
struct Piforge: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "piforge",
        abstract: "Make verified, boot-proven Raspberry Pi 4 images from a recipe, without root.",
        discussion: """
            piforge build recipes/debian-13.yaml     make the image in out/
            piforge prove out/debian-13.img.xz       boot it in an emulated Pi 4, check it
            piforge verify out/debian-13.img.xz      check it without booting it
            piforge doctor                           what this machine lacks
            """,
        version: piforgeVersion,
        subcommands: [
            BuildCommand.self, FetchCommand.self, PlanCommand.self, ProveCommand.self, RecipeCommand.self,
            LockCommand.self, KernelCommand.self, VerifyCommand.self, InspectCommand.self, ListCommand.self,
            CatCommand.self, DiffCommand.self, CacheCommand.self, DoctorCommand.self,
            PackCommand.self, StockCommand.self, GetCommand.self,
        ])

    /// Parses and runs, with piforge's exit codes in place of the parser's.
    static func main() async {
        do {
            var command = try parseAsRoot()
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
        } catch is CancellationError {
            writeError("piforge: interrupted; nothing unfinished was left behind\n")
            Glibc.exit(130)
        } catch let error as Failure {
            writeError("piforge: \(error)\n")
            Glibc.exit(error.exitCode)
        } catch let error as DamagedContent {
            var failure = error.failure
            failure.next = "the same command again; it is made anew once the file is removed: rm '\(error.file)'"
            writeError("piforge: \(failure)\n")
            Glibc.exit(1)
        } catch let error as FailureList {
            for failure in error.failures { writeError("piforge: \(failure)\n") }
            Glibc.exit(error.exitCode)
        } catch let code as ExitCode {
            Glibc.exit(code.rawValue)
        } catch {
            let code = exitCode(for: error)
            let text = fullMessage(for: error)
            if code == .success {
                do { try printLine(text) } catch let code as ExitCode {
                    Glibc.exit(code.rawValue)
                } catch {
                    writeError("piforge: \(error)\n")
                    Glibc.exit(1)
                }
                Glibc.exit(0)
            }
            writeError(text + "\n")
            Glibc.exit(code == .validationFailure ? 2 : 1)
        }
    }
}

/// Writes text to standard error.
func writeError(_ text: String) { writeAsFarAsPossible(text, to: STDERR_FILENO) }
