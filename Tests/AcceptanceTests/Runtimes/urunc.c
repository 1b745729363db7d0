/*
 * Stand-in for urunc: an OCI runtime whose containers are unikernels under a Solo5 tender. Its command line is runc's, as
 * containerd's shim calls it: create, start, state, kill, delete, ps.
 *
 * A container's folder below --root holds `process` (number and start time of the tender's), `bundle`, `cgroup`, and until
 * it is started the pipe `exec.fifo`, at which the process waits.
 *
 * Sources: OCI runtime specification, runtime.md and config.md (POSIX-platform hooks); proc_pid_stat(5); cgroups(7).
 */
#include "bundle.h"
#include "json.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *log_path, *root = "/run/urunc", *bundle_path = ".", *pid_file, *id;
static bool forced;
static char *folder; /* the container's, below root */

void fail(const char *what, const char *subject)
{
    char *message = NULL;
    if (asprintf(&message, "%s%s%s", subject ? subject : "", subject ? ": " : "", what) < 0) exit(1);
    fprintf(stderr, "urunc: %s\n", message);
    FILE *log = log_path ? fopen(log_path, "ae") : NULL;
    if (log) {
        for (char *at = message; *at; at++)
            if ((unsigned char)*at < 0x20 || *at == '"' || *at == '\\') *at = '\'';
        fprintf(log, "{\"level\":\"error\",\"msg\":\"%s\"}\n", message);
        fclose(log);
    }
    exit(1);
}

static void write_text(const char *path, const char *words)
{
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    size_t length = strlen(words);
    if (file < 0 || write(file, words, length) != (ssize_t)length || close(file)) fail(strerror(errno), path);
}

static char *part(const char *name) { return text("%s/%s", folder, name); }

/* When a process began, in clock ticks since the boot; 0 when there is none, or it has ended. */
static unsigned long long begin_of(pid_t process)
{
    char *path = text("/proc/%d/stat", process), line[1024];
    FILE *file = fopen(path, "re");
    size_t length = file ? fread(line, 1, sizeof line - 1, file) : 0;
    if (file) fclose(file);
    line[length] = 0;
    free(path);
    /* The name, in parentheses, may hold anything; the state and 19 numbers follow before the one sought. */
    char *at = strrchr(line, ')');
    char state;
    unsigned long long start;
    if (!at || sscanf(at + 1, " %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %llu", &state,
            &start) != 2 || state == 'Z' || state == 'X')
        return 0;
    return start;
}

/* The container's process; 0 when it has ended. */
static pid_t process_of(void)
{
    int process;
    unsigned long long start;
    if (sscanf(read_whole(part("process"), 64), "%d %llu", &process, &start) != 2) fail("it is damaged", part("process"));
    return begin_of(process) == start ? process : 0;
}

static const char *status_of(pid_t process)
{
    return !process ? "stopped" : access(part("exec.fifo"), F_OK) ? "running" : "created";
}

static char *state_text(const char *status, pid_t process, const char *bundle)
{
    return text("{\"ociVersion\":\"1.0.2\",\"id\":\"%s\",\"status\":\"%s\",\"pid\":%d,\"bundle\":\"%s\"}\n", id, status,
        process, bundle);
}

/* Runs the bundle's hooks of one kind; each reads the container's state. */
static void run_hooks(const char *config, const char *kind, const char *state)
{
    char *path = text("hooks/%s", kind);
    for (const char *at = json_first(json_at(config, path)); at; at = json_next(at)) {
        char *words[most_arguments + 1] = {json_string(json_member(at, "path"))};
        int count = 0, ends[2], status;
        if (!words[0]) fail("a hook has no path", kind);
        char *program = words[0];
        for (const char *word = json_first(json_member(at, "args")); word && count < most_arguments; word = json_next(word))
            words[count++] = json_string(word);
        if (pipe2(ends, O_CLOEXEC)) fail(strerror(errno), "pipe");
        pid_t child = fork();
        if (!child) {
            dup2(ends[0], 0);
            execv(program, words);
            _exit(127);
        }
        close(ends[0]);
        if (child < 0 || write(ends[1], state, strlen(state)) < 0) fail(strerror(errno), program);
        close(ends[1]);
        if (waitpid(child, &status, 0) < 0 || status) fail("the hook failed", program);
    }
    free(path);
}

