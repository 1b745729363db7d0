/*
 * Stand-in for Solo5's spt tender: it loads the guest into its own address space, gives up every system call but three
 * (seccomp(2), a filter that kills), and jumps to it. The guest makes its system calls itself, as Solo5's does.
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

static void ended(int signal) { _exit(128 + signal); }

#define allow(number) \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

static void confine(void)
{
    struct sock_filter rules[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_AARCH64, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        allow(SYS_write),
        allow(SYS_ppoll),
        allow(SYS_exit_group),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
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
    uint64_t entry = load_guest(options.kernel, memory, spt_base, options.memory);
    struct boot *boot = (struct boot *)(memory + boot_address);
    boot->memory = options.memory;
    boot->arguments = spt_base + boot_address + sizeof *boot;
    strcpy((char *)boot->arguments, options.arguments);
    __builtin___clear_cache(memory, memory + boot_address);
    signal(SIGTERM, ended);
    signal(SIGINT, ended);
    confine();
    uint64_t top = (spt_base + options.memory) & ~15ul;
    register uint64_t x0 asm("x0") = (uint64_t)boot;
    asm volatile("mov sp, %1\n  br %2" : : "r"(x0), "r"(top), "r"(entry) : "memory");
    __builtin_unreachable();
}
