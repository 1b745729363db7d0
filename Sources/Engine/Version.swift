/// The version that `piforge --version` prints and manifests record.
package let piforgeVersion = "0.1.0"
