import Diagnostics
import Layers
import Recipe

#if canImport(Glibc)
    import Glibc
#endif

/// Names the machine: host name, time zone, locale; and leaves its identity to the first boot.
package struct SystemStep: TreeStep {
    package let name = "system"
    /// With its domain or without; what /etc/hostname has.
    package var hostname: String
    /// A name of the time zone database: `Europe/Berlin`.
    package var timezone: String
    /// `C.UTF-8`, or a locale that the tree must have.
    package var locale: String

    package init(hostname: String, timezone: String, locale: String) {
        self.hostname = hostname
        self.timezone = timezone
        self.locale = locale
    }

    package init(_ system: Recipe.System) {
        self.init(hostname: system.hostname, timezone: system.timezone, locale: system.locale)
    }

    package var summary: String { "\(hostname), \(timezone), \(locale)" }

    package var inputs: [StepInput] {
        [
            StepInput("system.hostname", hostname), StepInput("system.timezone", timezone),
            StepInput("system.locale", locale),
        ]
    }

    package func key(of path: EntryPath) -> String {
        switch path {
        case "etc/hostname", "etc/hosts": "system.hostname"
        case "etc/localtime", "etc/timezone": "system.timezone"
        case "etc/locale.conf", "etc/default/locale": "system.locale"
        default: name
        }
    }

    /// Settings and links in /etc, the earliest time of the clock, and an empty machine-id, which the first boot fills.
    ///
    /// - Throws: `Failure` of kind usage for a time zone other than UTC, or a locale, that the tree does not have.
    package func apply(to tree: Tree, epoch: Int64) throws -> Layer {
        var layer = Layer(name: name)
        let zone = try EntryPath(validating: "usr/share/zoneinfo/\(timezone)")
        if tree.content(zone) != nil {
            layer.addSymlink("etc/localtime", to: zone.description, .root(0o777, epoch: epoch))
        } else if timezone != "UTC" {
            throw try unknownZone(tree)
        }
        try checkLocale(tree)
        layer.addText("etc/hostname", hostname + "\n", epoch: epoch)
        // A name with its domain, and the short one behind it (hosts(5)).
        let short = hostname.prefix { $0 != "." }
        let names = short == hostname ? hostname : "\(hostname) \(short)"
        layer.addText(
            "etc/hosts",
            """
            127.0.0.1 localhost
            127.0.1.1 \(names)
            ::1 localhost ip6-localhost ip6-loopback
            ff02::1 ip6-allnodes
            ff02::2 ip6-allrouters

            """, epoch: epoch)
        // Its time is the earliest that the clock of a board without a battery shows (systemd(1), "/usr/lib/clock-epoch").
        layer.addText("usr/lib/clock-epoch", "", epoch: epoch)
        layer.addText("etc/timezone", timezone + "\n", epoch: epoch)
        layer.addText("etc/locale.conf", "LANG=\(locale)\n", epoch: epoch)
        layer.addSymlink("etc/default/locale", to: "../locale.conf", .root(0o777, epoch: epoch))
        // Empty, not missing: systemd fills it at the first boot and commits it (machine-id(5), "Initialization").
        layer.addText("etc/machine-id", "", mode: 0o444, epoch: epoch)
        if tree["var/lib/dbus/machine-id"] != nil { layer.whiteouts.append("var/lib/dbus/machine-id") }
        return layer
    }

    /// The most bytes of a locale-archive: that of locales-all has some 230 MB.
    private static let largestArchive = 512 << 20

    /// Holds the locale to those that the tree has: what glibc has built in, a folder in /usr/lib/locale, or a name in the archive
    /// there (localedef(1)). Codesets are compared as glibc does: letters and digits, in lower case (setlocale(3)).
    private func checkLocale(_ tree: Tree) throws {
        let parts = locale.split(separator: ".", maxSplits: 1)
        let rest = parts.count > 1 ? parts[1].split(separator: "@", maxSplits: 1) : []
        let codeset = (rest.first ?? "").lowercased().filter { $0.isLetter || $0.isNumber }
        let names =
            [locale]
            + (parts.count > 1 ? ["\(parts[0]).\(codeset)" + (rest.count > 1 ? "@\(rest[1])" : "")] : [])
        if ["C", "POSIX", "C.utf8"].contains(where: names.contains) { return }
        let folder: EntryPath = "usr/lib/locale"
        for name in names where tree.lookup(folder.appending(name))?.kind == .directory { return }
        if let archive = tree.content("usr/lib/locale/locale-archive"), archive.size <= UInt64(Self.largestArchive) {
            // The archive's table of names; each ends with a zero byte.
            let bytes = try ContentReader().bytes(of: archive, limit: Self.largestArchive)
            for name in names where Self.holds(bytes, Array(name.utf8) + [0]) { return }
        }
        let known = tree.contents(of: folder).filter { $0.components.count == 4 && tree[$0]?.kind == .directory }
            .map { String(decoding: $0.name, as: UTF8.self) }
        throw Failure(
            .usage, at: "system.locale", "the image has no locale '\(locale)'",
            expected: (["C.UTF-8"] + known.prefix(5)).joined(separator: ", ") + (known.count > 5 ? ", …" : ""),
            next: "add locales-all to packages.install, or choose C.UTF-8")
    }

    /// Whether the bytes have these one after the other.
    private static func holds(_ bytes: [UInt8], _ wanted: [UInt8]) -> Bool {
        bytes.withUnsafeBytes { bytes in
            wanted.withUnsafeBytes { wanted in
                guard var rest = bytes.baseAddress, let sought = wanted.baseAddress else { return false }
                let end = rest + bytes.count
                while end - rest >= wanted.count, let found = memchr(rest, Int32(wanted[0]), end - rest) {
                    if end - UnsafeRawPointer(found) >= wanted.count, memcmp(found, sought, wanted.count) == 0 {
                        return true
                    }
                    rest = UnsafeRawPointer(found) + 1
                }
                return false
            }
        }
    }
}
