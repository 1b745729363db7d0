extension Check {
    /// The root partition ends where the card does, and its file system fills it. Growth may still be going on when
    /// the login prompt comes: it is waited for.
    static func rootGrown(diskSize: UInt64) -> Check {
        Check("root file system", expected: "fills the \(diskSize >> 20) MiB card") { system in
            let script =
                "p=$(findmnt -no SOURCE /); d=/dev/$(lsblk -dno PKNAME $p); n=0; while :; do s=$(lsblk -bdno SIZE $p); "
                + "f=$(stat -fc '%b %S' /); set -- $f; [ $(($1*$2*100/s)) -ge 90 ] && [ $((s*2)) -gt $(lsblk -bdno SIZE $d) ]"
                + " && break; n=$((n+1)); [ $n -gt 30 ] && break; sleep 2; done; "
                + "echo $(cat /sys/class/block/${p##*/}/start) $s $(($1*$2)) $(lsblk -bdno SIZE $d)"
            let line = try await system.shell.run(script, within: .longCommand).firstLine
            let numbers = line.split(separator: " ").compactMap { UInt64($0) }
            guard numbers.count == 4 else { return Observation(line, passed: false) }
            let end = numbers[0] * 512 + numbers[1]
            let unused = numbers[3] >= end ? numbers[3] - end : 0
            return Observation(
                "partition of \(numbers[1] >> 20) MiB, file system of \(numbers[2] >> 20) MiB, \(unused >> 20) MiB left over",
                passed: unused <= 64 << 20 && numbers[2] >= numbers[1] / 10 * 9)
        }
    }
}
