/* SPDX-License-Identifier: BSD-2-Clause */
/* listen: opens the sockets that a server listens on.
 * TCP (every address the name has), one Unix socket, one vsock port, or the descriptors that
 * a service manager passed on (LISTEN_FDS).  All are close-on-exec and listening when they are
 * returned.  Main thread, before the fork; nothing is logged, every failure is one line in err. */
#pragma once
#include <stdbool.h>
#include "base/err.h"

#define LISTEN_PORT "10809" /* the port of NBD, TCP and vsock */

struct listen_options {
	const char *unix_path; /* "-": a socket in a private new directory; NULL: none */
	bool vsock;
	const char *address;   /* TCP: a name or number, NULL: all interfaces */
	const char *port;      /* TCP: a name or number, "0": one free port for all; vsock: a number; NULL: LISTEN_PORT */
	int family;            /* TCP: AF_UNSPEC, AF_INET or AF_INET6 */
	const char *label;     /* SELinux label of the sockets, or NULL */
};

struct listeners {
	int *fd;              /* count of them, ours until taken (set to -1) */
	unsigned count;
	char *unix_path;      /* absolute, ours; NULL: not a Unix socket */
	bool bound;           /* the file unix_path is ours */
	char *private_dir;    /* ours; to be removed with the socket in it, or NULL */
	unsigned port;        /* TCP or vsock; 0: neither */
	bool vsock;
	char host[64];        /* TCP: how a client on this machine names us in a URI: localhost, or a number */
};

/* 0, or -1 with e set; listen_close() in both cases. */
int listen_open(struct listeners *ls, const struct listen_options *o, struct err *e);
/* How many sockets the environment announces for this process: 0, more, or -1 with e set.
 * The variables are removed. */
int listen_activated(struct err *e);
int listen_adopt(struct listeners *ls, unsigned count, struct err *e);
/* Close what was not taken, and remove the private directory.  remove: the file of a Unix socket,
 * too (the server did not come up; else it stays, as nbdkit's does).  Twice is fine. */
void listen_close(struct listeners *ls, bool remove);
