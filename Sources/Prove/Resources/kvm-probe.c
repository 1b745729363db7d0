/*
 * The program that the proof runs on the booted system: static, freestanding, a few kilobytes.
 *
 *   kvm-probe         makes a virtual machine of one vCPU through /dev/kvm. Its guest sums 1 to 100, stores the sum
 *                     at an address where there is no memory (KVM_EXIT_MMIO), and powers itself off through PSCI
 *                     (KVM_EXIT_SYSTEM_EVENT). Prints "kvm-probe: guest computed 5050, powered off".
 *   kvm-probe hello   prints "hello from process N on MACHINE": the whole content of the proof's container image.
 *   kvm-probe fill    takes 64 MiB of memory, says how much it has at every 16, and gives it back.
 *   kvm-probe log     prints the kernel's log: the runtime's own kernel, where it brings one.
 *
 * Sources: Linux, Documentation/virt/kvm/api.rst (KVM_RUN, KVM_ARM_VCPU_INIT, KVM_SET_ONE_REG); Arm DEN0022, section 5
 * (PSCI SYSTEM_OFF).
 */
#include <asm/unistd.h>
#include <linux/fcntl.h>
#include <linux/kvm.h>
#include <linux/time.h>
#include <linux/utsname.h>
#include <stddef.h>

typedef unsigned long word;

/* The guest's memory: one page at this guest physical address; the address of the "device" has none behind it. */
enum { guest_memory = 0x10000, page = 0x10000, guest_device = 0x1000 };

asm(".section .rodata\n"
    ".balign 8\n"
    "guest_start:\n"
    "  mov x0, #0\n"
    "  mov x1, #100\n"
    "1: add x0, x0, x1\n"
    "  subs x1, x1, #1\n"
    "  b.ne 1b\n"
    "  mov x2, #0x1000\n"
    "  str w0, [x2]\n"
    "  movz w0, #0x0008\n" /* PSCI SYSTEM_OFF, 0x84000008 */
    "  movk w0, #0x8400, lsl #16\n"
    "  hvc #0\n"
    "  b .\n"
    "guest_end:\n"
    ".balign 8\n"
    "guest_size: .quad guest_end - guest_start\n"
    ".text\n"
    ".globl _start\n"
    "_start:\n"
    "  mov x0, sp\n"
    "  bl begin\n");

extern const char guest_start[];
extern const word guest_size;

static long call(long number, word a, word b, word c, word d, word e, word f)
{
    register word x8 asm("x8") = number;
    register word x0 asm("x0") = a;
    register word x1 asm("x1") = b;
    register word x2 asm("x2") = c;
    register word x3 asm("x3") = d;
    register word x4 asm("x4") = e;
    register word x5 asm("x5") = f;
    asm volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
    return x0;
}

static word length(const char *text)
{
    word count = 0;
    while (text[count]) count++;
    return count;
}

static void say(const char *text) { call(__NR_write, 1, (word)text, length(text), 0, 0, 0); }

static void say_number(word number)
{
    char digits[24];
    int at = sizeof digits - 1;
    digits[at] = 0;
    do digits[--at] = '0' + number % 10; while (number /= 10);
    say(digits + at);
}

static void leave(int status)
{
    for (;;) call(__NR_exit_group, status, 0, 0, 0, 0, 0);
}

static void stop(const char *what, word number)
{
    say("kvm-probe: ");
    say(what);
    say(" ");
    say_number(number);
    say("\n");
    leave(1);
}

/* Ends the program with the call's name and its errno when it failed. */
static word need(const char *what, long result)
{
    if (result < 0) stop(what, -result);
    return result;
}

static word control(const char *what, word file, word request, word argument)
{
    return need(what, call(__NR_ioctl, file, request, argument, 0, 0, 0));
}

static char *map(word size, word file, word flags)
{
    return (char *)need("mmap failed, errno", call(__NR_mmap, 0, size, 3 /* read, write */, flags, file, 0));
}

