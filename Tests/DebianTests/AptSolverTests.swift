import Debian
import Diagnostics
import Digests
import Fetch
import Storage
import SystemPackage
import TestSupport
import Testing

@Suite struct AptSolverTests {
    static let packages: [TestArchive.Package] = [
        .init(name: "apt", fields: "Depends: libc6"),
        .init(name: "base-files", fields: "Essential: yes\nPriority: required", architecture: "arm64"),
        .init(
            name: "hello", version: "2.10-5",
            fields: "Depends: libc6 (>= 2)\nRecommends: hello-doc\nSource: hello (2.10-4)"),
        .init(name: "hello-doc", architecture: "all"),
        .init(name: "libc6", version: "2.41-12+deb13u1"),
        .init(name: "exim4", fields: "Provides: mail-transport-agent"),
        .init(name: "postfix", version: "1:3.10", fields: "Provides: mail-transport-agent (= 1)\nConflicts: exim4"),
        .init(name: "broken", fields: "Depends: libmissing (>= 2)"),
    ]

    @Test func aRequestResolvesToItsDependenciesAndTheEssentialSet() async throws {
        let archive = try await TestArchive()
        try await archive.publish(Self.packages)
        let solution = try await archive.solve(["hello"])
        #expect(solution.packages.map(\.name) == ["apt", "base-files", "hello", "libc6"])
        let hello = try #require(solution.packages.first { $0.name == "hello" })
        let expected = Self.packages[2]
        #expect(hello.sha256 == .of(expected.bytes))
        #expect(hello.size == UInt64(expected.bytes.count))
        #expect(hello.path == "pool/main/h/hello/hello_2.10-5_arm64.deb")
        #expect(hello.archive == .debian)
        #expect(hello.source == "hello")
        #expect(hello.sourceVersion == "2.10-4")
        #expect(try await archive.solver().essentialPackages() == ["base-files"])
    }

    @Test func recommendedPackagesComeOnlyWhenAskedFor() async throws {
        let archive = try await TestArchive()
        try await archive.publish(Self.packages)
        let solver = try archive.solver()
        try await solver.update(.refresh)
        let request = try PackageRequest(
            sources: archive.request([]).sources, packages: ["hello"], recommends: true, addsEssential: false)
        #expect(try await solver.resolve(request).packages.map(\.name) == ["hello", "hello-doc", "libc6"])
    }

    @Test func theSecurityArchivesVersionWinsAndIsKnownAsSuch() async throws {
        let archive = try await TestArchive()
        try await archive.publish(Self.packages)
        try await archive.publish(
            [.init(name: "libc6", version: "2.41-12+deb13u2")], suite: "trixie-security")
        let solution = try await archive.solve(["hello"], suites: ["trixie", "trixie-security"])
        let libc = try #require(solution.packages.first { $0.name == "libc6" })
        #expect(libc.version == "2.41-12+deb13u2")
        #expect(libc.archive == .security)
    }

    @Test func preferencesAndVersionsChooseAmongVersions() async throws {
        let archive = try await TestArchive()
        try await archive.publish(Self.packages)
        try await archive.publish(
            [.init(name: "libc6", version: "2.41-12+deb13u2")], suite: "trixie-security")
        let suites = ["trixie", "trixie-security"]
        let pinned = try await archive.solve(
            ["hello"], suites: suites,
            preferences: "Package: libc6\nPin: version 2.41-12+deb13u1\nPin-Priority: 990\n")
        #expect(pinned.packages.last?.version == "2.41-12+deb13u1")
        let named = try await archive.solve(["hello", "libc6=2.41-12+deb13u1"], suites: suites)
        #expect(named.packages.last?.version == "2.41-12+deb13u1")
    }

    @Test func anInstalledPackageIsNotPartOfTheSolutionAndMayHaveToGo() async throws {
        let archive = try await TestArchive()
        try await archive.publish(Self.packages)
        let solver = try archive.solver()
        try await solver.update(.refresh)
        let status = ["libc6 2.41-12+deb13u1", "exim4 1.0"].map { entry in
            let words = entry.split(separator: " ")
            return """
                Package: \(words[0])
                Status: install ok installed
                Architecture: arm64
                Maintainer: nobody
                Version: \(words[1])
                Description: x

                """
        }
        let request = try PackageRequest(
            sources: archive.request([]).sources, packages: ["hello", "postfix"], addsEssential: false,
            status: Array(status.joined(separator: "\n").utf8))
        let solution = try await solver.resolve(request)
        #expect(solution.packages.map(\.name) == ["hello", "postfix"])
        #expect(solution.removed == ["exim4"])
    }

