/* SPDX-License-Identifier: BSD-2-Clause */
/* nbd: the parts of the plug-in that is a client of another NBD server, the far one.
 *
 *     nbd.c         the module: parameters, and a connection to the far server for each client of ours
 *     nbd_shared.c  shared=true: one connection for all clients, on a thread of its own
 *     nbd_far.c     a connection's life on a loop: connect, try again, ask, watch, close
 *     nbd_call.c    one request as it goes to the far server: pieces that it takes, answers, abilities
 *     nbd_target.c  which server: from parameters to a libnbd handle that connects
 *     nbd_lib.c     libnbd, loaded when it is needed
 *
 * A struct far and its calls belong to one loop.  libnbd runs callbacks in the middle of its functions, with its
 * lock held, so nothing is handed over there: what came is put into a list, and dealt with when libnbd has returned
 * (far_leave()). */
#pragma once
#include "core/core.h"
#include "loop/pool.h"
#include "plugins/nbd_lib.h"

struct needs;

/* --- which server; constant after target_check() --- */

enum target_how { TO_NONE, TO_URI, TO_SOCKET, TO_TCP, TO_VSOCK, TO_FD, TO_COMMAND };

struct target {
	enum target_how how;
	unsigned ways;            /* how many were given */
	const char *uri, *hostname, *port, *vsock, *export; /* borrowed from argv; NULL: not given */
	char *socket;             /* ours, as are the next two: freed by option_free() */
	char *tls_certificates, *tls_psk;
	const char **argv;        /* argc of them and a NULL, ours; [0] is command=, NULL when it was not given */
	size_t argc;
	unsigned cid, vsock_port; /* checked vsock= and port= */
	unsigned fd;
	unsigned retry;           /* attempts after the first, a second apart */
	bool has_fd, dynamic, shared;
	bool has_tls;             /* tls, LIBNBD_TLS_*, counts */
	int tls;
	bool tls_no_verify;
	const char *tls_username;
};

int target_add_arg(struct target *t, const char *value, bool command, struct err *e);
/* Every parameter was given: do they fit together? */
int target_check(struct target *t, struct err *e);
void target_free(struct target *t);
/* A handle that is set up and not yet connected; NULL: nbd_get_error() says why. */
struct nbd_handle *target_handle(const struct target *t);
/* Begin to connect.  0, or an errno. */
int target_connect(const struct target *t, struct nbd_handle *h);
/* What connecting, and connecting again, asks of the kernel. */
void target_needs(const struct target *t, struct needs *n);
/* Whether target_connect() may block: for a name to be looked up, a command to be started. */
bool target_blocks(const struct target *t);
/* Whether another connection can be made when the first is gone. */
bool target_again(const struct target *t);

/* --- a connection to it --- */

enum far_want { FAR_SERVE, FAR_NAMES, FAR_DEFAULT };
enum far_state { FAR_OPENING, FAR_OPEN, FAR_CLOSING, FAR_DEAD };

struct far {
	/* The owner's, before far_open(); the rest zero. */
	const struct target *target;
	struct loop *loop;
	struct pool *pool;             /* for what blocks; NULL: the loop itself may */
	const char *export;            /* dynamic-export: borrowed until told() */
	enum far_want want;
	struct exports *names;         /* NAMES, DEFAULT: to be added to, until told() */
	void (*told)(struct far *, int err); /* once: it is open, or names are there; or an errno, and why has words */
	void (*closed)(struct far *);  /* once, after far_close() */
	void *owner;
	/* The module's. */
	enum far_state state;
	struct nbd_handle *nbd;        /* NULL: none */
	struct watch watch;
	struct timer timer;            /* OPENING: the next attempt.  Else: patience is over */
	unsigned attempts;
	bool asked, answered, waits;   /* an option was sent; its answer came; between two attempts */
	int err;                       /* of what is asked, or of connecting */
	char why[256];
	struct job job;
	bool working, breaking;        /* the pool has the handle; to be broken when it is back */
	unsigned busy;                 /* calls of ours on the C stack: who came first deals with what came */
	bool freeing;
	struct task bury;              /* the end of the turn in which it was freed */
	struct list came;              /* struct call: pieces ended */
	uint64_t max_data;             /* bytes of a READ or WRITE */
	bool writes_zeroes;            /* it has no command for zeroes */
};

struct far *far_new(const struct target *t, struct loop *l, struct pool *p, enum far_want want); /* NULL: out of memory */
void far_open(struct far *f);
/* Those who waited are gone: give what is in flight a moment, then end it. */
void far_abandon(struct far *f);
/* End it now: calls in flight end with ESHUTDOWN, told() too when it did not yet. */
void far_break(struct far *f);
/* Say goodbye, wait a moment for the far side to hang up, end it; then closed(). */
void far_close(struct far *f);
void far_free(struct far *f); /* no call in flight; in a callback, too; NULL is fine */
/* Around whatever calls libnbd on f->nbd. */
void far_enter(struct far *f);
void far_leave(struct far *f);

/* --- a request on it --- */

struct call {
	/* The owner's. */
	enum op op;                    /* READ and above */
	uint32_t flags;
	uint64_t off, len;             /* bytes */
	void *data;                    /* READ, WRITE: len bytes, the owner's until done() */
	struct extents *extents;       /* EXTENTS: to be added to.  READ: holes are told here, or NULL */
	void (*done)(struct call *);   /* once; the call is the owner's again */
	/* The answer. */
	int err;                       /* 0 or a positive errno */
	uint64_t err_off;              /* where it went wrong; UINT64_MAX: not known */
	/* nbd_call.c's */
	struct far *far;
	struct list link;              /* in far->came */
	uint64_t from, at;             /* the last piece began there; the next one begins there */
	uint64_t seen;                 /* READ: bytes that came */
	unsigned flying;               /* pieces in libnbd's hands */
	bool more, answered, told;
};

void call_start(struct far *f, struct call *c); /* done() comes later, never from within */
void call_give_up(struct call *c);              /* send no more pieces of it */
void call_go_on(struct call *c);                /* nbd_far.c: it was in far->came */
/* What the far server can do, once it is open: 0, or an errno.  description is the caller's to free. */
int call_limits(struct far *f, struct limits *m);
/* The errno that a client is to see for one of libnbd's. */
int call_errno(int libnbd_errno);

/* --- shared=true --- */

struct shared;
/* Connect, on a thread of its own: when it returns, the server is there.  NULL with e set. */
struct shared *shared_start(const struct target *t, struct err *e);
void shared_stop(struct shared *s); /* no client is left; NULL is fine */

/* What the module keeps for a connection of ours, and for a request. */
struct nbd_layer {
	struct far *far;               /* ours; NULL: shared, or not open */
	unsigned generation;           /* shared: of the connection that was opened */
	char *description;             /* ours */
};

struct errand;
struct nbd_slot {
	struct layer *layer;
	struct req *req;
	struct far *far;               /* LIST, DEFAULT: for this question only */
	struct call call;
	struct errand *errand;         /* shared: what runs for it on the other thread */
};

void shared_submit(struct shared *s, struct layer *l, struct req *r); /* OPEN, READ and above */
