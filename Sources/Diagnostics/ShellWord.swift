extension String {
    /// The text in single quotes, as one word of a line for a shell (POSIX.1-2024, Shell Command Language, 2.2.2).
    public var shellQuoted: String { "'\(replacing("'", with: "'\\''"))'" }
}
