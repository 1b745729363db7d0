import Layers

/// Sets the SSH server's rules. Its host keys are made at the first boot.
public struct SSHStep: Step {
    public let name = "ssh"
    public var isEnabled: Bool
    /// Whether a password opens a session.
    public var passwordLogin: Bool
    /// 1 to 65535.
    public var port: Int

    public init(isEnabled: Bool, passwordLogin: Bool, port: Int) {
        self.isEnabled = isEnabled
        self.passwordLogin = passwordLogin
        self.port = port
    }

    public var summary: String {
        isEnabled ? "port \(port), \(passwordLogin ? "keys and passwords" : "keys only")" : "disabled"
    }

    public var inputs: [StepInput] {
        [
            StepInput("system.ssh.enable", String(isEnabled)),
            StepInput("system.ssh.password_login", String(passwordLogin)), StepInput("system.ssh.port", String(port)),
        ]
    }

    public func apply(to tree: Tree, epoch: Int64) throws -> Layer {
        var layer = Layer(name: name)
        guard tree.content("usr/sbin/sshd") != nil else { return layer }
        layer.addText(
            "etc/ssh/sshd_config.d/10-piforge.conf",
            """
            # Written by piforge from the recipe's system.ssh.
            Port \(port)
            PasswordAuthentication \(passwordLogin ? "yes" : "no")
            KbdInteractiveAuthentication \(passwordLogin ? "yes" : "no")
            PermitRootLogin prohibit-password

            """, epoch: epoch)
        let units = SystemdUnits(tree)
        if isEnabled {
            try units.enable("ssh.service", for: "system.ssh", epoch: epoch, in: &layer)
        } else {
            try units.disable("ssh.service", for: "system.ssh", in: &layer)
        }
        for path in tree.children(of: "etc/ssh") where path.name.starts(with: "ssh_host_".utf8) {
            layer.whiteouts.append(path)
        }
        return layer
    }
}