static void probe(void)
{
    /* A guest that never ends must not hold up the proof. */
    struct __kernel_old_itimerval minute = {.it_value = {.tv_sec = 60}};
    call(__NR_setitimer, ITIMER_REAL, (word)&minute, 0, 0, 0, 0);

    word kvm = need("/dev/kvm does not open, errno", call(__NR_openat, AT_FDCWD, (word) "/dev/kvm", O_RDWR, 0, 0, 0));
    word version = control("KVM_GET_API_VERSION failed, errno", kvm, KVM_GET_API_VERSION, 0);
    if (version != 12) stop("the KVM API version is not 12 but", version);
    word machine = control("KVM_CREATE_VM failed, errno", kvm, KVM_CREATE_VM, 0);

    char *memory = map(page, -1, 0x22 /* private, anonymous */);
    for (word i = 0; i < guest_size; i++) memory[i] = guest_start[i];
    struct kvm_userspace_memory_region region = {
        .guest_phys_addr = guest_memory, .memory_size = page, .userspace_addr = (word)memory};
    control("KVM_SET_USER_MEMORY_REGION failed, errno", machine, KVM_SET_USER_MEMORY_REGION, (word)&region);

    word processor = control("KVM_CREATE_VCPU failed, errno", machine, KVM_CREATE_VCPU, 0);
    struct kvm_vcpu_init target;
    control("KVM_ARM_PREFERRED_TARGET failed, errno", machine, KVM_ARM_PREFERRED_TARGET, (word)&target);
    target.features[0] |= 1 << KVM_ARM_VCPU_PSCI_0_2;
    control("KVM_ARM_VCPU_INIT failed, errno", processor, KVM_ARM_VCPU_INIT, (word)&target);
    __u64 entry = guest_memory;
    struct kvm_one_reg counter = {
        .id = KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE | KVM_REG_ARM_CORE_REG(regs.pc),
        .addr = (word)&entry};
    control("KVM_SET_ONE_REG failed, errno", processor, KVM_SET_ONE_REG, (word)&counter);
    word size = control("KVM_GET_VCPU_MMAP_SIZE failed, errno", kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
    struct kvm_run *run = (struct kvm_run *)map(size, processor, 1 /* shared */);

    control("KVM_RUN failed, errno", processor, KVM_RUN, 0);
    if (run->exit_reason != KVM_EXIT_MMIO) stop("the guest did not reach its device; exit reason", run->exit_reason);
    if (run->mmio.phys_addr != guest_device || !run->mmio.is_write || run->mmio.len != 4)
        stop("the guest wrote elsewhere, at", run->mmio.phys_addr);
    const __u8 *data = run->mmio.data;
    word sum = data[0] | data[1] << 8 | data[2] << 16 | (word)data[3] << 24;

    control("KVM_RUN failed, errno", processor, KVM_RUN, 0);
    if (run->exit_reason != KVM_EXIT_SYSTEM_EVENT || run->system_event.type != KVM_SYSTEM_EVENT_SHUTDOWN)
        stop("the guest did not power off; exit reason", run->exit_reason);
    say("kvm-probe: guest computed ");
    say_number(sum);
    say(", powered off\n");
    leave(0);
}

static void hello(void)
{
    struct new_utsname name;
    need("uname failed, errno", call(__NR_uname, (word)&name, 0, 0, 0, 0, 0));
    say("hello from process ");
    say_number(call(__NR_getpid, 0, 0, 0, 0, 0, 0));
    say(" on ");
    say(name.machine);
    say("\n");
    leave(0);
}

static void fill(void)
{
    enum { step = 4096, whole = 64 << 20 };
    volatile char *memory = map(whole, -1, 0x22 /* private, anonymous */);
    for (word at = 0; at < whole; at += step) {
        memory[at] = 1;
        if ((at + step) % (16 << 20)) continue;
        say_number((at + step) >> 20);
        say(" MiB\n");
    }
    leave(0);
}

static void log(void)
{
    static char text[65536];
    word size = need("syslog failed, errno", call(__NR_syslog, 3 /* read all */, (word)text, sizeof text, 0, 0, 0));
    call(__NR_write, 1, (word)text, size, 0, 0, 0);
    leave(0);
}

/* Entered with the stack pointer that the kernel set: the argument count, then the arguments. */
void begin(word *stack)
{
    if (stack[0] > 1 && *(char *)stack[2] == 'f') fill();
    if (stack[0] > 1 && *(char *)stack[2] == 'l') log();
    if (stack[0] > 1) hello();
    probe();
}
