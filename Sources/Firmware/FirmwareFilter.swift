/// A section of config.txt: `[…]`, which says where the settings below it count.
///
/// Source: Raspberry Pi documentation, "The config.txt file", section "Conditional filters". Letters of both cases are one.
enum FirmwareFilter: Sendable, Equatable {
    /// Ends all filters.
    case all
    /// Nowhere, on purpose.
    case none
    case model(String)
    case boardType(UInt64)
    case tryboot
    case edid(String)
    case serial(UInt64)
    case gpio(Int, isHigh: Bool)
    /// Settings of one HDMI port, 0 or 1.
    case hdmi(UInt64)
    case bootPartition(UInt64)
    /// A comparison with another of the boot variables: `[bootvar0&0x10]`.
    case variable(String)
    /// One that is not known here, but that somebody says the firmware knows (``FirmwareText/knownMark``).
    case vouchedFor

    /// What is of one kind replaces, what is of different kinds combines.
    enum Kind: Hashable { case none, model, tryboot, edid, serial, gpio, hdmi, expression, unknown }

    var kind: Kind {
        switch self {
        case .all, .none: .none
        // The table of the model filters has both.
        case .model, .boardType: .model
        case .tryboot: .tryboot
        case .edid: .edid
        case .serial: .serial
        case .gpio: .gpio
        case .hdmi: .hdmi
        case .bootPartition, .variable: .expression
        case .vouchedFor: .unknown
        }
    }

    /// - Parameter name: what stands between the brackets.
    /// - Returns: nil for one that the documentation does not have.
    init?(_ name: String) {
        let text = name.trimmed.lowercased()
        if text == "all" {
            self = .all
        } else if text == "none" {
            self = .none
        } else if text == "tryboot" {
            self = .tryboot
        } else if Self.models.contains(text) {
            self = .model(text)
        } else if let type = text.remainder(behind: "board-type=").flatMap(number) {
            self = .boardType(type)
        } else if let monitor = text.remainder(behind: "edid="), !monitor.isEmpty {
            self = .edid(String(monitor))
        } else if text.hasPrefix("0x"), let serial = number(text) {
            self = .serial(serial)
        } else if let pin = text.remainder(behind: "gpio"), let gpio = Self.gpio(pin) {
            self = gpio
        } else if let port = text.remainder(behind: "hdmi:").flatMap({ UInt64($0) }) {
            self = .hdmi(port)
        } else if let partition = text.remainder(behind: "boot_partition=").flatMap(number) {
            self = .bootPartition(partition)
        } else if let variable = Self.variable(text) {
            self = .variable(variable)
        } else {
            return nil
        }
    }

    /// All that the documentation has, those of later and earlier boards too.
    static let models: Set<String> = [
        "pi0", "pi0w", "pi02", "pi1", "pi2", "pi3", "pi3+", "pi4", "pi400", "pi5", "pi500", "cm0", "cm1", "cm3", "cm3+",
        "cm4", "cm4s", "cm5",
    ]

    private static func gpio(_ text: Substring) -> FirmwareFilter? {
        let parts = text.split(separator: "=", omittingEmptySubsequences: false)
        guard parts.count == 2, parts[0].allSatisfy({ ("0"..."9").contains($0) }), let pin = Int(parts[0]),
            pins.contains(pin), ["0", "1"].contains(parts[1])
        else { return nil }
        return .gpio(pin, isHigh: parts[1] == "1")
    }

    /// The pins of a Pi 4's processor (BCM2711 ARM Peripherals, "General Purpose I/O": 58 lines).
    private static let pins = 0..<58

    /// The name of the boot variable that an expression compares.
    private static func variable(_ text: String) -> String? {
        guard let name = text.prefixMatch(of: /[a-z][a-z0-9_]*(?=[=&<>])/)?.output,
            text.dropFirst(name.count).wholeMatch(of: /[=<>&](0x[0-9a-f]+|[0-9]+)(=(0x[0-9a-f]+|[0-9]+))?/) != nil,
            variables.contains(String(name))
        else { return nil }
        return String(name)
    }

    /// The boot variables; `cust_otp0` and so on are the customer's rows of the one-time memory.
    private static let variables = Set(
        ["partition", "boot_partition", "boot_count", "boot_arg1", "bootvar0"] + (0..<8).map { "cust_otp\($0)" })

