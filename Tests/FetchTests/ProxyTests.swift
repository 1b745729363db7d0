import Fetch
import Storage
import Testing

@Suite struct ProxyTests {
    /// curl(1), "ENVIRONMENT": lower case goes first, and `HTTP_PROXY` counts for nothing.
    @Test func theVariablesAreThoseThatCurlReads() {
        let cases: [([String: String], [String: String])] = [
            (["http_proxy": "a", "HTTP_PROXY": "b"], ["http_proxy": "a"]),
            (["HTTP_PROXY": "b"], [:]),
            (["https_proxy": "a", "HTTPS_PROXY": "b"], ["https_proxy": "a"]),
            (["https_proxy": "", "HTTPS_PROXY": "b"], ["https_proxy": "b"]),
            (["ALL_PROXY": "b", "NO_PROXY": "c", "PATH": "/bin"], ["all_proxy": "b", "no_proxy": "c"]),
            (["http_proxy": "", "no_proxy": ""], [:]),
        ]
        for (environment, kept) in cases { #expect(ProxySettings(environment: environment).environment == kept) }
    }

    /// Variables beside `PROXY`, which stands for the proxy's URL, and whether the proxy is gone through.
    static let table: [([String: String], Bool)] = [
        ([:], false),
        (["http_proxy": "PROXY"], true),
        (["HTTP_PROXY": "PROXY"], false),
        (["https_proxy": "PROXY"], false),
        (["all_proxy": "PROXY"], true),
        (["ALL_PROXY": "PROXY"], true),
        // The scheme's own goes first: nothing listens at this one.
        (["all_proxy": "http://127.0.0.1:1", "http_proxy": "PROXY"], true),
        (["http_proxy": "PROXY", "no_proxy": "127.0.0.1"], false),
        (["http_proxy": "PROXY", "NO_PROXY": "127.0.0.1"], false),
        (["http_proxy": "PROXY", "no_proxy": "example.org, 127.0.0.1"], false),
        (["http_proxy": "PROXY", "no_proxy": "127.0.0.0/8"], false),
        (["http_proxy": "PROXY", "no_proxy": "*"], false),
        (["http_proxy": "PROXY", "no_proxy": "10.0.0.0/8,example.org"], true),
        (["http_proxy": "PROXY", "no_proxy": "27.0.0.1"], true),
    ]

    @Test(arguments: table.indices) func theProxyIsGoneThroughWhereTheEnvironmentSaysSo(_ row: Int) async throws {
        let (variables, isProxied) = Self.table[row]
        let scratch = try Scratch()
        let answer: [RawServer.Action] = [.answer("200 OK", ["Content-Length: 15"], hello)]
        let proxy = try RawServer(answer)
        let direct = try RawServer(answer)
        let environment = variables.mapValues { $0.replacing("PROXY", with: proxy.base) }
        _ = try await scratch.downloader(environment: environment).fetch([request("\(direct.base)/a")])
        // A proxy is asked with the whole URL (RFC 9112, section 3.2.2).
        #expect(proxy.requests.map { $0.hasPrefix("GET \(direct.base)/a HTTP/1.1\r\n") } == (isProxied ? [true] : []))
        #expect(direct.requests.map { $0.hasPrefix("GET /a HTTP/1.1\r\n") } == (isProxied ? [] : [true]))
    }
}
