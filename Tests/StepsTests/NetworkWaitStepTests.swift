import Layers
import Steps
import TestSupport
import Testing

@Suite struct NetworkWaitStepTests {
    private static let folder: EntryPath = "usr/lib/systemd/system"
    private static let wants: EntryPath = "etc/systemd/system/network-online.target.wants"

    private func link(_ path: EntryPath, to target: String) -> Entry {
        Entry(path, Attributes(mode: 0o777, mtime: Timestamp(seconds: 1)), .symlink(Array(target.utf8)))
    }

    /// A unit that waits, as systemd of 2025 has it, and its program.
    private func networkd(options: String = "--any", command: String = "") -> [Entry] {
        let program = "/usr/lib/systemd/systemd-networkd-wait-online"
        return [
            file(
                Self.folder.appending("systemd-networkd-wait-online.service"),
                "[Service]\nType=oneshot\nExecStart=\(program)\(command)\n[Install]\nWantedBy=network-online.target\n"),
            file("usr/lib/systemd/systemd-networkd-wait-online", "\u{7f}ELF  --timeout=SECS \(options)  wait"),
        ]
    }

    private func dropIn(_ unit: String, _ more: [Entry], enable: [String] = []) throws -> String? {
        var tree = try sampleTree(more)
        tree = try tree.with(ServicesStep(enable: enable, disable: []).apply(to: tree, epoch: epoch))
        let result = try tree.with(NetworkWaitStep().apply(to: tree, epoch: epoch))
        return try result.text(try EntryPath(validating: "etc/systemd/system/\(unit).d/50-piforge.conf"))
    }

    private static let comment =
        "# Written by piforge: a board without a network goes on after 30 seconds.\n[Service]\n"

    /// What piforge sets up by itself waits for nothing, so nothing is written.
    @Test func imageInWhichNothingWaitsIsLeftAsItIs() throws {
        let tree = try sampleTree(networkd())
        let network = try tree.with(NetworkStep(nil).apply(to: tree, epoch: epoch))
        let layer = try NetworkWaitStep().apply(to: network, epoch: epoch)
        #expect(layer.entries.isEmpty)
        #expect(layer.whiteouts.isEmpty)
    }

    /// systemd-networkd.service brings the unit that waits by its Also=, for 120 seconds without a cable.
    @Test func waitThatAServiceBringsEndsSoon() throws {
        let also = file(
            Self.folder.appending("systemd-networkd.service"),
            "[Install]\nWantedBy=multi-user.target\nAlso=systemd-networkd-wait-online.service\n")
        let text = try dropIn(
            "systemd-networkd-wait-online.service", networkd() + [also], enable: ["systemd-networkd"])
        #expect(
            text == Self.comment
                + "ExecStart=\nExecStart=-/usr/lib/systemd/systemd-networkd-wait-online --any --timeout=30\n")
    }

    /// systemd 237 knows no --any, and a stock image's own arguments stay.
    @Test func olderProgramsGetTheOptionsTheyKnow() throws {
        let enabled = link(
            Self.wants.appending("systemd-networkd-wait-online.service"),
            to: "/usr/lib/systemd/system/systemd-networkd-wait-online.service")
        let text = try dropIn(
            "systemd-networkd-wait-online.service", networkd(options: "", command: " -i eth0") + [enabled])
        #expect(
            text == Self.comment
                + "ExecStart=\nExecStart=-/usr/lib/systemd/systemd-networkd-wait-online -i eth0 --timeout=30\n")
    }

    /// Any other unit that only waits is ended by systemd; one that sets the network up is not.
    @Test(arguments: [
        ("NetworkManager-wait-online.service", true), ("systemd-networkd-wait-online@eth0.service", true),
        ("networking.service", false), ("gone-wait-online.service", false), ("masked-wait-online.service", false),
    ])
    func onlyWhatWaitsIsBounded(unit: String, bounded: Bool) throws {
        let text = "[Service]\nExecStart=/bin/wait %i\n[Install]\nWantedBy=network-online.target\n"
        let names = [
            "NetworkManager-wait-online.service", "systemd-networkd-wait-online@.service", "networking.service",
            "masked-wait-online.service",
        ]
        let files = names.map { file(Self.folder.appending($0), text) }
        let links = [
            link(Self.wants.appending(unit), to: "/usr/lib/systemd/system/\(unit)"),
            link("etc/systemd/system/masked-wait-online.service", to: "/dev/null"),
        ]
        let found = try dropIn(unit, files + links)
        #expect(found == (bounded ? Self.comment + "TimeoutStartSec=30\n" : nil))
    }
}
