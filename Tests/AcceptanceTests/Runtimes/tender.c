#include "tender.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { largest_guest = 16 << 20, most_segments = 16, most_sections = 64, most_memory = 4095 /* MiB */ };

void stop(const char *what, const char *subject)
{
    fprintf(stderr, "%s: %s%s%s\n", tender, what, subject ? ": " : "", subject ? subject : "");
    exit(1);
}

static bool begins(const char *word, const char *with) { return !strncmp(word, with, strlen(with)); }

/* Reads `NAME=VALUE` of a device; its value is at most as long as its name may be. */
static void read_device(const char *word, char name[32], char value[32])
{
    const char *equals = strchr(word, '=');
    if (!equals || equals == word || equals - word > 31 || !equals[1] || strlen(equals + 1) > 31)
        stop("malformed option", word);
    if (*name) stop("one device at most is supported", word);
    memcpy(name, word, (size_t)(equals - word));
    strcpy(value, equals + 1);
}

static void read_mac(struct options *options, const char *word)
{
    char value[32];
    unsigned byte[6];
    int end = 0;
    read_device(word, options->mac_of, value);
    if (sscanf(value, "%2x:%2x:%2x:%2x:%2x:%2x%n", byte, byte + 1, byte + 2, byte + 3, byte + 4, byte + 5, &end) != 6
        || value[end])
        stop("malformed MAC address", word);
    for (int i = 0; i < 6; i++) options->mac[i] = (unsigned char)byte[i];
}

void read_options(struct options *options, int count, char **words)
{
    memset(options, 0, sizeof *options);
    options->memory = 512 << 20;
    int at = 1;
    for (; at < count && begins(words[at], "--"); at++) {
        const char *word = words[at];
        if (!strcmp(word, "--")) {
            at++;
            break;
        }
        if (!strcmp(word, "--help")) {
            printf("%s [--mem=MIB] [--net:NAME=INTERFACE] [--net-mac:NAME=MAC] [--] KERNEL [ARGUMENTS]\n", tender);
            exit(0);
        }
        if (!strcmp(word, "--version")) {
            printf("%s v0.9.3 (stand-in of piforge's tests)\n", tender);
            exit(0);
        }
        if (begins(word, "--mem=")) {
            char *end;
            unsigned long number = strtoul(word + 6, &end, 10);
            if (*end || end == word + 6 || number < 2 || number > most_memory) stop("malformed or impossible amount", word);
            options->memory = number << 20;
        } else if (begins(word, "--net:")) {
            read_device(word + 6, options->network, options->interface);
        } else if (begins(word, "--net-mac:")) {
            read_mac(options, word + 10);
        } else if (begins(word, "--block:")) {
            /* No guest here declares one. */
            stop("resource not declared by the unikernel", word);
        } else {
            stop("unrecognized option", word);
        }
    }
    if (at == count) stop("no kernel is named", NULL);
    options->kernel = words[at++];
    size_t used = 0;
    for (; at < count; at++) {
        int length = snprintf(options->arguments + used, sizeof options->arguments - used, "%s%s", used ? " " : "",
            words[at]);
        used += (size_t)length;
        if (used >= sizeof options->arguments) stop("the guest's arguments are too long", NULL);
    }
    if (*options->mac_of && strcmp(options->mac_of, options->network)) stop("a MAC address for no device", options->mac_of);
    if (!*options->mac_of) {
        /*
         * A random one that is locally administered (IEEE 802, 8.2). The system call itself: the C library's function may
         * block signals around it, which urunc's filter ends the tender for.
         */
        if (syscall(SYS_getrandom, options->mac, 6, 0) != 6) stop("getrandom", strerror(errno));
        options->mac[0] = (unsigned char)((options->mac[0] & 0xfc) | 2);
    }
}

