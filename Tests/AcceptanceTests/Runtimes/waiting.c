#include "waiting.h"

#include "network.h"
#include "json.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

int failure_report = -1;

void await(int connection, bool to_end)
{
    char said[1024];
    size_t used = 0;
    ssize_t got;
    while (used < sizeof said - 1 && (got = read(connection, said + used, sizeof said - 1 - used)) > 0) {
        used += (size_t)got;
        if (!to_end && said[0] == '+') return;
    }
    said[used] = 0;
    char *message = strchr(said, '-');
    if (message) fail(message + 1, NULL);
    if (said[0] != '+') fail("the container's process has ended", NULL);
}

void send_state(int connection, const char *state)
{
    size_t length = strlen(state);
    if (write(connection, &length, sizeof length) != sizeof length || write(connection, state, length) != (ssize_t)length)
        fail(strerror(errno), "the container's process");
}

static char *receive_state(int connection)
{
    size_t length, done = 0;
    /* The end comes without a state when `create` has failed: it has said why. */
    if (read(connection, &length, sizeof length) != sizeof length) _exit(1);
    char *state = calloc(1, length + 1);
    ssize_t got;
    while (state && done < length && (got = read(connection, state + done, length - done)) > 0) done += (size_t)got;
    if (!state || done < length) _exit(1);
    return state;
}

/* Mounts ----------------------------------------------------------------------------------------------------------- */

static int copy_of_mount(const char *path)
{
    int tree = (int)syscall(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    if (tree < 0) fail(strerror(errno), path);
    return tree;
}

/* Makes the folders that lead to `path`. */
static void make_way(const char *path)
{
    char *copy = strdup(path);
    for (char *at = copy + 1; (at = strchr(at, '/')); *at++ = '/') {
        *at = 0;
        if (mkdir(copy, 0755) && errno != EEXIST) fail(strerror(errno), copy);
    }
    free(copy);
}

static void put_mount(int tree, const char *path)
{
    if (syscall(SYS_move_mount, tree, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH)
        || mount(NULL, path, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL))
        fail(strerror(errno), path);
    close(tree);
}

/* Whether an ELF program asks for an interpreter (System V ABI, chapter 5), which loads libraries of the host's. */
static bool is_dynamic(const char *path)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    Elf64_Ehdr head;
    Elf64_Phdr segment;
    if (file < 0) fail(strerror(errno), path);
    if (read(file, &head, sizeof head) != sizeof head || memcmp(head.e_ident, ELFMAG, SELFMAG))
        fail("not an ELF file", path);
    bool found = false;
    for (unsigned i = 0; i < head.e_phnum && !found; i++) {
        if (pread(file, &segment, sizeof segment, (off_t)(head.e_phoff + i * sizeof segment)) != sizeof segment) break;
        found = segment.p_type == PT_INTERP;
    }
    close(file);
    return found;
}

/* A device as the host has it, and open to all: the tender may be an ordinary user's. */
static void make_device(const char *path, const struct stat *host)
{
    if (mknod(path, S_IFCHR | 0600, host->st_rdev) || chown(path, host->st_uid, host->st_gid)
        || chmod(path, (host->st_mode & 0777) | 0006))
        fail(strerror(errno), path);
}

/* Makes the container's root our own, with the tender and the few devices in it. */
static void change_root(const struct bundle *bundle, bool with_network)
{
    static const char *const libraries[] = {"/lib", "/usr/lib"};
    const char *devices[] = {"/dev/null", "/dev/urandom", with_network ? "/dev/net/tun" : NULL,
        strcmp(bundle->monitor, "hvt") ? NULL : "/dev/kvm"};
    enum { device_count = sizeof devices / sizeof *devices, library_count = sizeof libraries / sizeof *libraries };
    struct stat hosts[device_count];
    for (int i = 0; i < device_count; i++)
        if (devices[i] && stat(devices[i], &hosts[i])) fail(strerror(errno), devices[i]);
    int tender = copy_of_mount(bundle->tender), trees[library_count];
    bool dynamic = is_dynamic(bundle->tender);
    for (int i = 0; dynamic && i < library_count; i++) trees[i] = copy_of_mount(libraries[i]);

    if (mount(bundle->rootfs, bundle->rootfs, NULL, MS_BIND | MS_REC, NULL) || chdir(bundle->rootfs)
        || syscall(SYS_pivot_root, ".", ".") || umount2(".", MNT_DETACH) || chdir("/"))
        fail(strerror(errno), bundle->rootfs);
    umask(022);
    make_way(bundle->tender);
    int file = open(bundle->tender, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
    if (file < 0) fail(strerror(errno), bundle->tender);
    close(file);
    put_mount(tender, bundle->tender);
    for (int i = 0; dynamic && i < library_count; i++) {
        make_way(libraries[i]);
        if (mkdir(libraries[i], 0755) && errno != EEXIST) fail(strerror(errno), libraries[i]);
        put_mount(trees[i], libraries[i]);
    }
    if ((mkdir("/dev", 0755) && errno != EEXIST)
        || mount("tmpfs", "/dev", "tmpfs", MS_NOSUID | MS_STRICTATIME, "mode=755,size=65536k"))
        fail(strerror(errno), "/dev");
    for (int i = 0; i < device_count; i++) {
        if (!devices[i]) continue;
        make_way(devices[i]);
        make_device(devices[i], &hosts[i]);
    }
    if (bundle->read_only && mount(NULL, "/", NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL)) fail(strerror(errno), "/");
}

/* User and filter --------------------------------------------------------------------------------------------------- */

/* Nothing else is done about capabilities: as user 0 the tender keeps all of them. */
static void become_user(const struct bundle *bundle)
{
    if ((bundle->group_count && setgroups(bundle->group_count, bundle->groups)) || setgid(bundle->group)
        || setuid(bundle->user))
        fail(strerror(errno), "the container's user");
}

/* The calls that urunc allows to an hvt tender on arm64; all others end it with SIGSYS. */
static void filter_calls(void)
{
    static const unsigned allowed[] = {SYS_rt_sigaction, SYS_ioctl, SYS_pread64, SYS_mmap, SYS_recvmsg, SYS_openat,
        SYS_sendto, SYS_mprotect, SYS_write, SYS_epoll_ctl, SYS_epoll_create1, SYS_read, SYS_close, SYS_fstat, SYS_munmap,
        SYS_brk, SYS_execve, SYS_timerfd_create, SYS_lseek, SYS_personality, SYS_socket, SYS_bind, SYS_getsockname,
        SYS_exit, SYS_exit_group, SYS_getpid, SYS_tgkill, SYS_nanosleep, SYS_futex, SYS_epoll_pwait, SYS_rt_sigreturn,
        SYS_timerfd_settime, SYS_pwrite64, SYS_set_tid_address, SYS_set_robust_list, SYS_rseq, SYS_prlimit64, SYS_getrandom,
        SYS_faccessat, SYS_newfstatat};
    enum { count = sizeof allowed / sizeof *allowed };
    struct sock_filter rules[2 * count + 5], *rule = rules;
    *rule++ = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
    *rule++ = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_AARCH64, 1, 0);
    *rule++ = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP);
    *rule++ = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (int i = 0; i < count; i++) {
        *rule++ = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, allowed[i], 0, 1);
        *rule++ = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    }
    *rule++ = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP);
    struct sock_fprog program = {.len = (unsigned short)(rule - rules), .filter = rules};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
        fail(strerror(errno), "seccomp");
}

