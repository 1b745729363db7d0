import Diagnostics
import Digests
import Kernel
import Layers
import Recipe

/// Brings the network up with systemd-networkd: DHCP on every wired port, and one wireless network where asked for: `system.wifi`.
package struct NetworkStep: TreeStep {
    package let name = "network"
    private let wifi: Recipe.System.Wifi?
    /// The pre-shared key as 64 hex digits (IEEE 802.11i, PBKDF2 of pass phrase and SSID).
    private let key: String

    /// - Parameter passphrase: the network's, where the recipe does not give the key.
    /// - Throws: `Failure` when the pass phrase is missing or is none of 8 to 63 characters (IEEE 802.11-2020, J.4.1).
    package init(_ wifi: Recipe.System.Wifi?, passphrase: String? = nil) throws {
        self.wifi = wifi
        switch (wifi, wifi?.passphrase) {
        case (nil, _), (_, nil): key = ""
        case (_, .psk(let given)): key = given
        case (let wifi?, .file), (let wifi?, .environment):
            guard let passphrase, (8...63).contains(passphrase.utf8.count) else {
                throw Failure(
                    .usage, at: "system.wifi.passphrase", "the pass phrase has a length that WPA does not know",
                    expected: "8 to 63 characters", found: passphrase.map { String($0.utf8.count) } ?? "none")
            }
            guard let made = wirelessKey(passphrase: passphrase, ssid: wifi.ssid) else {
                throw Failure(at: "system.wifi.passphrase", "libcrypto could not make the network's key of it")
            }
            key = made
        }
    }

    package var summary: String { wifi.map { "wired by DHCP, wireless \($0.ssid)" } ?? "wired by DHCP" }

    /// The wireless key is there as a digest, never itself.
    package var inputs: [StepInput] {
        guard let wifi else { return [StepInput("system.wifi", "none")] }
        return [
            StepInput("system.wifi.country", wifi.country), StepInput("system.wifi.ssid", wifi.ssid),
            StepInput("system.wifi.key", SHA256Digest.of("wifi key" + key).hex),
        ]
    }

    package func key(of path: EntryPath) -> String {
        ["wpa_supplicant", "wireless", "cfg80211"].contains { path.description.contains($0) } ? "system.wifi" : name
    }

    /// Settings of systemd-networkd and of its resolver; with a wireless network those of wpa_supplicant, too.
    ///
    /// - Throws: `Failure` where a wireless network is asked for, and the tree lacks the radio's firmware, the radio rules of countries or
    ///   wpa_supplicant.
    package func apply(to tree: Tree, epoch: Int64) throws -> Layer {
        var layer = Layer(name: name)
        let units = SystemdUnits(tree)
        layer.addText(
            "etc/systemd/network/20-wired.network", Self.network(Self.wired, metric: 10), epoch: epoch)
        // Without what the unit's Also= brings: a board without a network would wait for one.
        for link in [
            "sockets.target.wants/systemd-networkd.socket", "multi-user.target.wants/systemd-networkd.service",
        ] {
            let unit = link.split(separator: "/").last.map(String.init) ?? ""
            guard units.has(unit) else { continue }
            layer.addSymlink(
                EntryPath(stringLiteral: "etc/systemd/system/\(link)"),
                to: try units.path(of: unit, for: "network").description, .root(0o777, epoch: epoch))
        }
        if units.has("systemd-resolved.service") {
            // Its own package enables it; where it is a part of systemd's, nothing does.
            if !units.isEnabled("systemd-resolved.service") {
                try units.enable("systemd-resolved.service", for: "network", epoch: epoch, in: &layer)
            }
            layer.addSymlink(
                "etc/resolv.conf", to: "../run/systemd/resolve/stub-resolv.conf", .root(0o777, epoch: epoch))
        }
        if let wifi {
            try Self.requireRadioFiles(in: tree)
            layer.addText(
                "etc/systemd/network/30-wireless.network", Self.network("Type=wlan", metric: 600), epoch: epoch)
            layer.addText(
                "etc/wpa_supplicant/wpa_supplicant-wlan0.conf", supplicant(wifi), mode: 0o600, epoch: epoch)
            layer.addText(
                "etc/modprobe.d/cfg80211-country.conf", "options cfg80211 ieee80211_regdom=\(wifi.country)\n",
                epoch: epoch)
            // When the radio is there, and by nothing else: as a part of multi-user.target the boot of a board without one would wait for
            // it (systemd.device(5); udev's 99-systemd.rules make each network interface a device unit).
            layer.addSymlink(
                "etc/systemd/system/sys-subsystem-net-devices-wlan0.device.wants/wpa_supplicant@wlan0.service",
                to: try units.path(of: "wpa_supplicant@.service", for: "system.wifi").description,
                .root(0o777, epoch: epoch))
        }
        return layer
    }

    /// What a recipe from packages must name, a stock image must bring: without its firmware there is no wlan0, without the rules the
    /// radio keeps to what is allowed everywhere, and nothing tells but the kernel's log.
    private static func requireRadioFiles(in tree: Tree) throws {
        func isFile(_ path: String) -> Bool {
            (try? EntryPath(validating: path)).flatMap { tree.content($0) } != nil
        }
        func refuse(_ what: String, _ files: [String], _ packages: String) -> Failure {
            Failure(
                .usage, at: "system.wifi", "the image has no \(what)",
                expected: files.map { "/usr/lib/firmware/\($0)" }.joined(separator: ", "),
                next: "add \(packages) to packages.install, or leave system.wifi out")
        }
        if let board = RadioFirmware.boards.first {
            let missing = RadioFirmware.missing(for: board, isFile: isFile)
            guard missing.isEmpty else {
                throw refuse("firmware for the radio of a \(board.name)", missing, RadioFirmware.packages)
            }
        }
        let rules = "regulatory.db"
        guard ["usr/lib/firmware", "lib/firmware"].contains(where: { isFile("\($0)/\(rules)") }) else {
            throw refuse("radio rules of countries", [rules], "wireless-regdb")
        }
    }

    /// A Pi's wired ports by name, since systemd before 249 cannot tell them from the ports of containers by their kind.
    private static let wired = "Name=en* eth*"

    /// A systemd.network(5) file that asks for an address by DHCP.
    private static func network(_ match: String, metric: Int) -> String {
        """
        [Match]
        \(match)

        [Network]
        DHCP=yes
        MulticastDNS=yes

        [DHCPv4]
        RouteMetric=\(metric)

        """
    }

    /// A wpa_supplicant.conf(5). The SSID is written in hex, since any byte may stand in it.
    private func supplicant(_ wifi: Recipe.System.Wifi) -> String {
        """
        ctrl_interface=DIR=/run/wpa_supplicant GROUP=netdev
        update_config=1
        country=\(wifi.country)

        network={
            ssid=\(encodeHex(Array(wifi.ssid.utf8)))
            psk=\(key)
        }

        """
    }
}
