import CLZMA
import Diagnostics

/// How an .xz file is made. The numbers come from the recipe; nothing here depends on the machine.
///
/// Every block is compressed with LZMA2, at the preset's settings; its dictionary is no larger than the block, since a
/// match never reaches into another block. The check is CRC64.
package struct XZSettings: Sendable, Hashable {
    /// What the bytes of a block go through before LZMA2.
    package enum Filter: String, Sendable, CaseIterable {
        /// Nothing: every xz unpacks it.
        case none
        /// The addresses in ARM64's branch instructions become absolute, so that calls of one function look alike (xz file format 1.2.0,
        /// section 5.3.2). It takes xz 5.4 (2022) to unpack. The dictionary is as large as the block.
        case arm64
    }

    /// Preset 6, as xz itself; blocks of 8 MiB.
    package static let standard = XZSettings(checkedPreset: 6, blockSize: 8 << 20, filter: .none)

    /// What the encoders of one writer may take together, in bytes.
    static let memoryBudget: UInt64 = 400 << 20

    /// 0 to 9, as `xz -0` to `xz -9`.
    package let preset: Int
    /// Uncompressed bytes in every block but the last: 64 KiB to 64 MiB, a multiple of 4096.
    package let blockSize: Int
    /// The same for every block.
    package let filter: Filter

    /// - Throws: `Failure` of kind usage when a number is out of range, or when one encoder alone would take more than 400 MiB; `Failure`
    ///   when this machine's liblzma lacks the filter.
    package init(preset: Int, blockSize: Int, filter: Filter = .none) throws {
        guard (0...9).contains(preset) else {
            throw Failure(.usage, at: "xz", "there is no such preset", expected: "0 to 9", found: "\(preset)")
        }
        guard (64 << 10...64 << 20).contains(blockSize), blockSize % 4096 == 0 else {
            throw Failure(
                .usage, at: "xz", "the block size is out of range", expected: "65536 to 67108864, a multiple of 4096",
                found: "\(blockSize)")
        }
        guard filter == .none || lzma_filter_encoder_is_supported(arm64FilterID) != 0 else {
            throw Failure(
                at: "xz", "liblzma has no ARM64 filter", expected: "liblzma 5.4.0 or later", found: liblzmaVersion(),
                next: "upgrade the package liblzma5, or set output.compression.filter to none")
        }
        self.init(checkedPreset: preset, blockSize: blockSize, filter: filter)
        let memory = workerMemory
        guard memory <= Self.memoryBudget else {
            throw Failure(
                .usage, at: "xz", "preset \(preset) with blocks of \(blockSize >> 20) MiB takes too much memory",
                expected: "at most \(Self.memoryBudget >> 20) MiB", found: "\(memory >> 20) MiB",
                next: "choose smaller blocks or a lower preset")
        }
    }

    private init(checkedPreset preset: Int, blockSize: Int, filter: Filter) {
        self.preset = preset
        self.blockSize = blockSize
        self.filter = filter
    }

    /// LZMA's options for these settings; liblzma's own preset, with the dictionary cut to the block.
    var options: lzma_options_lzma {
        var options = lzma_options_lzma()
        lzma_lzma_preset(&options, UInt32(preset))
        options.dict_size = filter == .none ? min(options.dict_size, UInt32(blockSize)) : UInt32(blockSize)
        return options
    }

    /// liblzma's filters in their order, with the end of the chain.
    ///
    /// - Parameter options: ``options``, in memory that outlives the chain.
    func chain(_ options: UnsafeMutablePointer<lzma_options_lzma>) -> [lzma_filter] {
        let first = filter == .none ? [] : [lzma_filter(id: arm64FilterID, options: nil)]
        return first + [
            lzma_filter(id: lzma2FilterID, options: options), lzma_filter(id: unknownSize, options: nil),
        ]
    }

    /// What one encoder takes, in bytes, with the block that it reads and the one that waits to be written.
    var workerMemory: UInt64 {
        var options = options
        let encoder = withUnsafeMutablePointer(to: &options) { lzma_raw_encoder_memusage(chain($0)) }
        return encoder + 3 * UInt64(blockSize)
    }

    /// How many encoders may run at once when `wanted` are asked for: as many as fit into 400 MiB, at least one.
    package func workers(wanted: Int) -> Int {
        max(1, min(wanted, Int(Self.memoryBudget / max(1, workerMemory))))
    }
}

/// LZMA2 in a filter chain (xz file format 1.2.0, section 5.3.1). The header's macro is a cast, which Swift does not import.
let lzma2FilterID: lzma_vli = 0x21

/// The branch filter for ARM64 (xz file format 1.2.0, section 5.3.2).
let arm64FilterID: lzma_vli = 0x0a

/// liblzma's LZMA_VLI_UNKNOWN: a size that is not known, and the end of a filter chain.
let unknownSize = lzma_vli.max

/// The version of liblzma that runs; its encoder's output may change between versions.
package func liblzmaVersion() -> String { String(cString: lzma_version_string()) }

/// What a result of liblzma means, in words for the `found` of a failure.
func words(for code: lzma_ret) -> String {
    switch code {
    case LZMA_NO_CHECK, LZMA_UNSUPPORTED_CHECK: "an unsupported check"
    case LZMA_MEM_ERROR: "no memory left"
    case LZMA_MEMLIMIT_ERROR: "it needs too much memory"
    case LZMA_FORMAT_ERROR: "not the .xz format"
    case LZMA_OPTIONS_ERROR: "unsupported options"
    case LZMA_DATA_ERROR: "damaged data"
    case LZMA_BUF_ERROR: "it ends too early"
    default: "liblzma's result \(code.rawValue)"
    }
}
