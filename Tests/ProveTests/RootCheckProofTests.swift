import Prove
import Storage
import Testing

@Suite struct RootCheckProofTests {
    @Test(arguments: [
        ("active success yes", "by systemd", true),
        ("inactive success no", "not checked: the kernel has mounted it writable", false),
        (
            "failed exit-code yes",
            "systemd-fsck-root.service: ActiveState=failed, ConditionResult=yes, ConditionTimestampMonotonic=11766000, "
                + "Result=exit-code", false
        ),
    ])
    func systemdIsAskedWhereTheInitramfsDidNothing(state: String, seen: String, passed: Bool) async throws {
        let script = """
            set -- \(state)
            printf 'Result=%s\\nActiveState=%s\\nConditionResult=%s\\nConditionTimestampMonotonic=11766000\\n' $2 $1 $3
            """
        let shell = try LocalShell(programs: ["systemctl": script], replacing: ["/run"])
        #expect(try await RootCheckProof.observe(on: shell) == Observation(seen, passed: passed))
        try createFolder(shell.folder.path.appending("run"))
        try createFolder(shell.folder.path.pushing("run/initramfs"))
        try writeAtomically(to: shell.folder.path.pushing("run/initramfs/fsck-root"), bytes: [])
        #expect(try await RootCheckProof.observe(on: shell) == Observation("by the initramfs", passed: true))
    }

    /// Ubuntu 18.04.3's image has `LABEL=writable / ext4 defaults 0 0`.
    @Test(arguments: [
        ("LABEL=writable\t/\text4\tdefaults\t0 0", true), ("LABEL=writable / ext4 defaults", true),
        ("# / is elsewhere", true),
        ("LABEL=writable / ext4 defaults 0 1", false),
    ])
    func publishersTableMayAskForNone(table: String, isNotRun: Bool) async throws {
        let script = """
            printf 'Result=success\\nActiveState=inactive\\nConditionResult=no\\nConditionTimestampMonotonic=0\\n'
            """
        let shell = try LocalShell(programs: ["systemctl": script], replacing: ["/etc", "/run"])
        try createFolder(shell.folder.path.appending("etc"))
        try writeAtomically(to: shell.folder.path.pushing("etc/fstab"), bytes: Array("\(table)\n".utf8))
        let seen = try await RootCheckProof.observe(on: shell)
        #expect(
            seen
                == (isNotRun
                    ? Observation(notRun: "/etc/fstab asks for no check of the root")
                    : Observation("not checked: the kernel has mounted it writable", passed: false)))
    }
}
