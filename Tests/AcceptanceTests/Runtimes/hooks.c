/*
 * A bundle's hooks. Source: OCI runtime specification, config.md, "POSIX-platform Hooks".
 */
#include "bundle.h"
#include "json.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { most_hooks = 16, tick = 20 /* milliseconds */ };

struct hook {
    char *path;
    pid_t process;
    long timeout; /* milliseconds; 0 for none */
};

/* The strings of an array after those in `words`, with a NULL at the end. */
static void read_words(char **words, int count, const char *array)
{
    for (const char *at = json_first(array); at && count < most_arguments; at = json_next(at))
        if ((words[count] = json_string(at))) count++;
    words[count] = NULL;
}

static void begin(struct hook *hook, const char *value, const char *state)
{
    char *words[most_arguments + 1], *environment[most_arguments + 1];
    hook->path = json_string(json_member(value, "path"));
    if (!hook->path || *hook->path != '/') fail("a hook has no absolute path", hook->path);
    hook->timeout = 1000 * json_number(json_member(value, "timeout"), 0);
    read_words(words, 0, json_member(value, "args"));
#ifdef RUNNC
    if (!words[0]) words[1] = NULL;
    if (!words[0]) words[0] = hook->path;
#else
    words[0] = hook->path;
    if (!json_first(json_member(value, "args"))) words[1] = NULL;
#endif
    const char *given = json_first(json_member(value, "env"));
    read_words(environment, 0, json_member(value, "env"));

    int input = memfd_create("state", MFD_CLOEXEC);
    if (input < 0 || write(input, state, strlen(state)) < 0 || lseek(input, 0, SEEK_SET)) fail(strerror(errno), "memfd");
    hook->process = fork();
    if (hook->process < 0) fail(strerror(errno), "fork");
    if (!hook->process) {
        dup2(input, 0);
        execve(hook->path, words, given ? environment : environ);
        _exit(127);
    }
    close(input);
}

static void finish(const struct hook *hook)
{
    int status;
    pid_t ended;
    for (long waited = 0; !(ended = waitpid(hook->process, &status, WNOHANG)); waited += tick) {
        if (hook->timeout > 0 && waited >= hook->timeout) {
            kill(hook->process, SIGKILL);
            waitpid(hook->process, NULL, 0);
            fail("the hook did not end in time", hook->path);
        }
        poll(NULL, 0, tick);
    }
    if (ended < 0) fail(strerror(errno), "waitpid");
    if (status) fail(text("the hook failed with wait status 0x%x", (unsigned)status), hook->path);
}

void run_hooks(const char *config, const char *kind, const char *state)
{
    struct hook hooks[most_hooks];
    int count = 0;
    char *path = text("hooks/%s", kind);
    for (const char *at = json_first(json_at(config, path)); at; at = json_next(at)) {
        if (count == most_hooks) fail("too many hooks", kind);
        begin(&hooks[count++], at, state);
    }
    free(path);
    for (int i = 0; i < count; i++) finish(&hooks[i]);
}
