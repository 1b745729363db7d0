/*
 * Stand-in for urunc: an OCI runtime whose containers are unikernels under a Solo5 tender. It behaves as urunc was seen to
 * do (docs/runtimes.md, "What was seen"), and is no more helpful: it has the commands create, start, kill and
 * delete; an image that is not a unikernel is handed to runc without a word; there is no control group, no capability is
 * dropped, and no `prestart` hook is run.
 *
 * A container's folder below --root holds `state.json`, `begun` (the start time of its process, for its number may be
 * another's by now) and, until it is started, the socket `init.sock`, at which the process waits.
 *
 * With -DURUNC_VERSION_8 it is urunc 0.8.0, which also reads plain text in /urunc.json; without, it is 0.7.0. With -DRUNNC it is
 * runnc, which was archived in 2023: it runs prestart hooks, makes a disk of the image with genisoimage, and refuses
 * --systemd-cgroup.
 *
 * Sources: OCI runtime specification, runtime.md; proc_pid_stat(5).
 */
#include "bundle.h"
#include "json.h"
#include "network.h"
#include "waiting.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef URUNC_VERSION_8
#define version "0.8.0"
#else
#define version "0.7.0"
#endif

#ifdef RUNNC
#define name_of_ours "runnc"
#else
#define name_of_ours "urunc"
#endif

/* Where the shim's stand-in has its link named `runc`, which leads back to us. */
#define shim_path "/run/urunc-stand-in:"

enum { largest_state = 1 << 20, tick = 100 /* milliseconds */, patience = 100 /* ticks */ };

static const char *log_path, *root = "/run/urunc", *bundle_path = ".", *pid_file, *console, *id;
static bool forced;
static char **command_line;
static char *folder; /* the container's, below root */
static bool being_made; /* by us: it goes when that fails */
static pid_t made;

static void remove_folder(void);

void fail(const char *what, const char *subject)
{
    char *message = NULL;
    if (asprintf(&message, "%s%s%s", subject ? subject : "", subject ? ": " : "", what) < 0) exit(1);
    if (failure_report >= 0) {
        /* The container's process: its standard error is the container's. */
        dprintf(failure_report, "-%s", message);
        exit(1);
    }
    fprintf(stderr, name_of_ours ": %s\n", message);
    int log = log_path ? open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644) : -1;
    char *quoted = json_quoted(message);
    if (log >= 0 && quoted) dprintf(log, "{\"level\":\"error\",\"msg\":%s}\n", quoted);
    if (made > 0) kill(made, SIGKILL);
    if (being_made) {
        being_made = false;
        remove_folder();
    }
    exit(1);
}

