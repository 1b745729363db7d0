import Foundation
import Packages
import Testing

@Suite struct PackageWishTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var text: String
        var name: String
        var version: String?
        var suite: String?
        var keepsOut = false

        var testDescription: String { text }
    }

    @Test(arguments: [
        Case(text: "sudo", name: "sudo"),
        Case(text: "docker-ce=5:28.0~rc1-1", name: "docker-ce", version: "5:28.0~rc1-1"),
        Case(text: "qemu-utils/trixie-backports", name: "qemu-utils", suite: "trixie-backports"),
        Case(text: "snapd-", name: "snapd", keepsOut: true),
        Case(text: "libstdc++6", name: "libstdc++6"),
    ])
    func wishIsTakenApart(case wanted: Case) throws {
        let wish = try #require(PackageWish.parse(wanted.text))
        #expect(wish.name == wanted.name)
        #expect(wish.version == wanted.version)
        #expect(wish.suite == wanted.suite)
        #expect(wish.keepsOut == wanted.keepsOut)
    }

    @Test(arguments: ["", "-", "a", "Sudo", "sudo=", "sudo=-1", "sudo/", "sudo/../x", "sudo -y", "sudo=1 2"])
    func whatAsksForNothingIsNoWish(text: String) {
        #expect(PackageWish.parse(text) == nil)
    }
}

@Suite struct PackageIdentityTests {
    @Test func listsAreSortedByNameThenArchitecture() {
        let sorted = [("a", "2", "all"), ("a", "1", "arm64"), ("b", "1", "all")].map {
            PackageIdentity(name: $0.0, version: $0.1, architecture: $0.2)
        }
        #expect(sorted.reversed().sorted() == sorted)
        #expect(sorted[0].description == "a 2")
    }

    @Test func fieldsInJSONHaveTheirNames() throws {
        let text = #"{"architecture":"arm64","name":"bash","version":"5.2-1"}"#
        let package = try JSONDecoder().decode(PackageIdentity.self, from: Data(text.utf8))
        #expect(package == PackageIdentity(name: "bash", version: "5.2-1", architecture: "arm64"))
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        #expect(String(decoding: try encoder.encode(package), as: UTF8.self) == text)
    }
}
