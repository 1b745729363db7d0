/*
 * The container's process: `create` makes it, in the bundle's namespaces; there it waits for `start`, then makes itself
 * ready and becomes the tender.
 *
 * It says how that went on the connection with who asked: '+' when all is well, '-' and a message when not, as the last
 * thing before it ends. The connection ends when the tender begins.
 */
#ifndef WAITING_H
#define WAITING_H

#include "bundle.h"

/* Makes the process; it listens on a socket that is bound already. `connection` is the one with us. */
pid_t make_waiting(const struct bundle *bundle, int listener, int *connection);

/* Lets a process that is ready run the `createContainer` hooks with the container's state; then it waits for `start`. */
void send_state(int connection, const char *state);

/* Waits for a '+'; ends the program with the message that came instead. With `to_end`, waits for the end as well. */
void await(int connection, bool to_end);

/* Where fail() has to send its message, -1 for nowhere. */
extern int failure_report;

#endif