/* Writes a file whole or not at all. */
static void write_text(const char *path, const char *words)
{
    char *new = text("%s.new", path);
    int file = open(new, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    size_t length = strlen(words);
    if (file < 0 || write(file, words, length) != (ssize_t)length || close(file) || rename(new, path))
        fail(strerror(errno), path);
    free(new);
}

static char *part(const char *name) { return text("%s/%s", folder, name); }

static _Noreturn void become_runc(void)
{
    const char *path = getenv("PATH");
    if (path && !strncmp(path, shim_path, strlen(shim_path))) setenv("PATH", path + strlen(shim_path), 1);
    execvp("runc", command_line);
    fail(strerror(errno), "runc");
}

/* The container's state --------------------------------------------------------------------------------------------- */

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

struct state {
    pid_t process; /* 0 when it has ended */
    char *status, *bundle;
    char *annotations; /* an object of JSON */
};

/* Reads state.json. A container that has none, or one without a status, is runc's: its file is of the same name. */
static void read_state(struct state *state)
{
    char *words = read_whole(part("state.json"), largest_state);
    if (!words) become_runc();
    if (!json_valid(words)) fail("its state is damaged", id);
    words += strspn(words, " \t\r\n");
    if (!json_member(words, "status")) become_runc();
    char *begun = read_whole(part("begun"), 64);
    if (!begun) fail("its state is damaged", id);
    state->process = (pid_t)json_number(json_member(words, "pid"), 0);
    state->status = json_string(json_member(words, "status"));
    state->bundle = json_string(json_member(words, "bundle"));
    state->annotations = json_copy(json_member(words, "annotations"));
    if (!state->process || !state->status || !state->bundle || !state->annotations) fail("its state is damaged", id);
    if (begin_of(state->process) != strtoull(begun, NULL, 10)) state->process = 0;
}

static char *state_text(const struct state *state, const char *status)
{
    return text("{\"ociVersion\":\"1.0.2\",\"id\":%s,\"status\":\"%s\",\"pid\":%d,\"bundle\":%s,\"annotations\":%s}\n",
        json_quoted(id), status, state->process, json_quoted(state->bundle), state->annotations);
}

static void write_state(const struct state *state, const char *status)
{
    write_text(part("state.json"), state_text(state, status));
}

static void remove_folder(void)
{
    static const char *const names[] = {"init.sock", "begun", "begun.new", "state.json.new", "state.json"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) unlink(part(names[i]));
    if (rmdir(folder)) fail(strerror(errno), folder);
}

/* Commands ---------------------------------------------------------------------------------------------------------- */

/* The socket's address; its folder is the working folder, for the whole path may be too long. */
static const struct sockaddr_un meeting = {.sun_family = AF_UNIX, .sun_path = "init.sock"};

#ifdef RUNNC
/* The guest's disk: what is in the image. */
static void make_disk(const struct bundle *bundle)
{
    int status;
    char *disk = text("%s/rootfs.iso", bundle->folder);
    pid_t maker = fork();
    if (!maker) {
        execlp("genisoimage", "genisoimage", "-quiet", "-r", "-o", disk, bundle->rootfs, NULL);
        _exit(127);
    }
    if (maker < 0 || waitpid(maker, &status, 0) < 0 || status) fail("genisoimage could not make the disk", disk);
}
#endif

static void create(void)
{
    struct bundle bundle;
    char *whole = realpath(bundle_path, NULL);
    if (!whole) fail(strerror(errno), bundle_path);
    if (pid_file && *pid_file != '/') pid_file = text("%s/%s", get_current_dir_name(), pid_file);
    if (!read_bundle(&bundle, whole)) become_runc();
#ifdef RUNNC
    make_disk(&bundle);
#endif
    if (console) fail("a terminal is not supported", whole);
    for (char *at = folder + 1; (at = strchr(at, '/')); *at++ = '/') {
        *at = 0;
        mkdir(folder, 0711);
    }
    if (mkdir(folder, 0711)) fail(errno == EEXIST ? "there is such a container" : strerror(errno), id);
    being_made = true;
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), connection;
    if (listener < 0 || chdir(folder) || bind(listener, (const struct sockaddr *)&meeting, sizeof meeting)
        || listen(listener, 1) || chdir("/"))
        fail(strerror(errno), folder);
    struct state state = {.bundle = whole, .annotations = json_copy(json_member(bundle.config, "annotations"))};
    if (!state.annotations || *state.annotations != '{') state.annotations = "{}";
    state.process = made = make_waiting(&bundle, listener, &connection);
    await(connection, false);
    char *number = text("%d", state.process);
    write_text(part("begun"), text("%llu", begin_of(state.process)));
    write_state(&state, "creating");
    write_text(text("%s/init.pid", whole), number);
    char *words = state_text(&state, "creating");
#ifdef RUNNC
    run_hooks(bundle.config, "prestart", words);
#endif
    run_hooks(bundle.config, "createRuntime", words);
    send_state(connection, words);
    await(connection, false);
    write_state(&state, "created");
    if (pid_file) write_text(pid_file, number);
}

static void start(void)
{
    struct state state;
    read_state(&state);
    if (strcmp(state.status, "created") || !state.process) fail("the container is not in the state created", id);
    int connection = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connection < 0 || chdir(folder) || connect(connection, (const struct sockaddr *)&meeting, sizeof meeting)
        || chdir("/"))
        fail(strerror(errno), "the container's process");
    await(connection, true);
    write_state(&state, "running");
    unlink(part("init.sock"));
    char *config = read_config(state.bundle);
    if (config) run_hooks(config, "poststart", state_text(&state, "running"));
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

/* Sends a signal, and takes the tap away, whatever the signal is: a unikernel under one is not expected to go on. */
static void end_process(const struct state *state, int number)
{
    char *path = text("/proc/%d/ns/net", state->process);
    int namespace = open(path, O_RDONLY | O_CLOEXEC);
    /* containerd's shim looks for these words. */
    if (kill(state->process, number)) fail("container not running", id);
    if (namespace < 0) return;
    detach_tap(namespace);
    close(namespace);
}

