import Diagnostics
import Layers
import Steps
import TestSupport
import Testing

@Suite struct ServicesStepTests {
    @Test func enablingMakesTheLinksOfTheInstallSection() throws {
        let tree = try sampleTree()
        let result = try tree.with(
            SSHStep(isEnabled: true, passwordLogin: false, port: 22).apply(to: tree, epoch: epoch))
        let target = EntryKind.symlink(Array("/usr/lib/systemd/system/ssh.service".utf8))
        #expect(result["etc/systemd/system/multi-user.target.wants/ssh.service"]?.kind == target)
        #expect(result["etc/systemd/system/sshd.service"]?.kind == target)
        #expect(
            try result.text("etc/ssh/sshd_config.d/10-piforge.conf")?.contains("PasswordAuthentication no\n") == true)
        let off = try result.with(
            SSHStep(isEnabled: false, passwordLogin: false, port: 22).apply(to: result, epoch: epoch))
        #expect(off["etc/systemd/system/multi-user.target.wants/ssh.service"] == nil)
        #expect(off["etc/systemd/system/sshd.service"] == nil)
    }

    @Test(arguments: [
        ("shh", "system.services.enable: the image has no unit 'shh.service'. Did you mean 'ssh.service'?"),
        (
            "quiet",
            "system.services.enable: the unit quiet.service has no [Install] section, so it cannot be enabled"
        ),
    ])
    func unitsThatCannotBeEnabledAreRefused(unit: String, message: String) throws {
        let tree = try sampleTree()
        let error = failure {
            try ServicesStep(enable: [unit], disable: []).apply(to: tree, epoch: epoch)
        }
        #expect(error?.description == message)
    }
}
