import Diagnostics
import Layers
import Recipe

/// Sets the SSH server's rules. Its host keys are made at the first boot.
package struct SSHStep: TreeStep {
    package let name = "ssh"
    /// Whether the server starts at boot.
    package var isEnabled: Bool
    /// Whether a password opens a session.
    package var passwordLogin: Bool
    /// 1 to 65535.
    package var port: Int

    package init(isEnabled: Bool, passwordLogin: Bool, port: Int) {
        self.isEnabled = isEnabled
        self.passwordLogin = passwordLogin
        self.port = port
    }

    package init(_ ssh: Recipe.System.SSH) {
        self.init(isEnabled: ssh.enable, passwordLogin: ssh.passwordLogin, port: ssh.port)
    }

    package var summary: String {
        isEnabled ? "port \(port), \(passwordLogin ? "keys and passwords" : "keys only")" : "disabled"
    }

    package var inputs: [StepInput] {
        [
            StepInput("system.ssh.enable", String(isEnabled)),
            StepInput("system.ssh.password_login", String(passwordLogin)), StepInput("system.ssh.port", String(port)),
        ]
    }

    package func key(of path: EntryPath) -> String { "system.ssh" }

    /// Nothing where the tree has no sshd. Host keys of the tree are taken away, also where the server does not start.
    ///
    /// - Throws: `Failure` when the tree has sshd and no unit ssh.service, or one that cannot be enabled.
    package func apply(to tree: Tree, epoch: Int64) throws -> Layer {
        var layer = Layer(name: name)
        guard tree.content("usr/sbin/sshd") != nil else { return layer }
        let main: EntryPath = "etc/ssh/sshd_config"
        let configuration = try tree.content(main).map { try ContentReader().text(of: $0, limit: 1 << 20) } ?? ""
        if Self.includesFolder(configuration) {
            layer.addText(
                "etc/ssh/sshd_config.d/10-piforge.conf", rules(dialogue: "KbdInteractiveAuthentication"), epoch: epoch)
        } else {
            // Servers before OpenSSH 8.2 read one file, in which the first value of a keyword counts; before 8.7 the dialogue
            // with PAM had another name.
            layer.addText(
                main, rules(dialogue: "ChallengeResponseAuthentication") + Self.withoutPorts(configuration),
                epoch: epoch)
        }
        let units = SystemdUnits(tree)
        if isEnabled {
            try units.enable("ssh.service", for: "system.ssh", epoch: epoch, in: &layer)
        } else {
            try units.disable("ssh.service", for: "system.ssh", in: &layer)
        }
        // A stock image may have systemd listen in sshd's place: it would go on listening, and know nothing of the port.
        if units.isEnabled("ssh.socket") { try units.disable("ssh.socket", for: "system.ssh", in: &layer) }
        for path in tree.children(of: "etc/ssh") where path.name.starts(with: "ssh_host_".utf8) {
            layer.whiteouts.append(path)
        }
        return layer
    }

    /// - Parameter dialogue: the keyword for what PAM asks.
    private func rules(dialogue: String) -> String {
        """
        # Written by piforge from the recipe's system.ssh.
        Port \(port)
        PasswordAuthentication \(passwordLogin ? "yes" : "no")
        \(dialogue) \(passwordLogin ? "yes" : "no")
        PermitRootLogin prohibit-password

        """
    }

    /// The configuration without its `Port` lines: of these every one counts, not the first (sshd_config(5), Port).
    private static func withoutPorts(_ configuration: String) -> String {
        configuration.splitLines(keepingEmpty: true).filter { line in
            line.split(whereSeparator: { $0.isWhitespace || $0 == "=" }).first?.lowercased() != "port"
        }.joined(separator: "\n")
    }

    private static func includesFolder(_ configuration: String) -> Bool {
        configuration.splitLines().contains { line in
            let words = line.split(whereSeparator: \.isWhitespace).map { $0.lowercased() }
            return words.first == "include" && words.dropFirst().contains { $0.hasPrefix("/etc/ssh/sshd_config.d/") }
        }
    }
}
