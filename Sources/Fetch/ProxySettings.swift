/// The proxies that the caller's environment names: `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy`, the last
/// three in upper case too (an upper-case `HTTP_PROXY` is ignored, as curl does, since a CGI request can set it).
package struct ProxySettings: Sendable, Equatable {
    /// The variables that count, under their lower-case names; what an external program is given.
    package let environment: [String: String]

    /// - Parameter environment: the caller's whole environment.
    package init(environment: [String: String]) {
        var kept: [String: String] = [:]
        for name in ["http_proxy", "https_proxy", "all_proxy", "no_proxy"] {
            // A variable that is empty counts as unset, as it does for curl.
            let spellings = name == "http_proxy" ? [name] : [name, name.uppercased()]
            kept[name] = spellings.lazy.compactMap { environment[$0] }.first { !$0.isEmpty }
        }
        self.environment = kept
    }

    /// The proxy for a URL's scheme; empty for none.
    func proxy(forScheme scheme: Substring) -> String {
        environment["\(scheme)_proxy"] ?? environment["all_proxy"] ?? ""
    }

    /// The hosts that are reached directly.
    var exceptions: String { environment["no_proxy"] ?? "" }
}
