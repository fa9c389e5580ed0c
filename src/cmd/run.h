/* SPDX-License-Identifier: BSD-2-Clause */
/* run: the command of --run, a child of the server.
 * It is forked early, before user, limits, signal mask and threads change, and waits; so it runs as
 * whoever started the server.  The server ends when it ends, and it ends when the server does.
 * Main thread; the watch belongs to loop 0. */
#pragma once
#include <stdbool.h>
#include <sys/types.h>
#include "base/err.h"
#include "loop/loop.h"
#include "server/server.h"

struct run {
	pid_t pid;             /* 0: not started, or reaped */
	int go_fd;             /* the child waits for a byte here; -1 */
	struct watch watch;    /* a pidfd, ours */
	struct server *server; /* borrowed */
	int status;            /* of waitpid() */
};

#define RUN_NONE { .go_fd = -1, .watch.fd = -1 }

/* script: for sh -c.  mask: the umask of whoever started us. */
int run_fork(struct run *r, const char *script, mode_t mask, struct err *e);
/* Clients can come: let the command begin, and stop the server when it ends. */
int run_go(struct run *r, struct server *s, struct err *e);
/* The server ended.  Ends the command if it did not yet, and returns the exit status for us:
 * the command's, or 128 + the number of the signal that ended it. */
int run_end(struct run *r);
/* Whether there is a command that has not ended. */
bool run_alive(const struct run *r);