/* Whether an ELF file has a section of that name. */
static bool has_section(const char *bytes, size_t length, const Elf64_Ehdr *head, const char *name)
{
    Elf64_Shdr names, section;
    if (head->e_shnum > most_sections || head->e_shentsize != sizeof section || head->e_shoff > length
        || head->e_shnum * sizeof section > length - head->e_shoff || head->e_shstrndx >= head->e_shnum)
        return false;
    memcpy(&names, bytes + head->e_shoff + head->e_shstrndx * sizeof names, sizeof names);
    if (names.sh_offset > length || names.sh_size > length - names.sh_offset) return false;
    size_t size = strlen(name) + 1;
    for (unsigned i = 0; i < head->e_shnum; i++) {
        memcpy(&section, bytes + head->e_shoff + i * sizeof section, sizeof section);
        if (section.sh_name < names.sh_size && size <= names.sh_size - section.sh_name
            && !memcmp(bytes + names.sh_offset + section.sh_name, name, size))
            return true;
    }
    return false;
}

static void check_network(const struct options *options, bool declared)
{
    if (declared && !*options->network) stop("resource declared but not attached", network_name);
    if (*options->network && (!declared || strcmp(options->network, network_name)))
        stop("resource not declared by the unikernel", options->network);
}

uint64_t load_guest(const struct options *options, char *memory, uint64_t base)
{
    const char *path = options->kernel;
    size_t size = options->memory;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    if (file < 0 || fstat(file, &status)) stop(strerror(errno), path);
    if (!S_ISREG(status.st_mode) || status.st_size > largest_guest) stop("not a file of up to 16 MiB", path);
    size_t length = (size_t)status.st_size;
    char *bytes = malloc(length + 1);
    if (!bytes) stop("out of memory", NULL);
    for (size_t done = 0; done < length;) {
        ssize_t got = read(file, bytes + done, length - done);
        if (got <= 0) stop("cannot be read whole", path);
        done += (size_t)got;
    }
    close(file);

    Elf64_Ehdr head;
    if (length < sizeof head) stop("no ELF file", path);
    memcpy(&head, bytes, sizeof head);
    if (memcmp(head.e_ident, ELFMAG, SELFMAG) || head.e_ident[EI_CLASS] != ELFCLASS64 || head.e_type != ET_EXEC)
        stop("no static 64-bit ELF file", path);
    if (head.e_machine != EM_AARCH64) stop("not for arm64", path);
    if (head.e_phnum > most_segments || head.e_phentsize != sizeof(Elf64_Phdr) || head.e_phoff > length
        || head.e_phnum * sizeof(Elf64_Phdr) > length - head.e_phoff)
        stop("its program headers are damaged", path);
    for (unsigned i = 0; i < head.e_phnum; i++) {
        Elf64_Phdr segment;
        memcpy(&segment, bytes + head.e_phoff + i * sizeof segment, sizeof segment);
        if (segment.p_type != PT_LOAD) continue;
        uint64_t at = segment.p_vaddr - base;
        if (segment.p_offset > length || segment.p_filesz > length - segment.p_offset
            || segment.p_filesz > segment.p_memsz || segment.p_vaddr < base || at > size || segment.p_memsz > size - at)
            stop("a segment lies outside of the file or of the guest's memory", path);
        memcpy(memory + at, bytes + segment.p_offset, segment.p_filesz);
    }
    check_network(options, has_section(bytes, length, &head, network_section));
    free(bytes);
    if (head.e_entry < base || head.e_entry - base >= size) stop("the entry lies outside of the guest's memory", path);
    return head.e_entry;
}

int attach_network(const struct options *options)
{
    if (!*options->network) return -1;
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    if (strlen(options->interface) >= IFNAMSIZ) stop("malformed name of an interface", options->interface);
    strcpy(request.ifr_name, options->interface);
    int file = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (file < 0) stop("/dev/net/tun", strerror(errno));
    if (ioctl(file, TUNSETIFF, &request)) stop(options->interface, strerror(errno));
    return file;
}

void write_boot(const struct options *options, char *memory, uint64_t base, int network)
{
    struct boot boot = {
        .memory = options->memory, .arguments = base + boot_address + sizeof boot, .network = network};
    memcpy(boot.mac, options->mac, sizeof boot.mac);
    memcpy(memory + boot_address, &boot, sizeof boot);
    strcpy(memory + boot_address + sizeof boot, options->arguments);
}
