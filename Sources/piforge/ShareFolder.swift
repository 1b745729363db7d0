import Foundation
import SystemPackage

/// The folder with the runtimes, fragments and overlays that come with piforge: what PIFORGE_SHARE names, else the first folder above
/// the program that has `recipes/runtimes` and `kernel-configs`, as its repository does; nil for none. Nothing of its path reaches
/// an output: recipes name what is in it by bare names.
var shareFolder: FilePath? {
    if let named = ProcessInfo.processInfo.environment["PIFORGE_SHARE"], !named.isEmpty { return absolute(named) }
    var folder = FilePath("/proc/self/exe")
    if let target = try? FileManager.default.destinationOfSymbolicLink(atPath: folder.string) {
        folder = FilePath(target)
    }
    while folder.removeLastComponent() {
        let parts = ["recipes/runtimes", "kernel-configs"]
        if parts.allSatisfy({ FileManager.default.fileExists(atPath: folder.pushing(FilePath($0)).string) }) {
            return folder
        }
    }
    return nil
}
