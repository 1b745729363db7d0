/*
 * Stand-in for Solo5's spt tender: it loads the guest into its own address space, gives up every system call but four
 * (seccomp(2), a filter that kills), and jumps to it. The guest makes its system calls itself, as Solo5's does: it writes
 * to standard output, and reads and writes the tap, if there is one; it can use no other file.
 *
 * Source: Linux, Documentation/userspace-api/seccomp_filter.rst.
 */
#include "guest.h"
#include "tender.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

const char *tender = "solo5-spt";

/* The guest's code lies in the first bytes of its memory. */
enum { most_code = 4 << 20 };

static void ended(int signal) { _exit(128 + signal); }

#define load(member) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, member))
#define unless(value, count) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)(value), 0, count)
#define allow BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define end BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)

/* `network` is -1 when there is no tap: no file has that number. The upper half of a file's number is ignored by Linux. */
static void confine(int network)
{
    struct sock_filter rules[] = {
        load(arch), unless(AUDIT_ARCH_AARCH64, 1), BPF_STMT(BPF_JMP | BPF_JA, 1), end, load(nr),
        unless(SYS_ppoll, 1), allow,
        unless(SYS_exit_group, 1), allow,
        unless(SYS_read, 4), load(args[0]), unless(network, 1), allow, end,
        unless(SYS_write, 6), load(args[0]), unless(1, 1), allow, unless(network, 1), allow, end,
        end,
    };
    struct sock_fprog program = {.len = sizeof rules / sizeof *rules, .filter = rules};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) stop("no_new_privs", strerror(errno));
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) stop("seccomp", strerror(errno));
}

int main(int count, char **words)
{
    struct options options;
    read_options(&options, count, words);
    char *memory = mmap((void *)spt_base, options.memory, PROT_READ | PROT_WRITE | PROT_EXEC,
        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
    if (memory != (char *)spt_base) stop("the guest's memory", strerror(errno));
    uint64_t entry = load_guest(&options, memory, spt_base);
    int network = attach_network(&options);
    write_boot(&options, memory, spt_base, network);
    __builtin___clear_cache(memory, memory + (options.memory < most_code ? options.memory : most_code));
    signal(SIGTERM, ended);
    signal(SIGINT, ended);
    confine(network);
    uint64_t top = (spt_base + options.memory) & ~15ul;
    register uint64_t x0 asm("x0") = spt_base + boot_address;
    asm volatile("mov sp, %1\n  br %2" : : "r"(x0), "r"(top), "r"(entry) : "memory");
    __builtin_unreachable();
}
