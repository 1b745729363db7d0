/* What the stand-in for urunc takes from a bundle (OCI runtime specification, config.md) and from its own configuration. */
#ifndef BUNDLE_H
#define BUNDLE_H

#include <stdio.h>

enum { most_arguments = 64 };

struct bundle {
    char *config; /* the text of config.json */
    char *rootfs; /* a path */
    char *monitor; /* "hvt" or "spt" */
    char *tender; /* the monitor's program */
    char *unikernel; /* a path on the host, below rootfs */
    char *arguments[most_arguments + 1]; /* the container's command, ending with NULL */
    long memory; /* bytes that the container may use; 0 for no limit */
    char *cgroup; /* the path of its control group below /sys/fs/cgroup; NULL for none */
    int namespaces; /* those to be made, as flags of clone(2) */
};

/* Ends the program; the message also goes to the log that containerd reads. */
_Noreturn void fail(const char *what, const char *subject);

/* A text of `format`; ends the program when there is no memory. */
char *text(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A file's whole text, with a zero byte at its end. */
char *read_whole(const char *path, size_t limit);

/* Reads and checks a bundle. */
void read_bundle(struct bundle *bundle, const char *folder);

#endif
