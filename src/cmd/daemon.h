/* SPDX-License-Identifier: BSD-2-Clause */
/* daemon: from a started program to one that serves: background, pid file, user, memory.
 * The parent of a background server waits until the server says that it is ready, so that every
 * error before that is on the terminal and in the exit status.  Main thread, no other threads yet. */
#pragma once
#include <stdbool.h>
#include "base/err.h"
#include "cmd/args.h"

struct daemon {
	bool forked;   /* we are the background process */
	int ready_fd;  /* to the waiting parent; -1: none */
};

/* Go on in a child.  First of all: threads and what plug-ins load would not survive it.  Returns in the child
 * only; the parent leaves with status 0 when the child called daemon_ready(), else with the child's.
 * -1 with e set: no child. */
int daemon_fork(struct daemon *d, struct err *e);
/* In the background: into the root directory, which nobody wants to unmount. */
void daemon_leave_directory(const struct daemon *d);
/* Clients can be served.  In the background: leave the terminal (stderr stays open if asked for) and let
 * the parent go.  Tells systemd, if it wants to know. */
void daemon_ready(struct daemon *d, bool keep_stderr);

int daemon_write_pid(const char *path, struct err *e);
/* Change to a's group and user, if it has any, for good: no saved number, capability or group of the starter's is left.
 * With a group alone it is the only one; a user brings his own, given by name or number. */
int daemon_become(const struct args *a, struct err *e);
/* A core when we die, though the user was changed: Linux forbids it then. */
void daemon_allow_dumps(void);
/* Never swapped out, nor killed for want of memory (that part only if allowed). */
int daemon_lock_memory(struct err *e);
/* As many descriptors as we may have: thousands of connections. */
void daemon_raise_limits(void);
/* SIGTERM when the parent ends; parent: its number when we were started. */
int daemon_follow_parent(pid_t parent, struct err *e);
