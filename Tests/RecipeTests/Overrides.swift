import Diagnostics
import Recipe
import SystemPackage
import TestSupport
import Testing

@Suite struct Overrides {
    private let text = """
        name: x
        epoch: 2026-11-01
        base: {debian: trixie}
        packages: {install: [openssh-server, sudo]}
        accounts:
          users:
            - name: pi
              password: generate

        """

    private func load(_ overrides: [String]) throws -> Recipe {
        try Recipe.parse(text, file: "x.yaml", folder: fixtures, overrides: overrides)
    }

    @Test func `an override sets what the recipe has, and what it has not`() throws {
        let recipe = try load(
            [
                "name=y", "system.hostname=kitchen", "disk.grow=false", "memory.limit=1G",
                "packages.install=[openssh-server, sudo, less]",
                "accounts.users[0].name=ada", "accounts.users[0].password.env=PW",
                "accounts.users[1]={name: grace, password: generate}",
                "accounts.users[1].groups[0]=video", "output.compression.preset=0",
                "firmware.config[0]=dtparam=audio=on",
            ])
        #expect(recipe.name == "y")
        #expect(recipe.seed == "y")
        #expect(recipe.system.hostname == "kitchen")
        #expect(!recipe.disk.grow)
        #expect(recipe.memory.limit == .gibibytes(1))
        #expect(recipe.packages.install == ["openssh-server", "sudo", "less"])
        #expect(recipe.accounts.users.map(\.name) == ["ada", "grace"])
        #expect(recipe.accounts.users[0].password == .environment("PW"))
        #expect(recipe.accounts.users[1].groups == ["video"])
        #expect(recipe.output.compression.preset == 0)
        #expect(recipe.firmware.config == ["dtparam=audio=on"])
    }

    @Test func `the last override of a key wins`() throws {
        #expect(try load(["name=a", "name=b"]).name == "b")
    }

    @Test(arguments: [
        ("name", "--set name: there is no '=' in it\n  expected: --set key.key=value"),
        ("=x", "--set =x: '' is not a path of keys\n  expected: such as system.hostname or accounts.users[0].name"),
        (
            "a..b=x",
            "--set a..b=x: 'a..b' is not a path of keys\n  expected: such as system.hostname or accounts.users[0].name"
        ),
        (
            "a[x]=1",
            "--set a[x]=1: 'a[x]' is not a path of keys\n  expected: such as system.hostname or accounts.users[0].name"
        ),
        (
            "a[-1]=1",
            "--set a[-1]=1: 'a[-1]' is not a path of keys\n  expected: such as system.hostname or accounts.users[0].name"
        ),
        (
            "disk.grow=maybe",
            "--set disk.grow=maybe: disk.grow: not true or false\n  expected: true or false\n  found:    'maybe'"
        ),
        (
            "disk.grow=",
            """
            --set disk.grow=: disk.grow: has no value
              next:     write one ([] is an empty list), or leave the key out for its default
            """
        ),
        ("disk.grw=true", "--set disk.grw=true: disk.grw: unknown key 'grw'. Did you mean 'grow'?"),
        ("sistem.hostname=a", "--set sistem.hostname=a: sistem: unknown key 'sistem'. Did you mean 'system'?"),
        (
            "packages.install=[a",
            """
            --set packages.install=[a: the value is not YAML: did not find expected ',' or ']'
            """
        ),
        (
            "packages.install[5]=less",
            """
            --set packages.install[5]=less: the list has no item [5]
              expected: [0] to [2]; the last one adds an item
            """
        ),
        (
            "packages.install.x=less",
            "--set packages.install.x=less: 'x' is set in a list\n  expected: an index, such as [0].x"
        ),
        (
            "disk[0]=1",
            """
            --set disk[0]=1: disk: not a mapping
              expected: keys: boot_size, root_size, free_space, grow
              found:    a list
            """
        ),
        ("name[0]=1", "--set name[0]=1: [0] is set in something that is not a list"),
        (
            "packages.install=[sudo]",
            """
            x.yaml:1: system.ssh.enable: needs the package 'openssh-server'
              next:     add openssh-server to packages.install, or write system.ssh.enable: false
            """
        ),
        (
            "accounts.users[0].uid=99",
            """
            --set accounts.users[0].uid=99: accounts.users[0].uid: 99 is out of range
              expected: an integer from 1000 to 59999
            """
        ),
        ("name=*a", "--set name=*a: the value is not YAML: found undefined alias"),
    ])
    func `a wrong override is refused at its place`(override: String, expected: String) throws {
        #expect(refusal { _ = try load([override]) } == expected)
    }
}