/* The container's process: waits to be started, then becomes the tender. */
static _Noreturn void become_tender(const struct bundle *bundle, int ready)
{
    char *words[most_arguments + 5], byte;
    long memory = bundle->memory ? bundle->memory >> 21 : 32; /* half of the limit, in MiB: the tender needs some */
    int count = 0;
    words[count++] = bundle->tender;
    words[count++] = text("--mem=%ld", memory < 2 ? 2 : memory > 1024 ? 1024 : memory);
    words[count++] = "--";
    words[count++] = bundle->unikernel;
    for (int i = 0; bundle->arguments[i]; i++) words[count++] = bundle->arguments[i];
    words[count] = NULL;
    setsid();
    /* The namespaces are set up by then; an end of file means that they were not. */
    if (read(ready, &byte, 1) != 1) _exit(1);
    int fifo = open(part("exec.fifo"), O_WRONLY | O_CLOEXEC);
    if (fifo < 0 || write(fifo, "x", 1) != 1) fail(strerror(errno), "exec.fifo");
    execve(bundle->tender, words, (char *[]){NULL});
    fail(strerror(errno), bundle->tender);
}

static void join_cgroup(const struct bundle *bundle, pid_t process)
{
    if (!bundle->cgroup) return;
    if (mkdir(bundle->cgroup, 0755) && errno != EEXIST) fail(strerror(errno), bundle->cgroup);
    if (bundle->memory > 0) write_text(text("%s/memory.max", bundle->cgroup), text("%ld", bundle->memory));
    write_text(text("%s/cgroup.procs", bundle->cgroup), text("%d", process));
    write_text(part("cgroup"), bundle->cgroup);
}

static void remove_folder(void)
{
    static const char *const names[] = {"exec.fifo", "process", "bundle", "cgroup"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) unlink(part(names[i]));
    if (rmdir(folder)) fail(strerror(errno), folder);
}

static void create(void)
{
    struct bundle bundle;
    int ends[2];
    char *whole = realpath(bundle_path, NULL);
    if (!whole) fail(strerror(errno), bundle_path);
    read_bundle(&bundle, whole);
    for (char *at = folder + 1; (at = strchr(at, '/')); *at++ = '/') {
        *at = 0;
        mkdir(folder, 0711);
    }
    if (mkdir(folder, 0711)) fail(errno == EEXIST ? "there is such a container" : strerror(errno), id);
    if (mkfifo(part("exec.fifo"), 0600) || pipe2(ends, O_CLOEXEC)) fail(strerror(errno), folder);
    long child = syscall(SYS_clone, (unsigned long)bundle.namespaces | SIGCHLD, 0, 0, 0, 0);
    if (!child) {
        close(ends[1]);
        become_tender(&bundle, ends[0]);
    }
    if (child < 0) fail(strerror(errno), "clone");
    close(ends[0]);
    pid_t process = (pid_t)child;
    write_text(part("process"), text("%d %llu", process, begin_of(process)));
    write_text(part("bundle"), whole);
    join_cgroup(&bundle, process);
    char *state = state_text("creating", process, whole);
    run_hooks(bundle.config, "prestart", state);
    run_hooks(bundle.config, "createRuntime", state);
    if (pid_file) write_text(pid_file, text("%d", process));
    if (write(ends[1], "x", 1) != 1) fail(strerror(errno), "the container's process");
}

