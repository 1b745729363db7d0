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

/* RFC 4648, section 4; NULL for what is none. */
static char *decode(const char *base64)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *made = malloc(strlen(base64) + 1), *to = made;
    unsigned bits = 0, count = 0;
    if (!made) fail("out of memory", NULL);
    for (; *base64 && *base64 != '='; base64++) {
        const char *digit = strchr(digits, *base64);
        if (!digit) return NULL;
        bits = bits << 6 | (unsigned)(digit - digits);
        count += 6;
        if (count >= 8) *to++ = (char)(bits >> (count -= 8));
    }
    *to = 0;
    return made;
}

/* What the image says of its unikernel: as annotations, or in /urunc.json, in base64. */
static char *said(const struct bundle *bundle, const char *image, const char *name)
{
    char *key = text(prefix "%s", name);
    char *value = json_string(json_member(json_member(bundle->config, "annotations"), key));
    if (!value && image) {
        char *encoded = json_string(json_member(image, key));
        value = encoded ? decode(encoded) : NULL;
    }
    if (!value || !*value) fail("this is not a unikernel container: it lacks", key);
    free(key);
    return value;
}

/* `path` of `[monitors.NAME]` in urunc's configuration, one `key = "value"` a line. */
static char *tender_path(const char *monitor)
{
    char *wanted = text("[monitors.%s]", monitor), *found = NULL, *rest = read_whole(configuration, largest_config);
    int here = 0;
    for (char *line; !found && (line = strsep(&rest, "\n"));) {
        line += strspn(line, " \t");
        if (*line == '[') here = !strncmp(line, wanted, strlen(wanted));
        char *value = here && !strncmp(line, "path", 4) ? strchr(line, '"') : NULL;
        char *end = value ? strchr(value + 1, '"') : NULL;
        if (end) found = strndup(value + 1, (size_t)(end - value - 1));
    }
    if (!found) fail(configuration " has no path in", wanted);
    return found;
}

static void read_linux(struct bundle *bundle)
{
    static const struct {
        const char *name;
        int flag;
    } known[] = {{"pid", CLONE_NEWPID}, {"network", CLONE_NEWNET}, {"mount", CLONE_NEWNS}, {"ipc", CLONE_NEWIPC},
        {"uts", CLONE_NEWUTS}, {"cgroup", CLONE_NEWCGROUP}};
    const char *part = json_member(bundle->config, "linux");
    for (const char *at = json_first(json_member(part, "namespaces")); at; at = json_next(at)) {
        char *type = json_string(json_member(at, "type")), *path = json_string(json_member(at, "path"));
        for (size_t i = 0; type && i < sizeof known / sizeof *known; i++) {
            if (strcmp(type, known[i].name)) continue;
            if (!path) {
                bundle->namespaces |= known[i].flag;
            } else {
                int file = open(path, O_RDONLY | O_CLOEXEC);
                if (file < 0 || setns(file, known[i].flag)) fail(strerror(errno), path);
                close(file);
            }
        }
    }
    bundle->memory = json_number(json_at(part, "resources/memory/limit"), 0);
    char *path = json_string(json_member(part, "cgroupsPath"));
    if (!path || strstr(path, "..")) return;
    /* systemd's form is slice:prefix:name; the group is made here all the same. */
    char *slice = strsep(&path, ":"), *start = strsep(&path, ":");
    bundle->cgroup = path ? text("/sys/fs/cgroup/%s/%s-%s.scope", slice, start, path) : text("/sys/fs/cgroup/%s", slice);
}

void read_bundle(struct bundle *bundle, const char *folder)
{
    memset(bundle, 0, sizeof *bundle);
    char *path = text("%s/config.json", folder);
    bundle->config = read_whole(path, largest_config);
    if (!json_valid(bundle->config)) fail("it is not JSON", path);
    if (json_true(json_at(bundle->config, "process/terminal"))) fail("a unikernel here has no terminal", path);
    char *root = json_string(json_at(bundle->config, "root/path"));
    if (!root) fail("there is no root.path", path);
    bundle->rootfs = *root == '/' ? root : text("%s/%s", folder, root);
    int count = 0;
    for (const char *at = json_first(json_at(bundle->config, "process/args")); at; at = json_next(at)) {
        if (count == most_arguments) fail("too many arguments", path);
        if ((bundle->arguments[count] = json_string(at))) count++;
    }

    int file = open_inside(bundle->rootfs, "urunc.json");
    char *image = file < 0 ? NULL : read_open(file, "urunc.json", largest_config);
    if (image && !json_valid(image)) fail("it is not JSON", "urunc.json");
    bundle->monitor = said(bundle, image, "hypervisor");
    if (strcmp(bundle->monitor, "hvt") && strcmp(bundle->monitor, "spt")) fail("no such monitor", bundle->monitor);
    bundle->tender = tender_path(bundle->monitor);
    char *binary = said(bundle, image, "binary"), resolved[PATH_MAX];
    file = open_inside(bundle->rootfs, binary);
    if (file < 0) fail("the image lacks its unikernel", binary);
    char *link = text("/proc/self/fd/%d", file);
    ssize_t length = readlink(link, resolved, sizeof resolved - 1);
    if (length < 0) fail(strerror(errno), link);
    close(file);
    bundle->unikernel = strndup(resolved, (size_t)length);
    free(image);
    read_linux(bundle);
}
