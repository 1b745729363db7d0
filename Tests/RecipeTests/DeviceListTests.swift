import Diagnostics
import Recipe
import SystemPackage
import TestSupport
import Testing

@Suite struct DeviceListTests {
    private let recipe = """
        name: x
        epoch: 2026-11-01
        base: {debian: trixie}
        packages: {install: [openssh-server, sudo]}
        accounts:
          users:
            - name: pi
              password: generate

        """

    private func load(_ device: DeviceList.Device, overrides: [String] = []) throws -> Recipe {
        try Recipe.parse(recipe, file: "x.yaml", folder: fixtures, overrides: overrides, device: device)
    }

    @Test func `each device has its own values, and the rest from the recipe`() throws {
        let list = try DeviceList.parse(
            """
            - name: node-1
              set:
                system.hostname: node-1
                accounts.users[0].password: {env: PW}
            - {name: node-2, set: {system.hostname: node-2, memory.limit: 1G}}
            - name: plain
            """, file: "devices.yaml")
        #expect(list.devices.map(\.name) == ["node-1", "node-2", "plain"])
        let recipes = try list.devices.map { try load($0, overrides: ["system.hostname=all", "disk.grow=false"]) }
        #expect(recipes.map(\.system.hostname) == ["node-1", "node-2", "all"])
        #expect(recipes.map(\.accounts.users[0].password) == [.environment("PW"), .generate, .generate])
        #expect(recipes.map(\.memory.limit) == [nil, .gibibytes(1), nil])
        #expect(recipes.allSatisfy { !$0.disk.grow && $0.name == "x" && $0.seed == "x" })
    }

    @Test(arguments: [
        (
            "devices: []",
            "d.yaml:1: not a list of devices\n  expected: lines of '- name: …'\n  found:    a mapping (key: value)"
        ),
        (
            "- set: {}",
            "d.yaml:1: a device has no name\n  expected: name: …, and set: {…}\n  found:    a mapping (key: value)"
        ),
        ("- {name: ../up}", "d.yaml:1: '../up' is not a device's name\n  expected: letters, digits, '.', '_' and '-'"),
        ("- {name: a}\n- {name: a}", "d.yaml:2: the device 'a' is there twice"),
        ("- {name: a, sets: {}}", "d.yaml:1: unknown key 'sets'. Did you mean 'set'?"),
        (
            "- {name: a, set: {a..b: 1}}",
            "d.yaml:1: 'a..b' is not a path of keys\n  expected: such as system.hostname or accounts.users[0].name"
        ),
        (
            "- {name: a, set: [x]}",
            "d.yaml:1: 'set' is not a mapping\n  expected: lines such as system.hostname: a"
        ),
    ])
    func `a mistake is named with its line`(text: String, message: String) {
        #expect(refusal { try DeviceList.parse(text, file: "d.yaml") } == message)
    }

    @Test func `a value that the recipe refuses is named in the list of devices`() throws {
        let list = try DeviceList.parse("- name: a\n  set:\n    system.hostname: no_host!\n", file: "d.yaml")
        #expect(
            refusal { try load(list.devices[0]) } == """
                d.yaml:3: system.hostname: 'no_host!' is not a host name
                  expected: a-z, 0-9 and '-' (RFC 1123), not '-' first or last; at most 63 characters between dots, 64 in all
                """)
    }
}
