/// The version that `piforge --version` prints and manifests record.
public let piforgeVersion = "0.1.0"