/* The process ------------------------------------------------------------------------------------------------------ */

static _Noreturn void become_tender(const char *folder, const char *state)
{
    struct bundle bundle;
    struct network network;
    char *words[most_arguments + 10];
    int count = 0;
    /* It is read again: it may have been edited since `create`. */
    if (!read_bundle(&bundle, folder)) fail("this is no longer a unikernel", folder);
    run_hooks(bundle.config, "startContainer", state);
    bool with_network = find_network(&network);
    if (with_network) attach_tap(&network, bundle.user, bundle.group);

    words[count++] = bundle.tender;
    words[count++] = text("--mem=%ld", bundle.memory);
    if (with_network) {
        words[count++] = "--net:service=" tap_name;
        words[count++] = text("--net-mac:service=%s", network.mac);
    }
    words[count++] = "--";
    words[count++] = bundle.binary;
    if (with_network) {
        words[count++] = text("--ipv4=%s/%d", network.address, network.prefix_length);
        words[count++] = text("--ipv4-gateway=%s", network.gateway);
    }
    for (int i = 0; bundle.arguments[i]; i++) words[count++] = bundle.arguments[i];
    words[count] = NULL;

    change_root(&bundle, with_network);
    become_user(&bundle);
    if (!strcmp(bundle.monitor, "hvt") && bundle.filtered) filter_calls();
    if (write(failure_report, "+", 1) != 1) _exit(1);
    execve(bundle.tender, words, environ);
    /* The filter, if there is one, allows no more than this. */
    char *message = strerror(errno);
    (void)!write(failure_report, "-the tender cannot be started: ", 31);
    (void)!write(failure_report, message, strlen(message));
    _exit(1);
}

static _Noreturn void wait_for_start(const struct bundle *bundle, int listener, int connection)
{
    failure_report = connection;
    setsid();
    for (size_t i = 0; i < bundle->joined_count; i++) {
        int file = open(bundle->joined[i].path, O_RDONLY | O_CLOEXEC);
        if (bundle->joined[i].flag == CLONE_NEWPID) continue;
        if (file < 0 || setns(file, bundle->joined[i].flag)) fail(strerror(errno), bundle->joined[i].path);
        close(file);
    }
    if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL)) fail(strerror(errno), "/");
    if (write(connection, "+", 1) != 1) _exit(1);
    char *state = receive_state(connection);
    run_hooks(bundle->config, "createContainer", state);
    if (write(connection, "+", 1) != 1) _exit(1);
    close(connection);
    failure_report = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (failure_report < 0) _exit(1);
    close(listener);
    become_tender(bundle->folder, state);
}

pid_t make_waiting(const struct bundle *bundle, int listener, int *connection)
{
    int ends[2];
    for (size_t i = 0; i < bundle->joined_count; i++) {
        if (bundle->joined[i].flag != CLONE_NEWPID) continue;
        int file = open(bundle->joined[i].path, O_RDONLY | O_CLOEXEC);
        if (file < 0 || setns(file, CLONE_NEWPID)) fail(strerror(errno), bundle->joined[i].path);
        close(file);
    }
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends)) fail(strerror(errno), "socketpair");
    long child = syscall(SYS_clone, (unsigned long)bundle->namespaces | SIGCHLD, 0, 0, 0, 0);
    if (child < 0) fail(strerror(errno), "clone");
    if (!child) {
        close(ends[0]);
        wait_for_start(bundle, listener, ends[1]);
    }
    close(ends[1]);
    *connection = ends[0];
    return (pid_t)child;
}
