import CExt2FS
import Diagnostics
import Storage

/// libext2fs's way to a byte source: an I/O manager of which everything but reading is refused (e2fsprogs,
/// lib/ext2fs/ext2_io.h). It must outlive the handle that reads through it.
final class Ext4Channel {
    private let source: any ByteSource
    private let offset: UInt64
    /// What the source threw last: libext2fs has only numbers for errors.
    private var error: (any Error)?
    /// What `ext2fs_open2` takes.
    let manager: UnsafeMutablePointer<struct_io_manager>

    /// - Parameter offset: where the file system begins in the source, in bytes.
    init(_ source: any ByteSource, offset: UInt64) {
        self.source = source
        self.offset = min(offset, source.size)
        manager = .allocate(capacity: 1)
        manager.initialize(to: struct_io_manager())
        manager.pointee.magic = errcode_t(EXT2_ET_MAGIC_IO_MANAGER)
        manager.pointee.open = { name, _, result in
            guard let name, let result, let address = UInt(String(cString: name), radix: 16),
                let owner = UnsafeMutableRawPointer(bitPattern: address)
            else { return errcode_t(EXT2_ET_BAD_DEVICE_NAME) }
            let channel = UnsafeMutablePointer<struct_io_channel>.allocate(capacity: 1)
            channel.initialize(to: struct_io_channel())
            channel.pointee.magic = errcode_t(EXT2_ET_MAGIC_IO_CHANNEL)
            channel.pointee.manager = Unmanaged<Ext4Channel>.fromOpaque(owner).takeUnretainedValue().manager
            channel.pointee.block_size = 1024
            channel.pointee.refcount = 1
            channel.pointee.private_data = owner
            result.pointee = channel
            return 0
        }
        manager.pointee.close = { channel in
            guard let channel else { return 0 }
            channel.pointee.refcount -= 1
            if channel.pointee.refcount <= 0 {
                channel.deinitialize(count: 1)
                channel.deallocate()
            }
            return 0
        }
        manager.pointee.set_blksize = { channel, size in
            channel?.pointee.block_size = size
            return 0
        }
        manager.pointee.read_blk = { Ext4Channel.read($0, UInt64($1), $2, $3) }
        manager.pointee.read_blk64 = { Ext4Channel.read($0, $1, $2, $3) }
        manager.pointee.write_blk = { _, _, _, _ in errcode_t(EXT2_ET_RO_FILSYS) }
        manager.pointee.write_blk64 = { _, _, _, _ in errcode_t(EXT2_ET_RO_FILSYS) }
        manager.pointee.flush = { _ in 0 }
    }

    deinit {
        manager.deinitialize(count: 1)
        manager.deallocate()
    }

    /// The name under which the manager finds this object again: libext2fs hands nothing else on to it.
    var name: String { String(UInt(bitPattern: Unmanaged.passUnretained(self).toOpaque()), radix: 16) }

    /// What the source threw, once.
    func takeError() -> (any Error)? {
        defer { error = nil }
        return error
    }

    private static func read(
        _ channel: io_channel?, _ block: UInt64, _ count: Int32, _ data: UnsafeMutableRawPointer?
    ) -> errcode_t {
        guard let channel, let data, let owner = channel.pointee.private_data else {
            return errcode_t(EXT2_ET_MAGIC_IO_CHANNEL)
        }
        return Unmanaged<Ext4Channel>.fromOpaque(owner).takeUnretainedValue()
            .read(block, count, blockSize: UInt64(max(0, channel.pointee.block_size)), data)
    }

    /// - Parameter count: blocks; below zero, that many bytes.
    private func read(
        _ block: UInt64, _ count: Int32, blockSize: UInt64, _ data: UnsafeMutableRawPointer
    ) -> errcode_t {
        let length = count < 0 ? UInt64(count.magnitude) : UInt64(count) * blockSize
        let buffer = UnsafeMutableRawBufferPointer(start: data, count: Int(length))
        let (start, overflow) = block.multipliedReportingOverflow(by: blockSize)
        let room = source.size - offset
        guard !overflow, start <= room, length <= room - start else {
            buffer.initializeMemory(as: UInt8.self, repeating: 0)
            return errcode_t(EXT2_ET_SHORT_READ)
        }
        do {
            try source.read(at: offset + start, into: buffer)
            return 0
        } catch {
            self.error = error
            return errcode_t(EXT2_ET_SHORT_READ)
        }
    }
}
