import Diagnostics
import Digests
import Layers
import Recipe
import Steps
import TestSupport
import Testing

@Suite struct NetworkStepTests {
    private var wifi: Recipe.System.Wifi {
        var wifi = Recipe.System.Wifi()
        wifi.country = "DE"
        wifi.ssid = "IEEE"
        wifi.passphrase = .environment("WIFI")
        return wifi
    }

    @Test(arguments: [("1234567", "7"), (String(repeating: "x", count: 64), "64"), (nil, "none")])
    func aPassPhraseThatWPADoesNotKnowIsRefused(phrase: String?, found: String) {
        let error = failure { try NetworkStep(wifi, passphrase: phrase) }
        #expect(
            error?.description == """
                system.wifi.passphrase: the pass phrase has a length that WPA does not know
                  expected: 8 to 63 characters
                  found:    \(found)
                """)
    }

    @Test func wirelessNetworkIsJoinedByItsKey() throws {
        // IEEE 802.11-2020, annex J.4.2, test case 1.
        let key = wirelessKey(passphrase: "password", ssid: "IEEE")
        #expect(key == "f42c6fc52df0ebef9ebb4b90b38a5f902e83fe1b135a70e23aed762e9710a12e")
        let tree = try sampleTree()
        let step = try NetworkStep(wifi, passphrase: "password")
        let result = try tree.with(step.apply(to: tree, epoch: epoch))
        let path: EntryPath = "etc/wpa_supplicant/wpa_supplicant-wlan0.conf"
        #expect(result[path]?.attributes.mode == 0o600)
        #expect(try result.text(path)?.contains("ssid=49454545\n") == true)
        // Nothing that a boot waits for wants it.
        let wants = result.paths.filter { $0.name.elementsEqual("wpa_supplicant@wlan0.service".utf8) }
        #expect(
            wants == [
                "etc/systemd/system/sys-subsystem-net-devices-wlan0.device.wants/wpa_supplicant@wlan0.service"
            ])
        #expect(result.content(wants[0]) != nil)
        #expect(!step.inputs.contains { $0.value.contains(key ?? "") })
    }

    /// What a stock image lacks is seen here first: a recipe from packages is refused without them.
    @Test(arguments: [
        (
            "brcm/brcmfmac43455-sdio.bin.xz",
            """
            system.wifi: the image has no firmware for the radio of a Pi 4B
              expected: /usr/lib/firmware/brcm/brcmfmac43455-sdio.bin
              next:     add firmware-brcm80211 (Debian) or linux-firmware (Ubuntu) to packages.install, or leave system.wifi out
            """
        ),
        (
            "regulatory.db",
            """
            system.wifi: the image has no radio rules of countries
              expected: /usr/lib/firmware/regulatory.db
              next:     add wireless-regdb to packages.install, or leave system.wifi out
            """
        ),
    ])
    func wifiWithoutTheRadiosFilesIsRefused(file: String, message: String) throws {
        let path = try EntryPath(validating: "usr/lib/firmware/\(file)")
        let tree = try sampleTree().with(Layer(name: "x", whiteouts: [path]))
        _ = try NetworkStep(nil).apply(to: tree, epoch: epoch)
        let error = failure {
            try NetworkStep(wifi, passphrase: "password").apply(to: tree, epoch: epoch)
        }
        #expect(error?.description == message)
    }
}
