import Diagnostics
import Kernel
import TestSupport
import Testing

@Suite struct KernelConfigTests {
    @Test func everyKindOfValueIsRead() throws {
        let config = try KernelConfig(
            Array(
                """
                #
                # Automatically generated file; DO NOT EDIT.
                #
                CONFIG_KVM=y
                CONFIG_TUN=m
                CONFIG_CMDLINE="mem=1G \\"quoted\\" \\\\"
                CONFIG_LOG_BUF_SHIFT=17
                CONFIG_NEGATIVE=-1
                CONFIG_TEXT_OFFSET=0x80000
                # CONFIG_XEN is not set
                CONFIG_EMPTY=""

                """.utf8), at: "config")
        #expect(config["CONFIG_KVM"] == .yes)
        #expect(config["CONFIG_TUN"] == .module)
        #expect(config["CONFIG_CMDLINE"] == .text("mem=1G \"quoted\" \\"))
        #expect(config["CONFIG_LOG_BUF_SHIFT"] == .number("17"))
        #expect(config["CONFIG_NEGATIVE"] == .number("-1"))
        #expect(config["CONFIG_TEXT_OFFSET"] == .number("0x80000"))
        #expect(config["CONFIG_XEN"] == .notSet)
        #expect(config["CONFIG_NOT_THERE"] == .notSet)
        #expect(config["CONFIG_EMPTY"] == .text(""))
        #expect(config.count == 8)
    }

    private static let line = "this is not a line of a kernel configuration\n  expected: CONFIG_X=VALUE\n  found:    "

    @Test(arguments: [
        ("", "c: this is no kernel configuration: it has no option\n  expected: lines CONFIG_X=y"),
        ("CONFIG_A=y\nKVM=y", "c:2: \(line)KVM=y"), ("CONFIG_A", "c:1: \(line)CONFIG_A"),
        ("CONFIG_A=yes", "c:1: \(line)CONFIG_A=yes"), ("CONFIG_A=\"x", "c:1: \(line)CONFIG_A=\"x"),
        ("CONFIG_A=\"x\"y", "c:1: \(line)CONFIG_A=\"x\"y"), ("CONFIG_=y", "c:1: \(line)CONFIG_=y"),
        ("CONFIG_A=", "c:1: \(line)CONFIG_A="), (" CONFIG_A=y", "c:1: \(line) CONFIG_A=y"),
        ("CONFIG_A=y\n# CONFIG_A is not set", "c:2: CONFIG_A is there twice"),
    ])
    func badConfigurationIsRefused(text: String, message: String) {
        let failure = failure { try KernelConfig(Array(text.utf8), at: "c") }
        #expect(failure?.description == message)
    }

    @Test func sizeAndEncodingAreChecked() {
        let large = failure {
            try KernelConfig([UInt8](repeating: 0x23, count: KernelConfig.largest + 1), at: "c")
        }
        #expect(large?.message == "the kernel configuration is too large")
        let binary = failure { try KernelConfig([0xff, 0xfe], at: "c") }
        #expect(binary?.message == "the kernel configuration is not UTF-8 text")
    }
}
