/*
 * What the stand-in for urunc takes from a bundle (OCI runtime specification, config.md), from the image's /urunc.json and
 * from its own configuration, and what its parts share.
 */
#ifndef BUNDLE_H
#define BUNDLE_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

enum { most_arguments = 64, most_groups = 64, most_namespaces = 8 };

struct bundle {
    char *config; /* the text of config.json */
    char *folder; /* an absolute path */
    char *rootfs; /* an absolute path */
    char *type; /* the unikernel's, such as "mirage" */
    char *monitor; /* "hvt" or "spt" */
    char *binary; /* the unikernel, a path in rootfs */
    char *tender; /* the monitor's program */
    char *arguments[most_arguments + 1]; /* the container's command, ending with NULL */
    long memory; /* the guest's, in MiB */
    uid_t user;
    gid_t group, groups[most_groups];
    size_t group_count;
    bool filtered; /* config.json has linux.seccomp */
    bool read_only; /* the root is */
    int namespaces; /* those to be made, as flags of clone(2) */
    struct {
        int flag;
        char *path;
    } joined[most_namespaces]; /* those to be joined */
    size_t joined_count;
};

/* Ends the program; the message goes to standard error, to the log that containerd reads, and to who waits for us. */
_Noreturn void fail(const char *what, const char *subject);

/* A text of `format`; ends the program when there is no memory. */
char *text(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A file's whole text, with a zero byte at its end; NULL when there is no such file. */
char *read_whole(const char *path, size_t limit);

/* The text of a bundle's config.json; NULL when it is missing or not JSON. */
char *read_config(const char *folder);

/* Reads and checks a bundle; false when its image is not a unikernel. */
bool read_bundle(struct bundle *bundle, const char *folder);

/*
 * Runs the bundle's hooks of one kind, all at the same time; each reads the container's state. A hook's first argument is
 * replaced with its path, as urunc does: a program that goes by argv[0] does not work as a hook.
 */
void run_hooks(const char *config, const char *kind, const char *state);

#endif
