import Prove
import Storage
import Testing

@Suite struct RootCheckProofTests {
    @Test(arguments: [
        ("active success yes", "by systemd", true),
        ("inactive success no", "not checked: the kernel has mounted it writable", false),
        (
            "failed exit-code yes",
            "systemd-fsck-root.service: ActiveState=failed, ConditionResult=yes, Result=exit-code", false
        ),
    ])
    func systemdIsAskedWhereTheInitramfsDidNothing(state: String, seen: String, passed: Bool) async throws {
        let script = """
            set -- \(state)
            printf 'Result=%s\\nActiveState=%s\\nConditionResult=%s\\n' $2 $1 $3
            """
        let shell = try LocalShell(programs: ["systemctl": script], replacing: ["/run"])
        #expect(try await RootCheckProof.observe(on: shell) == Observation(seen, passed: passed))
        try createFolder(shell.folder.path.appending("run"))
        try createFolder(shell.folder.path.pushing("run/initramfs"))
        try writeAtomically(to: shell.folder.path.pushing("run/initramfs/fsck-root"), bytes: [])
        #expect(try await RootCheckProof.observe(on: shell) == Observation("by the initramfs", passed: true))
    }
}
