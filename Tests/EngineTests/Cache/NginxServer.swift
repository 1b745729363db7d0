import Foundation
import Storage
import SystemPackage
import Testing

#if canImport(Glibc)
    import Glibc
#endif

/// Debian's nginx with its DAV module, on a free loopback port, as docs/cache.md sets it up.
final class NginxServer {
    let folder: TemporaryFolder
    let port: UInt16
    private let child: Child

    var base: String { "http://127.0.0.1:\(port)" }
    var data: FilePath { folder.path.appending("data") }

    /// - Parameter protected: asks for the name `builder` and the password `s3cret`.
    init(protected: Bool = false, rules: String = "") throws {
        folder = try TemporaryFolder(in: "/tmp", name: "piforge-nginx")
        port = try Self.freePort()
        let root = folder.path
        for name in ["data", "tmp"] { try createFolder(root.appending(name)) }
        // {PLAIN} is nginx's own form (ngx_http_auth_basic_module).
        try writeAtomically(to: root.appending("htpasswd"), bytes: Array("builder:{PLAIN}s3cret\n".utf8))
        let guarded = protected ? "auth_basic piforge; auth_basic_user_file \(root)/htpasswd;" : ""
        let other = ["proxy", "fastcgi", "uwsgi", "scgi"].map { "\($0)_temp_path \(root)/tmp;" }.joined(separator: " ")
        let text = """
            \(getuid() == 0 ? "user root;" : "")
            daemon off; worker_processes 1; pid \(root)/pid; error_log \(root)/error.log;
            events {}
            http {
              access_log \(root)/access.log; client_body_temp_path \(root)/tmp; \(other)
              server {
                listen 127.0.0.1:\(port);
                root \(root)/data;
                location / { \(guarded) \(rules)
                  dav_methods PUT; create_full_put_path on; client_max_body_size 0; }
              }
            }
            """
        try writeAtomically(to: root.appending("nginx.conf"), bytes: Array(text.utf8))
        child = try Child(["/usr/sbin/nginx", "-p", root.string, "-c", "\(root)/nginx.conf", "-e", "\(root)/error.log"])
        for _ in 0..<500 where !Self.answers(port) { usleep(20_000) }
        #expect(
            Self.answers(port),
            "nginx: \((try? readFile(root.appending("error.log"))).map { String(decoding: $0, as: UTF8.self) } ?? "")")
    }

    deinit {
        child.process.terminate()
        child.process.waitUntilExit()
    }

    /// The requests so far: `GET /ac/… 404`.
    var requests: [String] {
        let text =
            (try? readFile(folder.path.appending("access.log"))).map { String(decoding: $0, as: UTF8.self) } ?? ""
        return text.split(separator: "\n").compactMap { line in
            let parts = line.split(separator: "\"")
            guard parts.count > 2 else { return nil }
            let request = parts[1].split(separator: " ").prefix(2).joined(separator: " ")
            return "\(request) \(parts[2].split(separator: " ").first ?? "")"
        }
    }

    func files(_ name: String) -> [FilePath] {
        fileNames(in: data.appending(name)).map { data.appending(name).appending($0) }
    }

    private static func freePort() throws -> UInt16 {
        let descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = loopback(0)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let bound = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                bind(descriptor, pointer, length) == 0 && getsockname(descriptor, pointer, &length) == 0
            }
        }
        try #require(bound)
        return UInt16(bigEndian: address.sin_port)
    }

    private static func answers(_ port: UInt16) -> Bool {
        let descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = loopback(port)
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }

    private static func loopback(_ port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        return address
    }
}
