import Debian
import Diagnostics
import Disk
import Foundation
import Layers

/// The files that tell what a system is.
enum SystemFiles {
    static let release: EntryPath = "etc/os-release"
    static let debian: EntryPath = "etc/debian_version"
    static let raspberryPi: EntryPath = "etc/rpi-issue"
    static let hostname: EntryPath = "etc/hostname"
    static let passwords: EntryPath = "etc/passwd"
    static let shadow: EntryPath = "etc/shadow"
    static let packages: EntryPath = "var/lib/dpkg/status"
    static let docker: EntryPath = "etc/docker/daemon.json"

    static let all = [release, debian, raspberryPi, hostname, passwords, shadow, packages, docker]
}

extension ImageInspection {
    /// Packages of Debian, Ubuntu, Docker and Kubernetes that run machines and containers.
    private static let runtimePackages: Set<String> = [
        "docker.io", "docker-ce", "containerd", "containerd.io", "runc", "crun", "podman", "lxc", "lxd", "incus",
        "qemu-system-arm", "libvirt-daemon", "k3s", "cri-o", "kubelet", "kata-containers", "systemd-container",
    ]

    func system(_ files: ImageFiles) throws -> ImageReport.System {
        var system = ImageReport.System(kernels: [], users: [], runtimes: [:])
        func text(_ path: EntryPath) throws -> String? {
            try noting("\(path)") { try files.bytes(at: path, limit: 1 << 20) }?.map {
                String(decoding: $0, as: UTF8.self)
            }
        }
        func firstLine(_ path: EntryPath) throws -> String? {
            try text(path)?.split(whereSeparator: \.isNewline).first.map(String.init)
        }
        let release = Self.assignments(try text(SystemFiles.release) ?? "")
        system.name = release["PRETTY_NAME"]
        system.id = release["ID"]
        system.version = release["VERSION_ID"]
        system.codename = release["VERSION_CODENAME"]
        system.debian = release["ID"] == "ubuntu" ? nil : try firstLine(SystemFiles.debian)
        system.raspberryPi = try firstLine(SystemFiles.raspberryPi)
        system.hostname = try firstLine(SystemFiles.hostname)
        system.kernels = try noting("kernels") { try kernels(files) } ?? []
        system.users = users(
            try text(SystemFiles.passwords) ?? "", try text(SystemFiles.shadow), files)
        if let installed = try noting("\(SystemFiles.packages)", { try PackageList(files) }) {
            system.packages = installed?.versions.count
            system.runtimes = (installed?.versions ?? [:]).filter { Self.runtimePackages.contains($0.key) }
        }
        system.docker = try text(SystemFiles.docker).flatMap { text in
            try noting("daemon.json") { try Self.docker(text) }
        }
        return system
    }

    /// `KEY=value` lines of os-release(5), quotes taken off.
    private static func assignments(_ text: String) -> [String: String] {
        var result: [String: String] = [:]
        for line in text.split(whereSeparator: \.isNewline) where !line.hasPrefix("#") {
            guard let equals = line.firstIndex(of: "=") else { continue }
            let value = line[line.index(after: equals)...]
            let quote = value.first
            let isQuoted = value.count >= 2 && (quote == "\"" || quote == "'") && value.last == quote
            result[String(line[..<equals])] = String(isQuoted ? value.dropFirst().dropLast() : value)
        }
        return result
    }

    /// The names of module folders, and of images in /boot.
    private func kernels(_ files: ImageFiles) throws -> [String] {
        var names: Set<String> = []
        if let folder = try? files.find("lib/modules".utf8) {
            names.formUnion(
                try files.children(of: folder).filter { $0.kind == .directory }.map { exactText($0.path.name) })
        }
        if let boot = try? files.find("boot".utf8) {
            for file in try files.children(of: boot) where file.path.name.starts(with: "vmlinuz-".utf8) {
                if case .regular = file.kind { names.insert(exactText(file.path.name.dropFirst(8))) }
            }
        }
        return names.sorted { $0.compare($1, options: .numeric) == .orderedAscending }
    }

    // MARK: Users

    private func users(_ passwd: String, _ shadow: String?, _ files: ImageFiles) -> [ImageReport.User] {
        var secrets: [Substring: [Substring]] = [:]
        for line in shadow?.split(whereSeparator: \.isNewline) ?? [] {
            let fields = line.split(separator: ":", omittingEmptySubsequences: false)
            if let name = fields.first { secrets[name] = fields }
        }
        return passwd.split(whereSeparator: \.isNewline).compactMap { line in
            let fields = line.split(separator: ":", omittingEmptySubsequences: false)
            guard fields.count >= 7, let uid = UInt32(fields[2]) else { return nil }
            let shell = fields[6].isEmpty ? "/bin/sh" : String(fields[6])
            let program = shell.split(separator: "/").last ?? ""
            guard !["nologin", "false", "sync", "halt", "shutdown", "true"].contains(program) else { return nil }
            return ImageReport.User(
                name: String(fields[0]), uid: uid, shell: shell, password: Self.password(secrets[fields[0]]),
                keys: keys(in: String(fields[5]), files))
        }
    }

    /// What shadow(5) says of somebody's password.
    private static func password(_ fields: [Substring]?) -> String {
        guard let fields, fields.count >= 3 else { return "unknown" }
        switch fields[1].first {
        case nil: return "empty"
        case "!", "*": return "locked"
        default: return fields[2] == "0" ? "to be changed" : "set"
        }
    }

    private func keys(in home: String, _ files: ImageFiles) -> Int {
        guard let path = try? EntryPath(validating: home + "/.ssh/authorized_keys"),
            let bytes = (try? files.bytes(at: path, limit: 1 << 20)) ?? nil
        else { return 0 }
        return String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline)
            .filter { !$0.hasPrefix("#") && !$0.allSatisfy(\.isWhitespace) }.count
    }

    // MARK: Docker

    private static func docker(_ text: String) throws -> ImageReport.Docker {
        guard let object = try? JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any] else {
            throw Failure(at: "daemon.json", "it is no JSON object")
        }
        let runtimes = (object["runtimes"] as? [String: Any])?.keys.sorted() ?? []
        let chosen = object["default-runtime"] as? String
        return ImageReport.Docker(
            runtimes: chosen.map { runtimes.contains($0) ? runtimes : (runtimes + [$0]).sorted() } ?? runtimes,
            defaultRuntime: chosen, storageDriver: object["storage-driver"] as? String)
    }
}
