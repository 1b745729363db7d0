/*
 * What the two stand-ins for Solo5's tenders share: the command line (solo5-hvt(1) and solo5-spt(1) take the same), the
 * guest's ELF file, and what a guest is handed.
 */
#ifndef TENDER_H
#define TENDER_H

#include "guest.h"

#include <stddef.h>
#include <stdint.h>

struct options {
    size_t memory; /* bytes */
    const char *kernel;
    char arguments[1024]; /* joined with spaces */
    char network[32], interface[32], mac_of[32]; /* the names of a device, of its tap, and of the one that has `mac` */
    unsigned char mac[8];
};

/* The tender's name, for its messages. */
extern const char *tender;

_Noreturn void stop(const char *what, const char *subject);

/* Reads `[--mem=MIB] [--net:NAME=INTERFACE] [--net-mac:NAME=MAC] [--block:NAME=FILE] [--] KERNEL [ARGUMENTS]`. */
void read_options(struct options *options, int count, char **words);

/*
 * Copies the segments of a static arm64 ELF file (System V ABI, chapter 5) into memory that stands for the guest's
 * addresses from `base` on; gives the entry's address. Ends the tender unless the file declares a network device exactly
 * when the command line attaches one.
 */
uint64_t load_guest(const struct options *options, char *memory, uint64_t base);

/* Opens the tap of the command line (Linux, Documentation/networking/tuntap.rst); -1 when it names none. */
int attach_network(const struct options *options);

/* Writes what the guest is told into its memory. */
void write_boot(const struct options *options, char *memory, uint64_t base, int network);

#endif
