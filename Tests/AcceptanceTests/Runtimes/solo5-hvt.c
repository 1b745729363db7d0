/*
 * Stand-in for Solo5's hvt tender: it makes a virtual machine through /dev/kvm, loads the guest into it and serves its
 * calls. A call is a 32-bit store of a guest address to a place where there is no memory (KVM_EXIT_MMIO), as Solo5 does
 * it; the calls themselves are of our own.
 *
 * Source: Linux, Documentation/virt/kvm/api.rst. Guest and tender see the same memory without cache maintenance: right
 * under emulation, where the tests run, not on every board.
 */
#include "guest.h"
#include "tender.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

const char *tender = "solo5-hvt";

static char *memory;
static size_t memory_size;
static int network, waiting; /* the tap, and the epoll that watches it */

static int control(const char *name, int file, unsigned long request, void *argument)
{
    int result = ioctl(file, request, argument);
    if (result < 0) stop(name, strerror(errno));
    return result;
}

static void ended(int signal)
{
    static const char text[] = "solo5-hvt: exiting on a signal\n";
    (void)!write(2, text, sizeof text - 1);
    _exit(128 + signal);
}

static void set(int processor, uint64_t id, uint64_t value)
{
    struct kvm_one_reg reg = {
        .id = KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE | id, .addr = (uint64_t)(uintptr_t)&value};
    control("KVM_SET_ONE_REG", processor, KVM_SET_ONE_REG, &reg);
}

/* The guest's memory at an address of its own; checked, for a guest is not trusted. */
static void *reach(uint64_t address, size_t length)
{
    if (address > memory_size || length > memory_size - address) stop("the guest names memory that it lacks", NULL);
    return memory + address;
}

static void serve(unsigned number, uint32_t address)
{
    struct call *call = reach(address, sizeof *call);
    switch (number) {
    case call_write: {
        const char *text = reach(call->first, call->second);
        for (size_t done = 0; done < call->second;) {
            ssize_t wrote = write(1, text + done, call->second - done);
            if (wrote <= 0) stop("standard output", strerror(errno));
            done += (size_t)wrote;
        }
        return;
    }
    case call_wait: {
        struct epoll_event event;
        if (epoll_wait(waiting, &event, 1, -1) < 0 && errno != EINTR) stop("epoll_wait", strerror(errno));
        return;
    }
    case call_net_read:
    case call_net_write: {
        void *frame = reach(call->first, call->second);
        if (network < 0) stop("the guest has no network device", NULL);
        ssize_t done = number == call_net_read ? read(network, frame, call->second)
                                               : write(network, frame, call->second);
        if (done < 0 && errno != EAGAIN && errno != EINTR) stop("the tap", strerror(errno));
        call->result = done > 0 ? (unsigned long)done : 0;
        return;
    }
    case call_halt: _exit((int)(call->first & 0xff));
    default: stop("the guest made a call that there is not", NULL);
    }
}

int main(int count, char **words)
{
    struct options options;
    read_options(&options, count, words);
    memory_size = options.memory;

    int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (kvm < 0) stop("/dev/kvm", strerror(errno));
    if (control("KVM_GET_API_VERSION", kvm, KVM_GET_API_VERSION, NULL) != 12) stop("an unknown KVM API", NULL);
    int machine = control("KVM_CREATE_VM", kvm, KVM_CREATE_VM, NULL);
    memory = mmap(NULL, memory_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) stop("the guest's memory", strerror(errno));
    uint64_t entry = load_guest(&options, memory, 0);
    network = attach_network(&options);
    waiting = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN};
    if (waiting < 0 || (network >= 0 && epoll_ctl(waiting, EPOLL_CTL_ADD, network, &event))) stop("epoll", strerror(errno));
    write_boot(&options, memory, 0, network < 0 ? -1 : 0);
    struct kvm_userspace_memory_region region = {
        .memory_size = memory_size, .userspace_addr = (uint64_t)(uintptr_t)memory};
    control("KVM_SET_USER_MEMORY_REGION", machine, KVM_SET_USER_MEMORY_REGION, &region);

    int processor = control("KVM_CREATE_VCPU", machine, KVM_CREATE_VCPU, NULL);
    struct kvm_vcpu_init target;
    control("KVM_ARM_PREFERRED_TARGET", machine, KVM_ARM_PREFERRED_TARGET, &target);
    control("KVM_ARM_VCPU_INIT", processor, KVM_ARM_VCPU_INIT, &target);
    set(processor, KVM_REG_ARM_CORE_REG(regs.pc), entry);
    set(processor, KVM_REG_ARM_CORE_REG(regs.regs[0]), boot_address);
    set(processor, KVM_REG_ARM_CORE_REG(sp_el1), memory_size & ~15ul);
    size_t size = (size_t)control("KVM_GET_VCPU_MMAP_SIZE", kvm, KVM_GET_VCPU_MMAP_SIZE, NULL);
    struct kvm_run *run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, processor, 0);
    if (run == MAP_FAILED) stop("the processor's state", strerror(errno));

    /* Process 1 of a container is not ended by signals that it does not take. */
    signal(SIGTERM, ended);
    signal(SIGINT, ended);
    for (;;) {
        if (ioctl(processor, KVM_RUN, 0) < 0 && errno != EINTR) stop("KVM_RUN", strerror(errno));
        uint64_t call = run->mmio.phys_addr - call_base;
        if (run->exit_reason != KVM_EXIT_MMIO || !run->mmio.is_write || run->mmio.len != 4 || call >= 8 * call_count)
            stop("the guest left its memory", NULL);
        uint32_t address;
        memcpy(&address, run->mmio.data, sizeof address);
        serve((unsigned)(call / 8), address);
    }
}
