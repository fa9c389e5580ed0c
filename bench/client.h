/* SPDX-License-Identifier: BSD-2-Clause */
/* client: one NBD connection that keeps a number of requests in flight.
 * It is built to cost little beside the server: requests leave many at a time with one
 * sendmsg, replies come many at a time with one recv and are read where they lie, and
 * nothing is allocated after client_open.  Every reply is checked: magic, cookie, error,
 * and that a read brought all its bytes; with verify also the bytes.
 * A client is used by one thread at a time.  Failures are words in a struct err. */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/uio.h>
#include "base/err.h"
#include "hist.h"

/* What to do; the same for all clients, constant while they run. */
struct work {
	const char *where;  /* a path with '/', or HOST:PORT; borrowed */
	const char *export; /* name, "" for the default; borrowed */
	bool structured;    /* ask for structured replies */
	uint32_t size;      /* bytes of each request */
	uint64_t blocks;    /* the range is blocks * size bytes from the start of the disk */
	unsigned depth;     /* requests in flight on each connection */
	uint8_t *payload;   /* size bytes that every write sends, unless verifying */
	_Atomic uint8_t *written; /* verify: blocks flags, set when a write was acknowledged; else NULL */
};

/* One part of a run: verify's fill, warm-up, the measured part, verify's last sweep. */
struct phase {
	unsigned read_percent;
	bool fill;       /* verify: write what the writes of the other phases differ from */
	uint64_t stride; /* blocks from one to the next, round and round the range, at most all of it; 0: random */
	uint64_t next;   /* block; unless random.  At first where the client's share of the range begins */
	uint64_t quota;  /* requests this client may send */
};

struct tally {
	uint64_t bytes; /* payload both ways */
	struct hist latency;
};

struct slot {
	uint64_t began; /* ns */
	uint64_t block;
	uint32_t turn;  /* counts the uses: the upper half of the cookie */
	uint32_t got;   /* bytes of a read that have come */
	bool busy, read;
	bool sure;      /* verify: the block had been written when this read was sent */
};

struct client {
	const struct work *work;
	struct phase phase;
	struct tally *tally; /* where replies are counted; the thread's */
	int fd;
	uint64_t disk;       /* bytes, as the server said */
	uint64_t random;     /* xorshift state, never 0 */
	unsigned in_flight;

	struct slot *slots;  /* depth, ours */
	uint32_t *idle;      /* stack of n_idle slot numbers, ours */
	unsigned n_idle;

	uint8_t *heads;      /* depth request headers, ours; payload lies elsewhere */
	uint8_t *own;        /* verify: depth * size bytes to write, then size bytes to expect; ours */
	struct iovec *out;   /* 2 * depth; out_at to out_n are not sent yet; ours */
	unsigned out_at, out_n;

	uint8_t *in;         /* in_room bytes, ours; in_len of them are the head of a reply cut short */
	size_t in_room, in_len;
	struct slot *data_slot; /* whose payload comes next */
	uint32_t data_left;  /* bytes of it that have not come */
	bool data_last;      /* the request is complete behind it */
};

/* Connect and negotiate; seed makes each client's random sequence its own. */
int client_open(struct client *c, const struct work *w, uint64_t seed, struct err *e);
void client_close(struct client *c); /* also after a failed open, or on zeroed memory */

/* Fill idle slots (as far as the quota goes) and send what the socket takes.  now in ns. */
int client_send(struct client *c, uint64_t now, struct err *e);
/* One recv and all replies in it; waits for the first byte unless wait is false.
 * *now becomes the time at which they came. */
int client_receive(struct client *c, bool wait, uint64_t *now, struct err *e);

static inline bool client_blocked(const struct client *c) { return c->out_at < c->out_n; }
static inline bool client_done(const struct client *c) { return !c->in_flight && !c->phase.quota; }

uint64_t clock_now(void); /* ns, monotonic */
