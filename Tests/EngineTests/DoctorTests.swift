import Engine
import Foundation
import Storage
import SystemPackage
import TestSupport
import Testing
import Tools

/// One list of programs: for doctor, for errors, for `make setup`.
@Suite struct DoctorTests {
    @Test func doctorKnowsEveryProgramOfTheSources() async throws {
        let sources = repository.pushing("Sources").lexicallyNormalized()
        let places = try #require(FileManager.default.enumerator(atPath: sources.string))
        for case let place as String in places
        where place.hasSuffix(".swift") && place != "Tools/Programs.swift" && place != "Tools/Tool.swift" {
            let text = String(decoding: try readFile(sources.pushing(FilePath(place))), as: UTF8.self)
            #expect(!text.contains("Tool(\"") && !text.contains("Tool(\n"), "\(place) has a program of its own")
        }
        let findings = try await Doctor.examine()
        #expect(findings.map(\.name) == ToolCatalogue.all.map(\.name))
        for name in ["gpg", "gzip", "sfdisk", "dpkg-deb", "perl", "xz"] {
            #expect(findings.contains { $0.name == name }, "\(name)")
        }
    }

    @Test func aProgramIsListedOnce() {
        let names = ToolCatalogue.all.map(\.name)
        #expect(Set(names).count == names.count)
    }

    /// QEMU comes by a way of its own, and these are part of every Debian (Essential: yes), or come with what is listed.
    @Test func makeSetupInstallsWhatDoctorLooksFor() throws {
        let alwaysThere: Set = ["coreutils", "dash", "dpkg", "gzip"]
        let brought: Set = ["binutils-aarch64-linux-gnu", "qemu-system-arm"]
        let list = repository.pushing("scripts/packages.txt")
            .lexicallyNormalized()
        let installed = Set(
            String(decoding: try readFile(list), as: UTF8.self).split(separator: "\n")
                .filter { !$0.hasPrefix("#") }.compactMap { $0.split(separator: " ").first.map(String.init) })
        let wanted = Set(ToolCatalogue.all.map(\.package)).subtracting(alwaysThere).subtracting(brought)
        #expect(wanted.subtracting(installed) == [])
    }
}
