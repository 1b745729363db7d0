/// A command that stands in for a real one while maintainer scripts run: it is found first on the PATH, and it is
/// never in the tree.
public struct StandIn: Sendable, Hashable {
    /// The command's name.
    public let command: String
    /// Why the real one must not, or need not, run.
    public let reason: String
    /// The shell script that runs instead.
    let script: String

    private init(_ command: String, _ reason: String, script: String = "#!/bin/sh\nexit 0\n") {
        self.command = command
        self.reason = reason
        self.script = script
    }

    public static let depmod = StandIn("depmod", "the module indexes are made on the host")
    public static let updateInitramfs = StandIn("update-initramfs", "the initramfs is made on the host")
    public static let sshKeygen = StandIn("ssh-keygen", "host keys are each board's own; its first boot makes them")
    public static let logger = StandIn("logger", "there is no log daemon; adduser would complain")
    public static let flashKernel = StandIn(
        "flash-kernel", "the boot files are made on the host; on a machine that is no board it fails")
    public static let updateCACertificates = StandIn(
        "update-ca-certificates", "/etc/ssl/certs is made on the host, from the same list")

    /// Those that stand in for every tree.
    public static let always = [depmod, updateInitramfs, sshKeygen, logger, flashKernel]
}
