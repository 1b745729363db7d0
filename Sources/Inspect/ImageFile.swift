import Disk
import Layers

/// A name in an image, and what it leads to.
package struct ImageFile: Sendable {
    enum Node: Sendable {
        case ext4(Ext4Entry)
        case fat(FATReader.Entry)
        /// A FAT's root folder, which has no entry.
        case fatRoot
    }

    /// Below the root of what was asked for.
    package var path: EntryPath
    /// The number of the partition it lies on.
    package var partition: Int
    let node: Node

    /// A FAT has folders and regular files only.
    package var kind: Ext4Entry.Kind {
        switch node {
        case .ext4(let entry): entry.kind
        case .fat(let entry): entry.isFolder ? .directory : .regular(size: entry.size)
        case .fatRoot: .directory
        }
    }

    /// Of a FAT, what Linux shows: modes 0755, 0644 and 0444, and all is root's.
    package var attributes: Attributes {
        switch node {
        case .ext4(let entry): entry.attributes
        case .fat(let entry):
            Attributes(mode: entry.isFolder ? 0o755 : entry.isReadOnly ? 0o444 : 0o644, mtime: entry.mtime)
        case .fatRoot: Attributes(mode: 0o755, mtime: Timestamp(seconds: 0))
        }
    }

    /// Of an ext4 as the inode has it; 1 on a FAT.
    package var linkCount: Int { if case .ext4(let entry) = node { entry.linkCount } else { 1 } }

    /// Bytes: of a file its content, of a link its target.
    package var size: UInt64 {
        switch kind {
        case .regular(let size): size
        case .symlink(let target): UInt64(target.count)
        default: 0
        }
    }

    /// `file`, `folder`, `link`, ….
    package var type: String {
        switch kind {
        case .regular: "file"
        case .directory: "folder"
        case .symlink: "link"
        case .characterDevice: "character device"
        case .blockDevice: "block device"
        case .fifo: "fifo"
        case .socket: "socket"
        }
    }

    /// `-rwxr-xr-x`, as ls(1) has it.
    package var modeText: String {
        let type =
            switch kind {
            case .regular: "-"
            case .directory: "d"
            case .symlink: "l"
            case .characterDevice: "c"
            case .blockDevice: "b"
            case .fifo: "p"
            case .socket: "s"
            }
        let mode = attributes.mode
        func triple(_ shift: UInt16, _ special: UInt16, _ letter: Character) -> String {
            let bits = mode >> shift
            let runs = bits & 1 != 0
            let last: Character =
                if mode & special != 0 {
                    runs ? letter : Character(letter.uppercased())
                } else { runs ? "x" : "-" }
            return (bits & 4 != 0 ? "r" : "-") + (bits & 2 != 0 ? "w" : "-") + String(last)
        }
        return type + triple(6, 0o4000, "s") + triple(3, 0o2000, "s") + triple(0, 0o1000, "t")
    }
}

/// `2025-11-05 13:00:00`, UTC.
///
/// - Parameter time: nanoseconds are left out.
package func utcText(_ time: Timestamp) -> String {
    let days = Int((Double(time.seconds) / 86400).rounded(.down))
    let second = Int(time.seconds) - days * 86400
    // Civil date of a day number: the proleptic Gregorian calendar in eras of 400 years that begin in March.
    let shifted = days + 719_468
    let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
    let ofEra = shifted - era * 146_097
    let yearOfEra = (ofEra - ofEra / 1460 + ofEra / 36524 - ofEra / 146_096) / 365
    let dayOfYear = ofEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let march = (5 * dayOfYear + 2) / 153
    let day = dayOfYear - (153 * march + 2) / 5 + 1
    let month = march < 10 ? march + 3 : march - 9
    let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    func two(_ number: Int) -> String { (number < 10 ? "0" : "") + String(number) }
    return "\(year)-\(two(month))-\(two(day)) \(two(second / 3600)):\(two(second / 60 % 60)):\(two(second % 60))"
}
