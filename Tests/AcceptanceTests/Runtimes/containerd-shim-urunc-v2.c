/*
 * Stand-in for urunc's containerd shim, which is containerd's own runc shim with `urunc` as its OCI runtime: so is this
 * one, made of the shim that the image has. That shim looks for `runc` in PATH, and finds a link to urunc first. (urunc's
 * stand-in takes the link's folder out of PATH again before it starts the real runc.)
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define shim "/usr/bin/containerd-shim-runc-v2"
#define folder "/run/urunc-stand-in"

int main(int count, char **words)
{
    (void)count;
    if ((mkdir(folder, 0755) && errno != EEXIST)
        || (symlink("/usr/local/bin/urunc", folder "/runc") && errno != EEXIST)) {
        perror("containerd-shim-urunc-v2: " folder);
        return 1;
    }
    const char *path = getenv("PATH");
    char *searched;
    if (asprintf(&searched, folder ":%s", path ? path : "/usr/sbin:/usr/bin:/sbin:/bin") < 0) return 1;
    setenv("PATH", searched, 1);
    execv(shim, words);
    fprintf(stderr, "containerd-shim-urunc-v2: " shim ": %s\n", strerror(errno));
    return 1;
}
