import Diagnostics
import Steps
import TestSupport
import Testing

@Suite struct PasswordHashTests {
    @Test(arguments: [PasswordHash.Method.yescrypt, .sha512])
    func hashIsLibcryptsAndRepeatable(method: PasswordHash.Method) throws {
        let hash = try PasswordHash.make(password: "correct horse", user: "pi", seed: "s", method: method)
        #expect(hash.hasPrefix(method.rawValue))
        #expect(PasswordHash.verify(password: "correct horse", hash: hash))
        #expect(!PasswordHash.verify(password: "wrong horse", hash: hash))
        #expect(try PasswordHash.make(password: "correct horse", user: "pi", seed: "s", method: method) == hash)
    }

    @Test func usersAndImagesNeverShareASalt() throws {
        let hashes = try [("pi", "a"), ("pi", "b"), ("mo", "a")].map {
            try PasswordHash.make(password: "same", user: $0.0, seed: $0.1)
        }
        #expect(Set(hashes).count == 3)
    }

    @Test func emptyPasswordIsRefused() {
        let error = failure { try PasswordHash.make(password: "", user: "pi", seed: "s") }
        #expect(
            error?.description == """
                accounts: pi: the password cannot be hashed
                  expected: 1 to 512 bytes
                  found:    0 bytes
                """)
    }
}
