extension Manifest {
    /// An account of the image, without its secrets.
    package struct Account: Codable, Sendable, Equatable {
        /// How a person gets in.
        package enum Credential: String, Codable, Sendable {
            /// A password that the build made up; it stands in the image's credentials file.
            case generatedPassword
            /// A password from a file or an environment variable.
            case givenPassword
            /// A password hash from the recipe; nobody here knows the password.
            case passwordHash
            /// SSH keys alone; the password is locked.
            case keysOnly
            /// Nobody can log in.
            case locked
        }

        /// The login name.
        package var name: String
        /// All groups but its own, sorted.
        package var groups: [String]
        package var credential: Credential
        /// Whether the first login asks for another password.
        package var passwordExpired: Bool
        /// How many SSH keys may log in.
        package var authorizedKeys: Int

        package init(
            name: String, groups: [String], credential: Credential, passwordExpired: Bool, authorizedKeys: Int
        ) {
            self.name = name
            self.groups = groups
            self.credential = credential
            self.passwordExpired = passwordExpired
            self.authorizedKeys = authorizedKeys
        }
    }

    /// What a boot of the image must show.
    package struct Expectations: Codable, Sendable, Equatable {
        /// What `hostname` prints: at most 64 characters.
        package var hostname: String
        /// Bytes of memory that the system may use; nil when the recipe sets no limit.
        package var memoryLimit: UInt64?
        /// What `uname -r` prints.
        package var kernelRelease: String
        /// Whether Docker is installed and must answer.
        package var docker: Bool
        /// nil when there is no SSH server.
        package var ssh: SSH?
        /// The console that a login prompt appears on, such as `ttyS1`; nil for none.
        package var serialConsole: String?
        /// Whether the root file system grows to the card on the first boot.
        package var growsRoot: Bool
        /// What the kernel's configuration must have: the lines of the recipe's fragments that apply to this kernel's version, as
        /// a fragment has them (`CONFIG_KVM=y`, `CONFIG_TUN=y|m`, `# CONFIG_X is not set`); empty when nothing is asked.
        package var kernelConfig: [String]
        /// The container runtimes of the recipe, one for each name that Docker knows them by.
        package var runtimes: [Runtime]
        /// The wireless network that the board joins by itself; nil for none.
        package var wifi: Wifi?

        package init(
            hostname: String, memoryLimit: UInt64?, kernelRelease: String, docker: Bool, ssh: SSH?,
            serialConsole: String?, growsRoot: Bool, kernelConfig: [String] = [], runtimes: [Runtime] = [],
            wifi: Wifi? = nil
        ) {
            self.hostname = hostname
            self.memoryLimit = memoryLimit
            self.kernelRelease = kernelRelease
            self.docker = docker
            self.ssh = ssh
            self.serialConsole = serialConsole
            self.growsRoot = growsRoot
            self.kernelConfig = kernelConfig
            self.runtimes = runtimes
            self.wifi = wifi
        }

        /// Takes what was written before ``kernelConfig``, ``runtimes`` and ``wifi`` were there, too.
        package init(from decoder: any Decoder) throws {
            let values = try decoder.container(keyedBy: CodingKeys.self)
            hostname = try values.decode(String.self, forKey: .hostname)
            memoryLimit = try values.decodeIfPresent(UInt64.self, forKey: .memoryLimit)
            kernelRelease = try values.decode(String.self, forKey: .kernelRelease)
            docker = try values.decode(Bool.self, forKey: .docker)
            ssh = try values.decodeIfPresent(SSH.self, forKey: .ssh)
            serialConsole = try values.decodeIfPresent(String.self, forKey: .serialConsole)
            growsRoot = try values.decode(Bool.self, forKey: .growsRoot)
            kernelConfig = try values.decodeIfPresent([String].self, forKey: .kernelConfig) ?? []
            runtimes = try values.decodeIfPresent([Runtime].self, forKey: .runtimes) ?? []
            wifi = try values.decodeIfPresent(Wifi.self, forKey: .wifi)
        }
    }

    /// Who gets in through the SSH server.
    package struct SSH: Codable, Sendable, Equatable {
        /// Whether the server takes passwords.
        package var passwordLogin: Bool
        /// Whether root may log in, with a key.
        package var rootLogin: Bool
        /// 1 to 65535.
        package var port: Int

        package init(passwordLogin: Bool, rootLogin: Bool, port: Int = 22) {
            self.port = port
            self.passwordLogin = passwordLogin
            self.rootLogin = rootLogin
        }
    }

    /// A wireless network, without its key.
    package struct Wifi: Codable, Sendable, Equatable {
        /// The network's name: 1 to 32 bytes.
        package var ssid: String
        /// The country whose radio rules apply (ISO 3166-1 alpha-2).
        package var country: String

        package init(ssid: String, country: String) {
            self.ssid = ssid
            self.country = country
        }
    }
}