    @Test func theIndicesAreFetchedAgainOnlyAsThePolicySays() async throws {
        let archive = try await TestArchive()
        try await archive.publish(Self.packages)
        let solver = try archive.solver()
        let missing = await failure { try await solver.update(.offline) }
        #expect(missing?.message == "there are no package indices of trixie here")
        #expect(try await solver.update(.ifOlder(than: .seconds(3600))))
        #expect(try await !solver.update(.ifOlder(than: .seconds(3600))))
        #expect(try await !solver.update(.offline))
        #expect(try await solver.update(.refresh))
    }

    /// What is asked for, with which preferences, and the message word for word.
    static let unsolvable: [(packages: [String], preferences: String, message: String)] = [
        (
            ["helo"], "",
            """
            packages: the archive has no package 'helo'. Did you mean 'hello'?
              expected: a package of trixie
              next:     correct the recipe's packages.install
            """
        ),
        (
            ["lib.6"], "",
            """
            packages: the archive has no package 'lib.6'. Did you mean 'libc6'?
              expected: a package of trixie
              next:     correct the recipe's packages.install
            """
        ),
        (
            ["zzzzzzzzz"], "",
            """
            packages: the archive has no package 'zzzzzzzzz'
              expected: a package of trixie
              next:     correct the recipe's packages.install
            """
        ),
        (
            ["hello=9"], "",
            """
            hello: the archive has no version '9' of the package
              found:    2.10-5
              next:     correct the recipe's packages.install
            """
        ),
        (
            ["hello/sid"], "",
            """
            hello: the suite 'sid' is not one of the recipe's
              found:    trixie
              next:     add it to the recipe's packages.suites
            """
        ),
        (
            ["mail-transport-agent"], "",
            """
            mail-transport-agent: this is a virtual package that several packages provide
              found:    exim4, postfix
              next:     name one of them in the recipe's packages
            """
        ),
        (
            ["broken"], "",
            """
            packages: the packages cannot be installed together
              expected: dependencies that can all be met
              found:    broken : Depends: libmissing (>= 2) but it is not installable
              next:     take one of them out of the recipe's packages, or correct packages.preferences
            """
        ),
        (
            ["exim4", "postfix"], "",
            """
            packages: the packages cannot be installed together
              expected: dependencies that can all be met
              found:    postfix : Conflicts: exim4 but 1.0 is to be installed
              next:     take one of them out of the recipe's packages, or correct packages.preferences
            """
        ),
        (
            ["hello", "libc6-"], "",
            """
            packages: the packages cannot be installed together
              expected: dependencies that can all be met
              found:    apt : Depends: libc6 but it is not going to be installed
                        hello : Depends: libc6 (>= 2) but it is not going to be installed
              next:     take one of them out of the recipe's packages, or correct packages.preferences
            """
        ),
        (
            ["hello"], "Package: hello\nPin: release *\nPin-Priority: -1\n",
            """
            hello: the package has no version that may be installed
              next:     correct the recipe's packages.preferences, which rule it out
            """
        ),
        (
            ["hello"], "Pin-Priority: 1\n",
            """
            packages.preferences: apt does not understand the preferences: no Package header
              next:     correct them as apt_preferences(5) has it
            """
        ),
    ]

    @Test func aRequestThatCannotBeMetHasItsMessage() async throws {
        let archive = try await TestArchive()
        try await archive.publish(Self.packages)
        let solver = try archive.solver()
        try await solver.update(.refresh)
        for (packages, preferences, message) in Self.unsolvable {
            let request = try archive.request(packages, preferences: preferences)
            let failure = await failure { _ = try await solver.resolve(request) }
            #expect(failure?.description == message)
        }
    }

    @Test(arguments: ["-o", "", "Hello", "hello world", "hello=", "../x", "hello/../x"])
    func whatIsNoPackageNameNeverReachesApt(_ name: String) async throws {
        let archive = try await TestArchive()
        let failure = failure { _ = try archive.request([name]) }
        #expect(failure?.message == "'\(name)' is not a package name")
    }

    @Test func aSuiteThatIsNoNameNeverReachesApt() async {
        let failure = failure {
            _ = try ArchiveSource(suite: "trixie\nTrusted: yes", components: ["main"])
        }
        #expect(failure?.message == "the suite 'trixie\nTrusted: yes' is not a name")
    }
}