    /// What a board says to a filter.
    enum Answer: Sendable, Equatable {
        case yes
        /// Not as far as can be known here, and why.
        case notHere(String)
        /// On no boot of this board.
        case never
    }

    /// What can be known without the board: nothing is plugged in, it has no serial number, and a first boot is no try-out.
    func answer(on board: FirmwareBoard) -> Answer {
        switch self {
        case .all: .yes
        case .none: .never
        case .model(let model): board.models.contains(model) ? .yes : .never
        case .boardType(let type): board.type == type ? .yes : .never
        case .hdmi(let port): port < 2 ? .yes : .never
        case .bootPartition(let partition):
            partition == board.partition ? .yes : .notHere("the board boots from partition \(board.partition)")
        case .tryboot: .notHere("a first boot is no try-out")
        case .edid: .notHere("no monitor is connected")
        case .serial: .notHere("it is for the board with that serial number")
        case .gpio: .notHere("it depends on what is wired to the board")
        case .vouchedFor: .notHere("it is not known what it hangs on")
        case .variable(let name):
            Self.laterBoards.contains(name) ? .never : .notHere("it depends on the board's own value")
        }
    }

    /// Boot variables that config.txt has on a Pi 5 alone: a Pi 4 knows `partition` in the bootloader's own configuration, the others
    /// not at all (raspberrypi/documentation, pull requests 4037 and 4106).
    static let laterBoards: Set<String> = ["partition", "boot_count", "boot_arg1"]
}

/// The filters that a line of config.txt stands under.
struct FirmwareFilters: Sendable {
    struct Placed: Sendable {
        /// nil for one that is not known.
        var filter: FirmwareFilter?
        var text: String
        var place: FirmwarePlace
    }

    private(set) var inForce: [FirmwareFilter.Kind: Placed] = [:]

    /// A filter replaces the one of its own kind and is combined with those of the others; `[all]` ends them all.
    mutating func apply(_ filter: FirmwareFilter?, _ text: String, at place: FirmwarePlace) {
        if filter == .all {
            inForce = [:]
        } else {
            inForce[filter?.kind ?? .unknown] = Placed(filter: filter, text: text, place: place)
        }
    }

    /// Whether a board reads what stands under them.
    func hold(on board: FirmwareBoard) -> Bool {
        inForce.values.allSatisfy { $0.filter?.answer(on: board) == .yes }
    }

    /// Whether a board could read it on some boot: with a monitor, a wire, another partition.
    func mayHold(on board: FirmwareBoard) -> Bool { !inForce.values.contains { isRefused($0, by: board) } }

    private func isRefused(_ placed: Placed, by board: FirmwareBoard) -> Bool {
        placed.filter.map { $0.answer(on: board) == .never } ?? true
    }

    /// Those that none of the boards reads, in the order of their places.
    func refused(by boards: [FirmwareBoard]) -> [Placed] {
        inForce.values.filter { placed in boards.allSatisfy { isRefused(placed, by: $0) } }
            .sorted { $0.place < $1.place }
    }

    /// Whether the settings are put out of force on purpose.
    var areNone: Bool { inForce[.none] != nil }

    /// The HDMI port whose settings follow.
    var port: UInt64? {
        guard case .hdmi(let port) = inForce[.hdmi]?.filter else { return nil }
        return port
    }
}

/// A line of a file of the boot partition.
package struct FirmwarePlace: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// Its path in the boot partition, as config.txt's reader was given it or an `include` line names it.
    package var file: String
    /// Counted from 1.
    package var line: Int

    package var description: String { "\(file):\(line)" }
    package static func < (a: Self, b: Self) -> Bool { (a.file, a.line) < (b.file, b.line) }
}

/// A number as config.txt has them: decimal, or with 0x.
func number(_ text: some StringProtocol) -> UInt64? {
    guard text.first?.isNumber == true else { return nil }
    return text.lowercased().hasPrefix("0x") ? UInt64(text.dropFirst(2), radix: 16) : UInt64(text)
}

extension String {
    /// What stands behind a beginning; nil when the text begins otherwise.
    func remainder(behind start: String) -> Substring? { hasPrefix(start) ? dropFirst(start.count) : nil }
}
