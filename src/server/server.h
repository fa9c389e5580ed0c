/* SPDX-License-Identifier: BSD-2-Clause */
/* server: listening sockets, loops and the connections dealt to them.
 * Loop 0 is the thread that calls server_run(); the others are threads, each started when a client comes and every
 * loop has one already.  A connection is accepted by loop 0 and lives on one loop.  Main thread only, but server_stop(). */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"
#include "core/core.h"

struct tls;

struct server_options {
	const struct stages *stages;   /* started; borrowed until server_free() */
	unsigned loops;                /* threads that serve at most, >= 1 */
	bool busy_polls;               /* --busy-poll was given: look out for so long before sleeping, 0 for never; else ... */
	uint64_t busy_poll;            /* ns                                             ... for a moment, while that pays */
	bool readonly;                 /* -r */
	bool oldstyle;                 /* -o: the handshake of before 2011 */
	bool no_structured;            /* --no-sr: no structured replies, nor what rests on them */
	uint16_t handshake_mask;       /* --mask-handshake: of the handshake flags that are offered */
	const struct tls *tls;         /* keys (tls.h), borrowed as stages are; NULL: no TLS */
	bool tls_required;             /* nothing is served in plain text */
	unsigned max_connections;      /* on listening sockets; 0: any number */
	unsigned max_per_peer;         /* of one address, user or CID; 0: any number */
	uint64_t timeout;              /* ns that a client may take for the handshake; 0: any time */
	uint64_t idle_timeout;         /* ns that a client may be idle; 0: any time */
	uint64_t max_conn_bytes;       /* payload in flight of one connection before reading pauses; 0: any number */
	uint64_t max_bytes;            /* ... of all together; 0: any number */
};

struct server;

/* The cores that this process may run on, >= 1.  Any thread. */
unsigned server_cores(void);

struct server *server_new(const struct server_options *o, struct err *e); /* NULL with e set */
/* Serve every client of a listening socket.  Takes fd, also on failure. */
int server_listen(struct server *s, int fd, struct err *e);
/* Serve one client on a pair of descriptors (the same one twice for a socket; 0 and 1 for -s); server_run()
 * returns when it is gone.  Takes them. */
int server_single(struct server *s, int in, int out, struct err *e);
/* Loop 0: for watches of the caller's own (signals, a child) before and during server_run(). */
struct loop *server_loop(struct server *s);
/* Serve until server_stop() or the end of the single client; returns when every connection is closed:
 * requests in flight were finished or failed with ESHUTDOWN, and CLOSE came home for each. */
void server_run(struct server *s);
/* Loop 0's thread: begin to end.  Twice is fine. */
void server_stop(struct server *s);
void server_free(struct server *s); /* NULL is fine */
