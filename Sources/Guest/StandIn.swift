/// A command that stands in for a real one while maintainer scripts run: it is found first on the PATH, and it is
/// never in the tree.
package struct StandIn: Sendable, Hashable {
    /// The command's name.
    package let command: String
    /// Why the real one must not, or need not, run.
    package let reason: String
    /// The shell script that runs instead.
    package let script: String

    private init(_ command: String, _ reason: String, script: String = "#!/bin/sh\nexit 0\n") {
        self.command = command
        self.reason = reason
        self.script = script
    }

    /// For depmod(8): does nothing.
    package static let depmod = StandIn("depmod", "the module indexes are made on the host")
    /// For update-initramfs(8): does nothing.
    package static let updateInitramfs = StandIn("update-initramfs", "the initramfs is made on the host")
    /// For ssh-keygen(1): does nothing for host keys, nor without a file; all else is the real one's.
    package static let sshKeygen = StandIn(
        "ssh-keygen", "host keys are each board's own; its first boot makes them", script: sshKeygenScript)
    /// For logger(1): reads all that it is given, and keeps it for the build's log.
    package static let logger = StandIn(
        "logger", "there is no log daemon; what is said stands in the build's log", script: loggerScript)
    /// For flash-kernel(8): does nothing.
    package static let flashKernel = StandIn(
        "flash-kernel", "the boot files are made on the host; on a machine that is no board it fails")
    /// For update-ca-certificates(8): does nothing. It is not among ``always``: it stands in only where the host can make the links.
    package static let updateCACertificates = StandIn(
        "update-ca-certificates", "/etc/ssl/certs is made on the host, from the same list")

    /// Those that stand in for every tree.
    package static let always = [depmod, updateInitramfs, sshKeygen, logger, flashKernel]

    /// logger(1). A writer that pipes into it must not be cut off, and its options must not be taken for the message. What it is given
    /// is kept in /run/piforge/logged, which the guest's init copies into the log.
    private static let loggerScript = """
        #!/bin/sh
        tag= echoes= file=
        while [ $# -gt 0 ]; do
            case $1 in
                -t | --tag) tag=$2; shift ;;
                --tag=*) tag=${1#*=} ;;
                -t*) tag=${1#-t} ;;
                -f | --file) file=$2; shift ;;
                --file=*) file=${1#*=} ;;
                -s | --stderr) echoes=yes ;;
                -p | --priority | -n | --server | -P | --port | -u | --socket | -S | --size | --msgid | --sd-id | --sd-param) shift ;;
                -V | --version) echo "logger from util-linux"; exit 0 ;;
                -h | --help) echo "Usage: logger [options] [<message>]"; exit 0 ;;
                --) shift; break ;;
                -?*) ;;
                *) break ;;
            esac
            shift
        done
        keep() {
            line="${tag:-$(id -un 2>/dev/null || echo root)}: $1"
            [ -z "$echoes" ] || echo "$line" >&2
            echo "${DPKG_MAINTSCRIPT_PACKAGE:+$DPKG_MAINTSCRIPT_PACKAGE: }logger: $line" 2>/dev/null >>/run/piforge/logged || :
        }
        if [ $# -gt 0 ]; then
            keep "$*"
            exit 0
        fi
        [ -z "$file" ] || exec <"$file" || exit 1
        while IFS= read -r text || [ -n "$text" ]; do keep "$text"; done
        exit 0

        """

    /// ssh-keygen(1) for the host keys of sshd, which nobody may make here. A key for anything else is the real one's affair.
    private static let sshKeygenScript = """
        #!/bin/sh
        file= all=
        for word; do
            case $previous in -*f) file=$word ;; esac
            case $word in -*A*) all=yes ;; -f?*) file=${word#-f} ;; esac
            previous=$word
        done
        case $all$file in
            yes | /etc/ssh/ssh_host_*) exit 0 ;;
            "") exit 0 ;;
        esac
        exec /usr/bin/ssh-keygen "$@"

        """
}
