import Foundation
import Guest
import Storage
import SystemPackage
import Testing

/// What maintainer scripts ask of the commands that stand in for real ones, by their manual pages.
@Suite struct StandInTests {
    /// A stand-in on this machine, with the log in a folder of the test's own.
    private final class Bench {
        let folder: TemporaryFolder

        init(_ standIn: StandIn, real: String? = nil) throws {
            folder = try TemporaryFolder(in: "/tmp", name: "piforge-stand-in")
            var script = standIn.script.replacing("/run/piforge/logged", with: folder.path.appending("logged").string)
            if let real {
                try write("real", real)
                script = script.replacing("/usr/bin/\(standIn.command)", with: folder.path.appending("real").string)
            }
            try write(standIn.command, script)
        }

        private func write(_ name: String, _ text: String) throws {
            try writeAtomically(to: folder.path.appending(name), mode: 0o755, bytes: Array(text.utf8))
        }

        /// Runs a line in which the stand-in is the first on the PATH.
        func run(_ line: String) throws -> (status: Int32, output: String) {
            let process = Process()
            process.executableURL = URL(fileURLWithPath: "/bin/bash")
            process.arguments = ["-o", "pipefail", "-c", line]
            process.environment = [
                "PATH": "\(folder.path):/usr/bin:/bin", "DPKG_MAINTSCRIPT_PACKAGE": "mariadb-server",
            ]
            process.currentDirectoryURL = URL(fileURLWithPath: folder.path.string)
            let pipe = Pipe()
            process.standardOutput = pipe
            process.standardError = pipe
            try process.run()
            let output = pipe.fileHandleForReading.readDataToEndOfFile()
            process.waitUntilExit()
            return (process.terminationStatus, String(decoding: output, as: UTF8.self))
        }

        var logged: String {
            (try? readFile(folder.path.appending("logged"))).map { String(decoding: $0, as: UTF8.self) } ?? ""
        }
    }

    @Test(arguments: [
        ("logger -p daemon.err -t mysqld -i 'it is done'", "logger: mysqld: it is done\n", ""),
        ("logger --tag=x --priority user.info -- -n is no option", "logger: x: -n is no option\n", ""),
        ("echo from a pipe | logger -tmysqld -p daemon.err", "logger: mysqld: from a pipe\n", ""),
        ("printf 'one\\ntwo' | logger -t x", "logger: x: one\nmariadb-server: logger: x: two\n", ""),
        ("echo hello > f; logger -t x -f f", "logger: x: hello\n", ""),
        ("logger -s -t x 'seen too'", "logger: x: seen too\n", "x: seen too\n"),
        // With `-e` in mysql_install_db's own pipe nothing may be written to standard output.
        ("out=$(echo quiet | logger -t x); echo \"[$out]\"", "logger: x: quiet\n", "[]\n"),
    ])
    func loggerKeepsWhatItIsGiven(line: String, logged: String, output: String) throws {
        let bench = try Bench(.logger)
        let result = try bench.run(line)
        #expect(result.status == 0)
        #expect(result.output == output)
        #expect(bench.logged == "mariadb-server: " + logged)
    }

    /// More than a pipe holds: whoever writes must not be ended by SIGPIPE.
    @Test func loggerReadsToTheEnd() throws {
        let result = try Bench(.logger).run("seq 30000 | logger -t x")
        #expect(result.status == 0)
    }

    @Test func onlyHostKeysAreNotMade() throws {
        let bench = try Bench(.sshKeygen, real: "#!/bin/sh\necho real \"$@\"\n")
        for line in [
            "ssh-keygen -A", "ssh-keygen -q -f /etc/ssh/ssh_host_ed25519_key -N '' -t ed25519",
            "ssh-keygen -qf /etc/ssh/ssh_host_rsa_key", "ssh-keygen -l -f /etc/ssh/ssh_host_rsa_key.pub",
        ] {
            let result = try bench.run(line)
            #expect(result.status == 0 && result.output.isEmpty, "\(line)")
        }
        #expect(
            try bench.run("ssh-keygen -t rsa -N '' -f /var/lib/app/key").output
                == "real -t rsa -N  -f /var/lib/app/key\n")
    }

    @Test(arguments: StandIn.always + [.updateCACertificates])
    func everyOneIsAScriptThatSucceeds(standIn: StandIn) throws {
        let bench = try Bench(standIn)
        #expect(try bench.run("\(standIn.command) </dev/null").status == 0)
        #expect(!standIn.reason.isEmpty)
    }
}
