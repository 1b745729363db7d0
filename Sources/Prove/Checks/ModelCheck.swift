extension Check {
    /// The board's name, from the device tree that the firmware's part of the proof handed over.
    static let model = Check("model", expected: "Raspberry Pi 4 Model B") { system in
        let model = try await system.shell.run("tr -d '\\0' < /proc/device-tree/model", within: .command).firstLine
        return Observation(model, passed: model.hasPrefix("Raspberry Pi 4 Model B"))
    }
}
