import Foundation

#if canImport(Glibc)
    import Glibc
#endif

/// The processes, this one left out, whose environment (proc(5), /proc/PID/environ) has an entry, byte for byte. Those of other
/// users cannot be read, and are not among them.
func processes(having entry: [UInt8]) -> [Int32] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
    return names.compactMap { Int32($0) }.filter { process in
        guard process != getpid(), let environment = FileManager.default.contents(atPath: "/proc/\(process)/environ")
        else { return false }
        return environment.split(separator: 0).contains { $0.elementsEqual(entry) }
    }
}

func signalKill(_ process: Int32) { _ = kill(process, SIGKILL) }