static void send_signal(const char *word)
{
    struct state state;
    read_state(&state);
    int number = signal_of(word ? word : "TERM");
#ifndef URUNC_VERSION_8
    /* 0.7.0 ends the tender whatever the signal: `docker stop` sees 137. */
    if (number) number = SIGKILL;
#endif
    if (!state.process) fail("container not running", id);
    end_process(&state, number);
}

static void delete(void)
{
    struct state state;
    read_state(&state);
    if (state.process && !forced) fail("the container has not ended", id);
    if (state.process) end_process(&state, SIGKILL);
    for (int tries = 0; state.process; tries++, read_state(&state)) {
        if (tries == patience) fail("the container does not end", id);
        poll(NULL, 0, tick);
    }
    char *config = read_config(state.bundle);
    if (config) run_hooks(config, "poststop", state_text(&state, "stopped"));
    unlink(text("%s/init.pid", state.bundle));
    remove_folder();
}

/* The command line -------------------------------------------------------------------------------------------------- */

struct option {
    const char *command, *name; /* the command that takes it, NULL for before the command */
    const char **value; /* where its value goes; NULL when it is ignored */
    bool *given; /* for one without a value */
};

static bool help, tell_version, ignored;
static const char *unused;

static const struct option options[] = {{NULL, "--root", &root, NULL}, {NULL, "--log", &log_path, NULL},
    {NULL, "--log-format", &unused, NULL},
#ifndef RUNNC
    {NULL, "--systemd-cgroup", NULL, &ignored},
#endif
    {NULL, "--debug", NULL, &ignored},
    {NULL, "--version", NULL, &tell_version}, {NULL, "-v", NULL, &tell_version}, {NULL, "--help", NULL, &help},
    {NULL, "-h", NULL, &help}, {"create", "--bundle", &bundle_path, NULL}, {"create", "-b", &bundle_path, NULL},
    {"create", "--pid-file", &pid_file, NULL}, {"create", "--console-socket", &console, NULL},
    {"kill", "--all", NULL, &ignored}, {"kill", "-a", NULL, &ignored}, {"delete", "--force", NULL, &forced},
    {"delete", "-f", NULL, &forced}};

/* Reads the option at words[at]; gives where the next word is. */
static int read_option(int count, char **words, int at, const char *command)
{
    size_t length = strcspn(words[at], "=");
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        const struct option *option = &options[i];
        if (strlen(option->name) != length || strncmp(words[at], option->name, length)) continue;
        if (!option->command != !command || (command && strcmp(option->command, command))) continue;
        if (option->given) {
            *option->given = true;
            return at + 1;
        }
        if (words[at][length]) {
            *option->value = words[at] + length + 1;
            return at + 1;
        }
        if (at + 1 == count) fail("a value is expected", words[at]);
        *option->value = words[at + 1];
        return at + 2;
    }
    fail("flag provided but not defined", words[at]);
}

int main(int count, char **words)
{
    static const char *const commands[] = {"create", "start", "kill", "delete"};
    const char *command = NULL, *plain[2] = {NULL, NULL};
    unsigned used = 0, most = 1;
    command_line = words;
    for (int at = 1; at < count;) {
        if (*words[at] == '-') {
            at = read_option(count, words, at, command);
            continue;
        }
        if (command) {
            if (used == most) fail("one word too many", words[at]);
            plain[used++] = words[at++];
            continue;
        }
        command = words[at++];
        size_t i = 0;
        while (i < 4 && strcmp(command, commands[i])) i++;
        if (i == 4) {
            fprintf(stderr, "No help topic for '%s'\n", command);
            return 3;
        }
        if (!strcmp(command, "kill")) most = 2;
    }
    if (tell_version) return puts(name_of_ours " version " version " (stand-in of piforge's tests)") < 0;
    if (help || !command) return puts("urunc [--root FOLDER] [--log FILE] create | start | kill | delete ID") < 0;
    id = plain[0];
    if (!id || !*id || *id == '.' || strchr(id, '/') || strlen(id) > 128) fail("no container is named", command);
    folder = *root == '/' ? text("%s/%s", root, id) : text("%s/%s/%s", get_current_dir_name(), root, id);
    if (!strcmp(command, "create")) create();
    if (!strcmp(command, "start")) start();
    if (!strcmp(command, "kill")) send_signal(plain[1]);
    if (!strcmp(command, "delete")) delete();
    return 0;
}
