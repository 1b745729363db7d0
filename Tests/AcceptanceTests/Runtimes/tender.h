/*
 * What the two stand-ins for Solo5's tenders share: the command line (solo5-hvt(1) and solo5-spt(1) take the same), the
 * guest's ELF file, and what a guest is handed.
 */
#ifndef TENDER_H
#define TENDER_H

#include <stddef.h>
#include <stdint.h>

/* What the guest is entered with, by address in its first register. */
struct boot {
    uint64_t memory; /* bytes, from the guest's own address 0 (hvt) or of its region (spt) */
    uint64_t arguments; /* the address of its command line, which ends with a zero byte */
};

struct options {
    size_t memory; /* bytes */
    const char *kernel;
    char arguments[1024]; /* joined with spaces */
    unsigned networks, disks;
};

/* The tender's name, for its messages. */
extern const char *tender;

_Noreturn void stop(const char *what, const char *subject);

/* Reads `[--mem=MIB] [--net:NAME=INTERFACE] [--net-mac:NAME=MAC] [--block:NAME=FILE] [--] KERNEL [ARGUMENTS]`. */
void read_options(struct options *options, int count, char **words);

/*
 * Copies the segments of a static arm64 ELF file (System V ABI, chapter 5) into memory that stands for the guest's
 * addresses from `base` on; gives the entry's address.
 */
uint64_t load_guest(const char *path, char *memory, uint64_t base, size_t size);

#endif