static void start(void)
{
    pid_t process = process_of();
    if (strcmp(status_of(process), "created")) fail("the container is not in the state created", id);
    char *fifo = part("exec.fifo"), byte;
    /* A reader that does not wait for a writer: the process may have been killed. */
    struct pollfd waited = {.fd = open(fifo, O_RDONLY | O_NONBLOCK | O_CLOEXEC), .events = POLLIN};
    if (waited.fd < 0) fail(strerror(errno), fifo);
    for (int tries = 0; poll(&waited, 1, 100) < 1 || read(waited.fd, &byte, 1) != 1; tries++)
        if (tries > 600 || !process_of()) fail("the container's process has ended", id);
    unlink(fifo);
}

static int signal_of(const char *word)
{
    char *end;
    long number = strtol(word, &end, 10);
    if (end != word && !*end && number > 0 && number < NSIG) return (int)number;
    if (!strncmp(word, "SIG", 3)) word += 3;
    for (int i = 1; i < NSIG; i++)
        if (sigabbrev_np(i) && !strcmp(word, sigabbrev_np(i))) return i;
    fail("there is no such signal", word);
}

static void delete(void)
{
    if (access(folder, F_OK)) {
        if (forced) return;
        fail("there is no such container", id);
    }
    pid_t process = process_of();
    if (process && !forced) fail("the container has not ended", id);
    if (process) kill(process, SIGKILL);
    for (int tries = 0; process_of(); tries++) {
        if (tries == 100) fail("the container does not end", id);
        poll(NULL, 0, 100);
    }
    char *bundle = read_whole(part("bundle"), 4096), *config = text("%s/config.json", bundle);
    if (!access(config, R_OK)) run_hooks(read_whole(config, 1 << 20), "poststop", state_text("stopped", 0, bundle));
    if (!access(part("cgroup"), F_OK)) {
        char *group = read_whole(part("cgroup"), 4096);
        for (int tries = 0; rmdir(group) && errno == EBUSY && tries < 100; tries++) poll(NULL, 0, 100);
    }
    remove_folder();
}

int main(int count, char **words)
{
    const char *command = NULL, *plain[2] = {NULL, NULL};
    unsigned used = 0;
    for (int i = 1; i < count; i++) {
        static const struct {
            const char *name;
            const char **value;
        } valued[] = {{"--root", &root}, {"--log", &log_path}, {"--bundle", &bundle_path}, {"-b", &bundle_path},
            {"--pid-file", &pid_file}, {"--log-format", NULL}, {"--format", NULL}, {"--console-socket", NULL}};
        const char *word = words[i];
        size_t at = 0, kinds = sizeof valued / sizeof *valued;
        while (at < kinds && strcmp(word, valued[at].name)) at++;
        if (at < kinds) {
            if (++i == count) fail("a value is expected", word);
            if (valued[at].value) *valued[at].value = words[i];
        } else if (!strcmp(word, "--version") || !strcmp(word, "-v")) {
            return puts("urunc stand-in of piforge's tests") < 0;
        } else if (!strcmp(word, "--force")) {
            forced = true;
        } else if (*word != '-' && !command) {
            command = word;
        } else if (*word != '-' && used < 2) {
            plain[used++] = word;
        }
    }
    if (!command) fail("no command is named", NULL);
    id = plain[0];
    if (!id || !*id || *id == '.' || strchr(id, '/') || strlen(id) > 128) fail("no container is named", command);
    folder = text("%s/%s", root, id);
    if (!strcmp(command, "create")) return create(), 0;
    if (!strcmp(command, "delete")) return delete(), 0;
    if (access(folder, F_OK)) fail("container does not exist", id);
    pid_t process = process_of();
    if (!strcmp(command, "start")) {
        start();
    } else if (!strcmp(command, "state")) {
        fputs(state_text(status_of(process), process, read_whole(part("bundle"), 4096)), stdout);
    } else if (!strcmp(command, "kill")) {
        int number = signal_of(plain[1] ? plain[1] : "TERM");
        /* containerd's shim looks for these words. */
        if (!process || kill(process, number)) fail("process already finished", id);
    } else if (!strcmp(command, "ps")) {
        printf("[%d]\n", process);
    } else {
        fail("there is no such command", command);
    }
    return 0;
}
