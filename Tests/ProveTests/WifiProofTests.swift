import Prove
import Storage
import SystemPackage
import Testing

@Suite struct WifiProofTests {
    private static let proof = WifiProof(.init(ssid: "home: sweet", country: "DE"))
    private static let hex = "686f6d653a207377656574"

    private static func answer(_ status: Int32, _ output: String) -> CommandResult {
        CommandResult(status: status, output: output)
    }

    /// A board that answers each command by the first word of it that is known.
    private func board(_ answers: [(String, CommandResult)]) -> ScriptedShell {
        ScriptedShell { command in
            answers.first { command.contains($0.0) }?.1 ?? CommandResult(status: 0, output: "")
        }
    }

    @Test func kernelWithoutAVirtualRadioIsNotHeldToIt() async throws {
        let shell = board([("modinfo", Self.answer(1, "modinfo: ERROR: Module mac80211_hwsim not found."))])
        #expect(
            try await Self.proof.join(on: shell)
                == Observation(notRun: "the kernel has no virtual radio (CONFIG_MAC80211_HWSIM)"))
        #expect(shell.commands.count == 1)
        let own = board([("modinfo", Self.answer(0, "taken\n/lib/modules/x/mac80211_hwsim.ko.xz"))])
        #expect(try await Self.proof.join(on: own) == Observation(notRun: "the machine has a wlan0 of its own"))
        let none = ScriptedShell { _ in Self.answer(0, "none") }
        let without = Observation(notRun: "there is no virtual radio")
        #expect(try await Self.proof.address(on: none) == without)
        #expect(try await Self.proof.country(on: none) == without)
        #expect(try await Self.proof.clear(on: none) == without)
    }

    static let state = """
        bssid=02:00:00:00:01:00
        ssid=home: sweet
        key_mgmt=WPA2-PSK
        pairwise_cipher=CCMP
        wpa_state=COMPLETED
        point=02:00:00:00:01:00
        """

    @Test(arguments: [
        (state, "joined by itself: WPA2-PSK, CCMP", true),
        (state.replacing("COMPLETED", with: "SCANNING"), "SCANNING\nwrong key", false),
        (state.replacing("ssid=home: sweet", with: "ssid=other"), "COMPLETED\nwrong key", false),
        (state.replacing("point=02", with: "point=04"), "COMPLETED\nwrong key", false),
        (
            "Failed to connect to non-global ctrl_ifname: wlan0",
            "Failed to connect to non-global ctrl_ifname: wlan0\nwrong key", false
        ),
    ])
    func boardMustJoinTheAccessPointOfItsNetwork(state: String, seen: String, passed: Bool) async throws {
        let shell = board([
            ("modinfo", Self.answer(0, "/lib/modules/x.ko.xz")), ("wpa_cli", Self.answer(0, state)),
            ("journalctl", Self.answer(0, "wrong key")),
        ])
        #expect(try await Self.proof.join(on: shell) == Observation(seen, passed: passed))
    }

    @Test func accessPointThatDoesNotStartFails() async throws {
        let shell = board([("modprobe", Self.answer(1, "modprobe: ERROR: could not insert"))])
        #expect(
            try await Self.proof.join(on: shell)
                == Observation("no access point: modprobe: ERROR: could not insert", passed: false))
    }

    @Test(arguments: [
        (
            "ADDRESS=192.0.2.7\nSERVER_ADDRESS=192.0.2.1\nADMIN_STATE=configured\nOPER_STATE=routable",
            "192.0.2.7; wlan0 is routable, configured", true
        ),
        (
            "ADDRESS=10.0.0.7\nSERVER_ADDRESS=10.0.0.1\nADMIN_STATE=configured\nOPER_STATE=routable",
            "10.0.0.7; wlan0 is routable, configured", false
        ),
        (
            "ADDRESS=192.0.2.7\nSERVER_ADDRESS=192.0.2.1\nADMIN_STATE=configuring\nOPER_STATE=degraded",
            "192.0.2.7; wlan0 is degraded, configuring", false
        ),
        ("ADMIN_STATE=configuring\nOPER_STATE=degraded", "none; degraded", false),
    ])
    func addressComesFromTheAccessPoint(text: String, seen: String, passed: Bool) async throws {
        let shell = board([("leases", Self.answer(0, text))])
        #expect(try await Self.proof.address(on: shell) == Observation(seen, passed: passed))
    }

    @Test(arguments: [
        ("Regulatory information - country=DE", Observation("DE", passed: true)),
        ("Regulatory information - country=US", Observation("US", passed: false)),
        ("Regulatory information - country=00", Observation("none (00)", passed: false)),
        ("", Observation(notRun: "wpa_supplicant does not tell what the kernel has")),
    ])
    func countryIsTheKernelsOwn(line: String, seen: Observation) async throws {
        let shell = board([("Regulatory", Self.answer(0, line))])
        #expect(try await Self.proof.country(on: shell) == seen)
    }

    @Test(arguments: [
        ("home: sweet", "home: sweet"), ("a\"b\\", #"a\"b\\"#), ("Käfer\u{1b}\n", #"K\xc3\xa4fer\e\n"#),
    ])
    func nameIsWrittenAsWpaSupplicantPrintsIt(name: String, printed: String) {
        #expect(WifiProof(.init(ssid: name, country: "DE")).printedName == printed)
    }

    /// The access point gets the network of that name alone, its key with it, and the key is nowhere in the answer.
    @Test(arguments: [
        ("psk=00ff", "key_mgmt=WPA-PSK\n"), ("key_mgmt=NONE", ""),
    ])
    func accessPointIsMadeOfTheBoardsOwnSettings(key: String, added: String) async throws {
        let shell = try LocalShell(
            programs: ["modinfo": "echo x.ko", "modprobe": "echo no radio; exit 1", "networkctl": "exit 0"],
            replacing: ["/run", "/etc/wpa_supplicant"])
        let settings = shell.folder.path.appending("etc").appending("wpa_supplicant")
        try createFolder(settings)
        try writeAtomically(
            to: settings.appending("wpa_supplicant-wlan0.conf"),
            bytes: Array(
                """
                ctrl_interface=DIR=/run/wpa_supplicant GROUP=netdev
                country=DE
                network={
                    ssid=6f74686572
                    psk=1111
                }
                network={
                    ssid=\(Self.hex)
                    \(key)
                }

                """.utf8))
        let observation = try await Self.proof.join(on: shell)
        #expect(observation.verdict == .failed)
        #expect(!observation.seen.contains("00ff"))
        let folder = shell.folder.path.appending("run")
        let made = try readFile(folder.appending("piforge-proof-wifi").appending("conf"))
        #expect(
            String(decoding: made, as: UTF8.self)
                == "network={\nssid=\(Self.hex)\n\(key)\nmode=2\nfrequency=2412\nproto=RSN\npairwise=CCMP\n\(added)}\n")
        #expect(exists(folder.appending("systemd").appending("network").appending("00-piforge-proof.network")))
        // Without a radio nothing is to be taken away, and nothing of this is left.
        #expect(try await Self.proof.clear(on: shell).verdict == .notRun)
        #expect(!exists(folder.appending("piforge-proof-wifi")))
    }

    @Test func settingsWithoutTheNetworkFail() async throws {
        let shell = try LocalShell(programs: ["modinfo": "echo x.ko"], replacing: ["/run", "/etc/wpa_supplicant"])
        let observation = try await Self.proof.join(on: shell)
        #expect(observation.verdict == .failed)
        #expect(observation.seen.hasPrefix("the board's own settings name no such network"))
    }
}
