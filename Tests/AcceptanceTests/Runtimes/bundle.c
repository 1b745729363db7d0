#include "bundle.h"

#include "json.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <limits.h>
#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define configuration "/etc/urunc/config.toml"
#define prefix "com.urunc.unikernel."
enum { largest_config = 1 << 20 };

char *text(const char *format, ...)
{
    char *made;
    va_list list;
    va_start(list, format);
    int length = vasprintf(&made, format, list);
    va_end(list);
    if (length < 0) fail("out of memory", NULL);
    return made;
}

static char *read_open(int file, const char *path, size_t limit)
{
    struct stat status;
    if (fstat(file, &status) || !S_ISREG(status.st_mode) || (size_t)status.st_size > limit)
        fail("not a file of the size expected", path);
    char *bytes = malloc((size_t)status.st_size + 1);
    if (!bytes) fail("out of memory", NULL);
    size_t done = 0;
    ssize_t got;
    while (done < (size_t)status.st_size && (got = read(file, bytes + done, (size_t)status.st_size - done)) > 0)
        done += (size_t)got;
    bytes[done] = 0;
    close(file);
    return bytes;
}

char *read_whole(const char *path, size_t limit)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0 && errno == ENOENT) return NULL;
    if (file < 0) fail(strerror(errno), path);
    return read_open(file, path, limit);
}

/* Opens a file of an image; no link of the image's leads out of it. -1 when there is none. */
static int open_inside(const char *rootfs, const char *path)
{
    int root = open(rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0) fail(strerror(errno), rootfs);
    struct open_how how = {.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK, .resolve = RESOLVE_IN_ROOT};
    int file = (int)syscall(SYS_openat2, root, path, &how, sizeof how);
    close(root);
    return file;
}

#ifdef RUNNC

/* runnc goes by the end of the container's command: `.nabla` runs under nabla-run, in the same bundle of hooks and namespaces. */
static bool is_unikernel(struct bundle *bundle)
{
    char *command = json_string(json_first(json_at(bundle->config, "process/args")));
    const char *end = command ? strrchr(command, '.') : NULL;
    if (!end || strcmp(end, ".nabla")) fail("the entrypoint is not a .nabla file", command);
    bundle->type = "mirage";
    bundle->monitor = "spt";
    bundle->binary = command;
    return true;
}

static char *setting(const char *monitor, const char *key)
{
    (void)monitor;
    return strcmp(key, "path") ? NULL : "/opt/runnc/bin/nabla-run";
}

#else

/* RFC 4648, section 4; NULL for what is not base64. */
static char *decode(const char *base64)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t length = strlen(base64), padding = 0;
    while (padding < 2 && padding < length && base64[length - 1 - padding] == '=') padding++;
    if (length % 4) return NULL;
    char *made = malloc(length + 1), *to = made;
    unsigned bits = 0, count = 0;
    if (!made) fail("out of memory", NULL);
    for (const char *at = base64; at < base64 + length - padding; at++) {
        const char *digit = strchr(digits, *at);
        if (!digit) return NULL;
        bits = bits << 6 | (unsigned)(digit - digits);
        count += 6;
        if (count >= 8) *to++ = (char)(bits >> (count -= 8));
    }
    *to = 0;
    return made;
}

/* A value of /urunc.json: base64, and from version 0.8 on also plain text. */
static char *image_value(const char *image, const char *key)
{
    char *value = json_string(json_member(image, key)), *decoded = value ? decode(value) : NULL;
#ifdef URUNC_VERSION_8
    return decoded ? decoded : value;
#else
    return decoded;
#endif
}

/* Finds what the unikernel is: in the annotations if all three values are there, or else in the image's /urunc.json. */
static bool is_unikernel(struct bundle *bundle)
{
    static const char *const names[] = {prefix "unikernelType", prefix "hypervisor", prefix "binary"};
    char **const values[] = {&bundle->type, &bundle->monitor, &bundle->binary};
    const char *annotations = json_member(bundle->config, "annotations");
    int found = 0;
    for (int i = 0; i < 3; i++) found += (*values[i] = json_string(json_member(annotations, names[i]))) && **values[i];
    if (found == 3) return true;

    int file = open_inside(bundle->rootfs, "urunc.json");
    char *image = file < 0 ? NULL : read_open(file, "urunc.json", largest_config);
    if (!image || !json_valid(image)) return false;
    found = 0;
    image += strspn(image, " \t\r\n");
    for (int i = 0; i < 3; i++) found += (*values[i] = image_value(image, names[i])) && **values[i];
    return found == 3;
}

/* A monitor's section of urunc's configuration: `[monitors.NAME]`, then lines of `key = value`; values may be quoted. */
static char *setting(const char *monitor, const char *key)
{
    char *wanted = text("[monitors.%s]", monitor), *found = NULL, *rest = read_whole(configuration, largest_config);
    int here = 0;
    for (char *line; !found && (line = strsep(&rest, "\n"));) {
        line += strspn(line, " \t");
        if (*line == '[') here = !strncmp(line, wanted, strlen(wanted));
        size_t length = strcspn(line, " \t=");
        if (!here || length != strlen(key) || strncmp(line, key, length)) continue;
        line += length + strspn(line + length, " \t=\"");
        found = strndup(line, strcspn(line, "\"#\r"));
    }
    free(wanted);
    return found;
}

