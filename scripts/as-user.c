/* as-user NUMBER PROGRAM ARGUMENT...: runs a program as another user, without privileges. For scripts/reproduce.sh; linked
 * statically, since what is preloaded into every program must not meet two users in one process (libfaketime keeps a semaphore
 * of its first one). */
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

int main(int count, char **arguments)
{
	unsigned number = count > 2 ? (unsigned)strtoul(arguments[1], NULL, 10) : 0;
	if (!number) {
		fputs("as-user NUMBER PROGRAM ARGUMENT...\n", stderr);
		return 2;
	}
	if (setgroups(0, NULL) || setgid(number) || setuid(number) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) {
		fprintf(stderr, "as-user: cannot become %u: %s\n", number, strerror(errno));
		return 1;
	}
	execvp(arguments[2], arguments + 2);
	fprintf(stderr, "as-user: cannot run %s: %s\n", arguments[2], strerror(errno));
	return 1;
}
