import Diagnostics

extension Recipe {
    /// Checks what no single key can: values that contradict or need each other. Each check relies only on keys that
    /// were read without mistakes.
    func check(_ root: Node, _ decoding: Decoding) {
        checkAccounts(root, decoding)
        checkPackages(root, decoding)
        checkSources(root, decoding)
        checkKernel(root, decoding)
        checkRuntimes(root, decoding)
        if decoding.isClean("system.services") {
            for (index, unit) in system.services.disable.enumerated() where system.services.enable.contains(unit) {
                decoding.refuse(
                    "system.services.disable[\(index)]", in: root, "'\(unit)' is also in system.services.enable")
            }
        }
    }

    private func checkAccounts(_ root: Node, _ decoding: Decoding) {
        guard decoding.isClean("accounts") else { return }
        if accounts.root.isLocked, root["accounts"]?["root"]?["expire"] != nil {
            decoding.refuse("accounts.root.expire", in: root, "there is no password that could expire")
        }
        var uids: [UInt32: String] = [:]
        for (index, user) in accounts.users.enumerated() {
            let path = "accounts.users[\(index)]"
            if let uid = user.uid, let other = uids.updateValue(user.name, forKey: uid) {
                decoding.refuse("\(path).uid", in: root, "\(uid) is the user ID of '\(other)' too")
            }
            let mayLogIn = !user.shell.hasSuffix("/nologin") && !user.shell.hasSuffix("/false")
            if mayLogIn, user.password == nil, user.sshKeys.isEmpty {
                decoding.refuse(
                    path, in: root, "'\(user.name)' has neither a password nor a key, so nobody could log in",
                    next: "add password: generate, or ssh_keys; or shell: /usr/sbin/nologin")
            }
            if user.sudo == .password, user.password == nil {
                decoding.refuse(
                    "\(path).sudo", in: root, "sudo would ask for a password, and '\(user.name)' has none",
                    next: "write sudo: nopasswd, or add a password")
            }
        }
    }

    /// Sources take the place of suites; what belongs to a stock image alone is refused without one.
    private func checkSources(_ root: Node, _ decoding: Decoding) {
        let packages = root["packages"]
        if stock != nil, self.packages.sources.isEmpty, decoding.isClean("packages") {
            decoding.refuse(
                "packages", in: root, "a stock image says nothing of where packages come from",
                next: "add packages.sources")
        }
        // The canonical form writes defaults out: what stands there and says nothing new is no mistake.
        let none = Packages()
        let replaced = [
            ("suites", !self.packages.suites.isEmpty), ("components", self.packages.components != none.components),
            ("mirror", self.packages.mirror != nil), ("security_mirror", self.packages.securityMirror != nil),
            ("keyring", self.packages.keyring != none.keyring),
        ]
        for (key, isSet) in replaced where isSet && !self.packages.sources.isEmpty && packages?[key] != nil {
            decoding.refuse("packages.\(key)", in: root, "stands beside packages.sources, which takes its place")
        }
        checkNames(root, decoding)
        if stock == nil {
            for (key, isSet) in [
                ("packages.upgrade", self.packages.upgrade), ("accounts.stock", accounts.stock != .locked),
            ] where isSet {
                decoding.refuse(key, in: root, "means something on a stock image alone")
            }
        }
    }

    /// What locks and messages call an archive is its own: also those of the sources that a recipe stands for by other words.
    private func checkNames(_ root: Node, _ decoding: Decoding) {
        var owners = Dictionary(
            packages.sources.map { ($0.name, "packages.sources has it") },
            uniquingKeysWith: { first, _ in first })
        if packages.sources.isEmpty { owners["debian"] = "Debian's own archive has it" }
        if docker.origin == .docker { owners["docker"] = "docker.from: docker brings it" }
        for (index, source) in packages.extraSources.enumerated() {
            guard let owner = owners[source.name] else { continue }
            decoding.refuse(
                "packages.extra_sources[\(index)].name", in: root, "'\(source.name)' is taken: \(owner)",
                expected: "another name")
        }
    }

    /// A setting that works only with a package refuses a recipe that does not install it.
    private func checkPackages(_ root: Node, _ decoding: Decoding) {
        let sudoer = accounts.users.firstIndex { $0.sudo != .no }
        let needs: [(key: String, applies: Bool, packages: [String], otherwise: String)] = [
            ("system.ssh.enable", system.ssh.enable, ["openssh-server"], "write system.ssh.enable: false"),
            (
                "system.wifi", system.wifi != nil, ["wpasupplicant", "wireless-regdb", "firmware-brcm80211"],
                "leave system.wifi out"
            ),
            ("system.locale", system.locale != "C.UTF-8", ["locales-all"], "write locale: C.UTF-8"),
            ("system.timezone", system.timezone != "UTC", ["tzdata"], "write timezone: UTC"),
            ("accounts.users[\(sudoer ?? 0)].sudo", sudoer != nil, ["sudo"], "write sudo: false"),
        ]
        for need in needs where need.applies && decoding.isClean(need.key) && decoding.isClean("packages.install") {
            // What a stock image brings is known when it is read.
            for package in need.packages where stock == nil && !packages.installNames.contains(package) {
                decoding.refuse(
                    need.key, in: root, "needs the package '\(package)'",
                    next: "add \(package) to packages.install, or \(need.otherwise)")
            }
        }
    }
}

extension Decoding {
    /// Notes a mistake at the place of a key; where the recipe does not have it, at the nearest key above.
    func refuse(
        _ path: String, in root: Node, _ message: String, expected: String? = nil, found: String? = nil,
        next: String? = nil
    ) {
        let steps = [PathStep](parsing: path) ?? []
        refuse(steps, at: root.place(of: steps), message, expected: expected, found: found, next: next)
    }
}

extension Node {
    /// The place of the value at `path`, or of the last step on the way that is there.
    func place(of path: [PathStep]) -> Place {
        switch (path.first, value) {
        case (.key(let key)?, .map(let pairs)):
            pairs.first { $0.key == key }?.value.place(of: Array(path.dropFirst())) ?? place
        case (.index(let index)?, .list(let items)) where items.indices.contains(index):
            items[index].place(of: Array(path.dropFirst()))
        default: place
        }
    }
}
