/// A stretch of a file system, in bytes from its beginning, that is one thing.
protocol DiskSpan {
    var range: Range<UInt64> { get }
}

/// The things of a file system in the order in which they lie on the disk.
struct SpanTable<Span: DiskSpan> {
    private let spans: [Span]

    init(_ spans: [Span]) { self.spans = spans.sorted { $0.range.lowerBound < $1.range.lowerBound } }

    func first(where matches: (Span) -> Bool) -> Span? { spans.first(where: matches) }

    /// The span that a place is in, and where it ends; where it is in none, where the next one begins.
    func span(at place: UInt64) -> (span: Span?, next: UInt64) {
        var low = 0
        var high = spans.count
        while low < high {
            let middle = (low + high) / 2
            if spans[middle].range.lowerBound <= place { low = middle + 1 } else { high = middle }
        }
        // Spans that start at the same place do so only where a file system is damaged.
        if low > 0, spans[low - 1].range.contains(place) { return (spans[low - 1], spans[low - 1].range.upperBound) }
        return (nil, low < spans.count ? spans[low].range.lowerBound : .max)
    }
}
