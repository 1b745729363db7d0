import Records
import Diagnostics

/// What an image does when a radio appears, shown with two virtual ones (Linux, mac80211_hwsim): the image's own settings on the
/// first, an access point on the second.
///
/// The access point is the image's own wpa_supplicant (wpa_supplicant.conf(5), mode=2), with the network that the board's settings
/// name: the key never leaves the booted system. So a wrong pass phrase is not seen, and nothing of the board's own chip.
package struct WifiProof: Sendable {
    let wifi: Manifest.Wifi

    package init(_ wifi: Manifest.Wifi) { self.wifi = wifi }

    /// Where the access point's files lie; gone with the machine at the latest.
    private static let folder = "/run/piforge-proof-wifi"
    /// networkd's settings of the access point: before all others that fit. Of RFC 5737's addresses, which nobody has.
    private static let settings = "/run/systemd/network/00-piforge-proof.network"
    private static let server = "192.0.2.1"
    private static let noRadio = "there is no virtual radio"

    /// The network's name as wpa_supplicant prints it: ASCII, everything else escaped (wpa_supplicant's printf_encode).
    package var printedName: String {
        wifi.ssid.utf8.map { byte in
            switch byte {
            case UInt8(ascii: "\""): "\\\""
            case UInt8(ascii: "\\"): "\\\\"
            case 0x1b: "\\e"
            case 0x0a: "\\n"
            case 0x0d: "\\r"
            case 0x09: "\\t"
            case 32...126: String(UnicodeScalar(byte))
            default: "\\x" + String(byte >> 4, radix: 16) + String(byte & 15, radix: 16)
            }
        }.joined()
    }

    // MARK: Rows

    /// Brings the radios and the access point, and waits until the board has joined by itself.
    ///
    /// - Throws: as `RootShell.run`.
    package func join(on shell: any RootShell) async throws -> Observation {
        let kernel = try await shell.run(
            "[ -e /sys/class/net/wlan0 ] && echo taken; modinfo -n mac80211_hwsim", within: .command)
        if kernel.output.contains("taken") { return Observation(notRun: "the machine has a wlan0 of its own") }
        guard kernel.status == 0 else {
            return Observation(notRun: "the kernel has no virtual radio (CONFIG_MAC80211_HWSIM)")
        }
        let prepared = try await shell.run(prepare, within: .command)
        guard prepared.status == 0 else {
            return Observation("the board's own settings name no such network: \(prepared.lastLines(2))", passed: false)
        }
        let started = try await shell.run("(\(Self.start))", within: .longCommand)
        guard started.status == 0 else {
            return Observation("no access point: \(started.lastLines(4))", passed: false)
        }
        let state = try await shell.run(Self.wait, within: .longCommand)
        let values = Self.values(state.output)
        let joined = values["wpa_state"] == "COMPLETED" && values["ssid"] == printedName
        if joined, let point = values["point"], values["bssid"] == point {
            let how = [values["key_mgmt"], values["pairwise_cipher"]].compactMap { $0 }.joined(separator: ", ")
            return Observation("joined by itself: \(how)", passed: true)
        }
        let log = try await shell.run(
            "journalctl -b -u wpa_supplicant@wlan0 --no-pager -o cat -n 4", within: .longCommand)
        return Observation("\(values["wpa_state"] ?? state.lastLines(2))\n\(log.output)", passed: false)
    }

    /// networkd asks for an address on the radio, and is given one.
    package func address(on shell: any RootShell) async throws -> Observation {
        let script = """
            [ -e \(Self.folder)/ready ] || { echo none; exit 0; }
            i=$(cat /sys/class/net/wlan0/ifindex); n=0
            until grep -q ^ADDRESS= /run/systemd/netif/leases/$i 2>/dev/null || [ $n -ge 60 ]; do n=$((n+1)); sleep 1; done
            sleep 2; cat /run/systemd/netif/leases/$i /run/systemd/netif/links/$i
            """
        let result = try await shell.run("(\(script))", within: .longCommand)
        if result.output == "none" { return Observation(notRun: Self.noRadio) }
        let values = Self.values(result.output)
        guard let address = values["ADDRESS"] else {
            return Observation("none; \(values["OPER_STATE"] ?? result.lastLines(2))", passed: false)
        }
        let state = "\(values["OPER_STATE"] ?? "?"), \(values["ADMIN_STATE"] ?? "?")"
        return Observation(
            "\(address); wlan0 is \(state)",
            passed: values["SERVER_ADDRESS"] == Self.server && state == "routable, configured")
    }

    /// The kernel has the country's rules, as the access point's wpa_supplicant was told by the kernel.
    package func country(on shell: any RootShell) async throws -> Observation {
        let script =
            "[ -e \(Self.folder)/ready ] || { echo none; exit 0; }; "
            + "grep -o 'Regulatory information - country=..' \(Self.folder)/log | tail -n 1"
        let result = try await shell.run("(\(script))", within: .command)
        if result.output == "none" { return Observation(notRun: Self.noRadio) }
        guard let country = result.firstLine.split(separator: "=").last, country.count == 2 else {
            return Observation(notRun: "wpa_supplicant does not tell what the kernel has")
        }
        // 00 is the kernel's own for nowhere: the database was not found, or its signature was none.
        return Observation(country == "00" ? "none (00)" : String(country), passed: country == wifi.country)
    }

    /// Takes radios and access point away.
    package func clear(on shell: any RootShell) async throws -> Observation {
        let result = try await shell.run("(\(Self.tidy))", within: .longCommand)
        if result.output == "none" { return Observation(notRun: Self.noRadio) }
        return Observation(result.output.isEmpty ? "nothing" : result.output, passed: result.output.isEmpty)
    }

    // MARK: Commands

    /// The access point's configuration: of the board's own, the network of that name, in the other role. 2412 MHz, channel 1, is
    /// allowed everywhere (IEEE 802.11, annex E).
    private var prepare: String {
        let hex = wifi.ssid.utf8.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
        let role = "mode=2\\nfrequency=2412\\nproto=RSN\\npairwise=CCMP"
        return """
            umask 077; mkdir -p \(Self.folder) /run/systemd/network; chmod 755 /run/systemd/network
            awk '/^network=[{]/ {b=""; n=1; open=0} n {sub(/^[ \\t]+/, ""); b = b $0 "\\n"}; /key_mgmt=NONE/ {open=1}; \
            n && /^[}]/ {if (index(b, "\\nssid=\(hex)\\n")) {sub(/[}]\\n$/, "", b); \
            printf "%s\(role)\\n%s}\\n", b, open ? "" : "key_mgmt=WPA-PSK\\n"; exit} n=0}' \
            /etc/wpa_supplicant/wpa_supplicant-wlan0.conf > \(Self.folder)/conf
            printf '[Match]\\nName=wlan1\\n[Network]\\nAddress=\(Self.server)/24\\nDHCPServer=yes\\n' > \(Self.settings)
            printf '[DHCPServer]\\nEmitDNS=no\\nEmitNTP=no\\nEmitRouter=no\\n' >> \(Self.settings)
            chmod 644 \(Self.settings); grep -q ssid= \(Self.folder)/conf
            """
    }

    /// Radios, and the access point on the second. What is on the first starts by itself.
    private static let start = """
        networkctl reload 2>/dev/null || systemctl restart systemd-networkd
        modprobe mac80211_hwsim radios=2 || exit 1
        touch \(folder)/ready; n=0
        until [ -e /sys/class/net/wlan1 ] || [ $n -ge 30 ]; do n=$((n+1)); sleep 1; done
        sleep 3; wpa_supplicant -B -d -f \(folder)/log -i wlan1 -D nl80211 -c \(folder)/conf -P \(folder)/pid
        """

    /// Waits for two minutes at most, and prints what the board's supplicant and the access point are.
    private static let wait = """
        n=0; until wpa_cli -i wlan0 status 2>/dev/null | grep -q ^wpa_state=COMPLETED || [ $n -ge 60 ]
        do n=$((n+1)); sleep 2; done; wpa_cli -i wlan0 status; echo point=$(cat /sys/class/net/wlan1/address)
        """

    /// Prints what could not be taken away.
    private static let tidy = """
        [ -e \(folder)/ready ] || { rm -rf \(folder) \(settings); echo none; exit 0; }
        kill $(cat \(folder)/pid) 2>/dev/null; systemctl stop wpa_supplicant@wlan0
        n=0; until modprobe -r mac80211_hwsim 2>/dev/null || [ $n -ge 10 ]; do n=$((n+1)); sleep 1; done
        rm -rf \(folder) \(settings) /var/lib/systemd/network/dhcp-server-lease/wlan1
        networkctl reload 2>/dev/null || systemctl restart systemd-networkd
        systemctl reset-failed wpa_supplicant@wlan0.service 2>/dev/null
        ls -d /sys/class/net/wlan* 2>/dev/null; systemctl --failed --plain --no-legend
        """

    /// `name=value` lines; of two with one name the first counts.
    private static func values(_ text: String) -> [String: String] {
        let pairs = text.split(whereSeparator: \.isNewline).compactMap { line -> (String, String)? in
            let parts = line.split(separator: "=", maxSplits: 1).map(String.init)
            return parts.count == 2 ? (parts[0], parts[1]) : nil
        }
        return Dictionary(pairs) { first, _ in first }
    }
}

extension Check {
    /// The rows of an image that joins a wireless network.
    static func wifi(_ wifi: Manifest.Wifi) -> [Check] {
        let proof = WifiProof(wifi)
        return [
            Check("wifi: joins its network", expected: "\(proof.printedName), on a virtual radio") {
                try await proof.join(on: $0.shell)
            },
            Check("wifi: address", expected: "by DHCP, from the access point") {
                try await proof.address(on: $0.shell)
            },
            Check("wifi: country", expected: wifi.country) { try await proof.country(on: $0.shell) },
            Check("wifi: nothing left", expected: "no radio, no failed unit") {
                try await proof.clear(on: $0.shell)
            },
        ]
    }
}
