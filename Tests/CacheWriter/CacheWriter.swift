import Digests
import Foundation
import Layers
import Storage
import SystemPackage

/// `CacheWriter FOLDER COUNT SIZE`: puts COUNT layers of SIZE bytes into a store, and says `ready` when it begins. The tests kill
/// it, or run two of them at once.
@main
enum CacheWriter {
    static func main() throws {
        let arguments = CommandLine.arguments
        guard arguments.count == 4, let count = Int(arguments[2]), let size = Int(arguments[3]) else { exit(2) }
        let store = try LayerStore(folder: FilePath(arguments[1]))
        FileHandle.standardOutput.write(Data("ready\n".utf8))
        for number in 0..<count {
            _ = try store.layer(.of("layer \(number)"), name: "\(number)") { writer in
                let attributes = Attributes(mode: 0o644, mtime: Timestamp(seconds: 0))
                for part in 0..<4 {
                    let path = try EntryPath(validating: "part-\(part)")
                    try writer.addFile(path, attributes) { sink in
                        let line = Array("layer \(number) part \(part)\n".utf8)
                        while sink.size < UInt64(size / 4) { try sink.write(line) }
                    }
                }
            }
        }
    }
}
