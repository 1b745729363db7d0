import Kernel
import Layers
import Storage
import SystemPackage
import TestSupport
import Testing
import Tools

/// The overlay as it stands in the repository; its scripts' effect is seen when an image boots.
@Suite struct FirstBootTests {
    private let folder =
        repository
        .appending("overlays").appending("firstboot")

    @Test(arguments: ["usr/lib/piforge/grow-root", "usr/lib/piforge/make-host-keys"])
    func scriptsAreProgramsThatDashReads(path: EntryPath) async throws {
        let tree = try Tree([Layer(reading: folder, time: Timestamp(seconds: 0))])
        #expect(tree[path]?.attributes.mode == 0o755)
        let content = try #require(tree.content(path))
        try await ToolRunner().run(Judge.sh, ["-n"], input: ContentReader().bytes(of: content), place: "\(path)")
    }

    @Test func unitsAreWantedAndTheirProgramsAreThere() throws {
        let tree = try Tree([Layer(reading: folder, time: Timestamp(seconds: 0))])
        let units: EntryPath = "usr/lib/systemd/system"
        for path in tree.paths where path.name.elementsEqual("piforge-grow.service".utf8) {
            #expect(tree.resolve(path) == units.appending("piforge-grow.service"))
        }
        #expect(tree.resolve("usr/lib/systemd/system/ssh.service.wants/piforge-host-keys.service") != nil)
        #expect(tree.resolve("usr/lib/systemd/system/sysinit.target.wants/piforge-grow.service") != nil)
        for (unit, program) in [("piforge-grow", "grow-root"), ("piforge-host-keys", "make-host-keys")] {
            let content = try #require(tree.content(units.appending("\(unit).service")))
            let text = try ContentReader().text(of: content)
            #expect(text.contains("ExecStart=/usr/lib/piforge/\(program)\n"))
        }
    }
}
