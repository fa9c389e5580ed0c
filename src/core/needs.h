/* SPDX-License-Identifier: BSD-2-Clause */
/* needs: what a command line asks of the kernel while clients are served, so that all the rest can be taken away.
 *
 * What every server does needs no word: memory, threads, clocks, its clients' sockets, and reading and writing
 * descriptors that are open.  Modules add to that; a module without needs() adds nothing.  Main thread, once all
 * stages were started. */
#pragma once
#include <stdbool.h>
#include "core/core.h"

enum { /* needs.what */
	NEED_DATA = 1 << 0,      /* reading, writing and punching holes at any place of an open file */
	NEED_FILES = 1 << 1,     /* opening files: those of needs_path() */
	NEED_RING = 1 << 2,      /* io_uring */
	NEED_SOCKETS = 1 << 3,   /* sockets of its own, to be connected */
	NEED_NAMES = 1 << 4,     /* libraries that look up names or make TLS: they load code, and files from all over */
	NEED_CHILD = 1 << 5,     /* a program that is started before clients are served, and must not inherit our limits */
	NEED_ANYTHING = 1 << 6,  /* programs started later; code of others */
	NEED_SYSLOG = 1 << 7,    /* the server's own: errors go to the system log */
	NEED_REMOVE = 1 << 8,    /* the server's own: its private socket is removed at the end */
	NEED_ANSWERS = 1 << 9,   /* datagrams back to whoever asks on an abstract socket */
};

enum { PATH_READ = 1, PATH_WRITE = 2, PATH_LIST = 4, PATH_REMOVE_FILE = 8, PATH_REMOVE_DIR = 16,
       PATH_MAKE = 32 };

struct needs {
	unsigned what;
	bool readonly;           /* what lies further in is never written */
	const char *who;         /* the module that needs NEED_ANYTHING, or NULL */
	/* What fd stands for, and all below it, may be used so.  NULL: nobody wants to know. */
	void (*allow)(struct needs *, int fd, unsigned rights);
	int ruleset;             /* allow()'s own */
};

/* Files that are opened later: path, and all that lies below it.  PATH_WRITE counts only while !n->readonly.  dir: of a
 * relative path, or AT_FDCWD.  What does not exist now is left out. */
void needs_path(struct needs *n, int dir, const char *path, unsigned rights);
/* The same for what is open. */
void needs_fd(struct needs *n, int fd, unsigned rights);
/* Ask all stages, the outermost first; n is begun by the caller. */
void stages_needs(const struct stages *ss, struct needs *n);