#endif

static void read_namespaces(struct bundle *bundle, const char *list)
{
    static const struct {
        const char *name;
        int flag;
    } known[] = {{"pid", CLONE_NEWPID}, {"network", CLONE_NEWNET}, {"mount", CLONE_NEWNS}, {"ipc", CLONE_NEWIPC},
        {"uts", CLONE_NEWUTS}, {"cgroup", CLONE_NEWCGROUP}};
    for (const char *at = json_first(list); at; at = json_next(at)) {
        char *type = json_string(json_member(at, "type")), *path = json_string(json_member(at, "path"));
        size_t i = 0, count = sizeof known / sizeof *known;
        while (i < count && (!type || strcmp(type, known[i].name))) i++;
        if (i == count) fail("a namespace of this type is not supported", type);
        if (!path || !*path) {
            bundle->namespaces |= known[i].flag;
        } else {
            if (bundle->joined_count == most_namespaces) fail("too many namespaces", path);
            bundle->joined[bundle->joined_count].flag = known[i].flag;
            bundle->joined[bundle->joined_count++].path = path;
        }
    }
    if (!(bundle->namespaces & CLONE_NEWNS)) fail("a mount namespace of its own is expected", bundle->folder);
}

static void read_process(struct bundle *bundle, const char *process)
{
    /* The real one supports a terminal through --console-socket; nothing in the tests has one, so that it is refused. */
    if (json_true(json_member(process, "terminal"))) fail("a terminal is not supported", bundle->folder);
    size_t count = 0;
    const char *at = json_first(json_member(process, "args"));
#ifdef RUNNC
    at = at ? json_next(at) : NULL; /* the first is the unikernel */
#endif
    for (; at; at = json_next(at)) {
        if (count == most_arguments) fail("too many arguments", bundle->folder);
        if ((bundle->arguments[count] = json_string(at))) count++;
    }
    bundle->user = (uid_t)json_number(json_at(process, "user/uid"), 0);
    bundle->group = (gid_t)json_number(json_at(process, "user/gid"), 0);
    for (at = json_first(json_at(process, "user/additionalGids")); at; at = json_next(at)) {
        if (bundle->group_count == most_groups) fail("too many groups", bundle->folder);
        bundle->groups[bundle->group_count++] = (gid_t)json_number(at, 0);
    }
}

/* The guest's memory in MiB. A limit in bytes is divided by 1,000,000 and taken for MiB, as urunc does. */
static long memory_of(const struct bundle *bundle)
{
    long limit = json_number(json_at(bundle->config, "linux/resources/memory/limit"), 0);
    if (limit > 0) return limit / 1000000;
    char *preset = setting(bundle->monitor, "default_memory_mb");
    long number = preset ? strtol(preset, NULL, 10) : 0;
    return number > 0 ? number : 256;
}

char *read_config(const char *folder)
{
    char *path = text("%s/config.json", folder), *config = read_whole(path, largest_config);
    free(path);
    if (!config || !json_valid(config)) return NULL;
    return config + strspn(config, " \t\r\n");
}

bool read_bundle(struct bundle *bundle, const char *folder)
{
    memset(bundle, 0, sizeof *bundle);
    bundle->folder = strdup(folder);
    if (!(bundle->config = read_config(folder))) fail("config.json is missing or not JSON", folder);
    char *root = json_string(json_at(bundle->config, "root/path"));
    if (!root) fail("config.json has no root.path", folder);
    bundle->rootfs = *root == '/' ? root : text("%s/%s", folder, root);
    if (!is_unikernel(bundle)) return false;

    if (strcmp(bundle->monitor, "hvt") && strcmp(bundle->monitor, "spt")) fail("unknown monitor", bundle->monitor);
    if (strcmp(bundle->type, "mirage")) fail("this type of unikernel is not supported", bundle->type);
    bundle->tender = setting(bundle->monitor, "path");
    if (!bundle->tender || *bundle->tender != '/')
        fail(configuration " has no absolute path of the monitor", bundle->monitor);
    int file = open_inside(bundle->rootfs, bundle->binary);
    if (file < 0) fail("the image lacks its unikernel", bundle->binary);
    close(file);
    if (*bundle->binary != '/') bundle->binary = text("/%s", bundle->binary);
    read_process(bundle, json_member(bundle->config, "process"));
    read_namespaces(bundle, json_at(bundle->config, "linux/namespaces"));
    bundle->memory = memory_of(bundle);
    const char *profile = json_at(bundle->config, "linux/seccomp");
    bundle->filtered = profile && *profile == '{';
    bundle->read_only = json_true(json_at(bundle->config, "root/readonly"));
    return true;
}
