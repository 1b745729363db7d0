import Layers
import Steps
import Testing

@Suite struct CloudInitStepTests {
    private func tree() throws -> Tree {
        try sampleTree([
            folder("etc/cloud"), file("var/lib/cloud/seed/nocloud-net/user-data", "password: ubuntu\n"),
            file("var/lib/cloud/seed/nocloud-net/meta-data", "instance-id: nocloud-static\n"),
            folder("var/lib/cloud/instances"), file("var/lib/cloud/instances/x/user-data.txt", "password: ubuntu\n"),
            Entry(
                "var/lib/cloud/instance", Attributes(mode: 0o777, mtime: Timestamp(seconds: 1)),
                .symlink(Array("/var/lib/cloud/instances/x".utf8))),
        ])
    }

    @Test func offItRunsNoMoreAndNoStockPasswordIsLeft() throws {
        let tree = try tree()
        let result = try tree.with(CloudInitStep(isEnabled: false).apply(to: tree, epoch: epoch))
        #expect(
            difference(tree, result) == [
                "+ /etc/cloud/cloud-init.disabled", "+ /etc/cloud/cloud.cfg.d",
                "+ /etc/cloud/cloud.cfg.d/99-piforge.cfg",
                "- /var/lib/cloud/instance", "- /var/lib/cloud/instances", "- /var/lib/cloud/instances/x",
                "- /var/lib/cloud/instances/x/user-data.txt", "~ /var/lib/cloud/seed/nocloud-net/user-data",
            ])
        let seed = try result.text("var/lib/cloud/seed/nocloud-net/user-data")
        // cloud-init takes user data for its own by this first line alone.
        #expect(seed?.hasPrefix("#cloud-config\n") == true)
        #expect(seed?.contains("ubuntu") == false)
        #expect(try result.text("etc/cloud/cloud.cfg.d/99-piforge.cfg")?.contains("\nusers: []\n") == true)
    }

    @Test func keptItLeavesHostNameAndNetworkAlone() throws {
        let tree = try tree()
        let result = try tree.with(CloudInitStep(isEnabled: true).apply(to: tree, epoch: epoch))
        #expect(
            difference(tree, result) == ["+ /etc/cloud/cloud.cfg.d", "+ /etc/cloud/cloud.cfg.d/99-piforge.cfg"])
        #expect(
            try result.text("etc/cloud/cloud.cfg.d/99-piforge.cfg") == """
                # Written by piforge: host name and network are set already.
                preserve_hostname: true
                network: {config: disabled}

                """)
    }

    @Test func withoutCloudInitThereIsNothingToDo() throws {
        let layer = try CloudInitStep(isEnabled: false).apply(to: sampleTree(), epoch: epoch)
        #expect(layer.entries.isEmpty && layer.whiteouts.isEmpty)
    }
}
