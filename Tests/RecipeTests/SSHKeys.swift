import Foundation
import Recipe
import Storage
import SystemPackage
import TestSupport
import Testing

@Suite struct SSHKeys {
    private let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"

    private func lines(_ text: String, folder: FilePath = "/") throws -> [String] {
        let quoted = text.replacing("'", with: "''")
        let recipe = try Recipe.parse(
            least + "accounts: {users: [{name: pi, ssh_keys: ['\(quoted)']}]}\n", file: "x.yaml", folder: folder)
        return recipe.accounts.users[0].sshKeys.map(\.line)
    }

    @Test(arguments: [
        "restrict", "cert-authority", "restrict,command=\"rsync --server, \\\"quoted\\\" and a blank\"",
        "from=\"192.168.1.*,!10.0.0.1\",no-pty,permitopen=\"host:80\"", "Restrict,PTY", "expiry-time=\"20300101\"",
    ])
    func `options that sshd knows stay as they are`(options: String) throws {
        #expect(try lines("\(options) \(key) me@there") == ["\(options) \(key) me@there"])
    }

    @Test(arguments: [
        (
            "restrictt,pty ",
            """
            unknown option 'restrictt' of a key. Did you mean 'restrict'?
              expected: options of sshd(8), such as restrict or from="192.168.1.*"
            """
        ),
        (
            "command=x ",
            """
            unknown key type 'command=x'
              expected: a line of a .pub file, such as: ssh-ed25519 AAAA… name
              next:     make one with: ssh-keygen -t ed25519
            """
        ), ("from=\"a ", "the quotes of the key's options do not end"),
        ("restrict=\"yes\" ", "the option 'restrict' of the key takes no value\n  expected: restrict"),
        ("from,pty ", "the option 'from' of the key needs a value in quotes\n  expected: from=\"…\""),
    ])
    func `an option that sshd would refuse is refused`(options: String, said: String) {
        #expect(refusal { try lines(options + key) } == "x.yaml:5: accounts.users[0].ssh_keys[0]: \(said)")
    }

    /// OpenSSH itself writes the other form, and says whether what came of it is the same key.
    @Test func `a key in the form of RFC 4716 is converted`() throws {
        let folder = try TemporaryFolder(in: "/tmp", name: "piforge-keys")
        func shell(_ script: String) throws -> String {
            let process = Process()
            process.executableURL = URL(fileURLWithPath: "/bin/sh")
            process.arguments = ["-ec", script]
            process.currentDirectoryURL = URL(fileURLWithPath: folder.path.string)
            let pipe = Pipe()
            process.standardOutput = pipe
            try process.run()
            let output = pipe.fileHandleForReading.readDataToEndOfFile()
            process.waitUntilExit()
            #expect(process.terminationStatus == 0)
            return String(decoding: output, as: UTF8.self)
        }
        for type in ["ed25519", "rsa", "ecdsa"] {
            _ = try shell(
                "ssh-keygen -q -t \(type) -N '' -C 'me at home' -f \(type); ssh-keygen -e -f \(type).pub > \(type).4716"
            )
            let recipe = try Recipe.parse(
                least + "accounts: {users: [{name: pi, ssh_keys: [{file: \(folder.path)/\(type).4716}]}]}\n",
                file: "x.yaml", folder: "/")
            let line = try #require(recipe.accounts.users[0].sshKeys.first?.line)
            try writeAtomically(to: folder.path.appending("\(type).converted"), bytes: Array((line + "\n").utf8))
            let prints = try shell(
                "ssh-keygen -lf \(type).pub | cut -d' ' -f1,2; ssh-keygen -lf \(type).converted | cut -d' ' -f1,2")
            let both = prints.split(separator: "\n")
            #expect(both.count == 2 && both[0] == both[1], "\(prints)")
        }
    }
}
