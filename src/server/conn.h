/* SPDX-License-Identifier: BSD-2-Clause */
/* conn: one client, from the first byte to the last.
 *
 * "Bytes wanted, then which step": the reader collects c->want contiguous bytes and calls c->step, which
 * says with expect() what comes next.  Each turn ends in conn_settle(): it sends what is finished, with one
 * call for many replies, and alone decides that the connection is over and frees it.
 *
 *   conn.c       reading, flow control, the end
 *   send.c       sending
 *   patience.c   the time that a client may take
 *   handshake.c  greeting, option headers; options.c the options themselves; starttls.c the one that encrypts (tls.h)
 *   request.c    from request bytes to a valid req, on its way down
 *   reply.c      from a req that came home to bytes
 *
 * A connection and its stack live on one loop; loop thread only. */
#pragma once
#include "base/buf.h"
#include "core/core.h"
#include "server/payload.h"
#include "server/rx.h"
#include "server/transport.h"
#include "wire/nbd.h"

enum {
	CONN_MAX_FLYING = 16384,          /* requests of one connection not yet answered */
	CONN_TELL_BYTES = 256 << 10,      /* payload below which a connection does not count towards that of all */
	CONN_MAX_OPTION = 64 << 10,       /* bytes of option data that are looked at */
	CONN_MAX_SKIP = 256 << 20,        /* bytes of a bad payload that are thrown away before the connection is */
	CONN_MAX_OPTIONS = 1000,          /* in one handshake */
	CONN_MAX_OUT = 16 << 20,          /* handshake replies not yet sent: a long list of exports ... */
	CONN_PAUSE_OUT = 4 << 10,         /* ... with more than these no further option is read */
	CONN_MAX_HOLES = 64,              /* runs that one structured read is cut into */
};
#define CONN_LINGER_NS (5 * NS_PER_S) /* at the server's end: for a client to take its last replies */

enum { META_ALLOCATION_ID = 1 };          /* our number for base:allocation */

enum reply_style { REPLY_SIMPLE, REPLY_STRUCTURED, REPLY_EXTENDED };

/* What the connections of one loop share. */
struct conn_memory {
	struct rx_pool rx;
	struct payload_pool payload;
};
void conn_memory_free(struct conn_memory *m);

struct tls;

/* Payload that all connections of a server hold.  Those with less than CONN_TELL_BYTES are not counted, nor made to
 * wait: so whoever waits has something in flight itself, and goes on when that was answered. */
struct conn_total {
	_Alignas(64) atomic_uint_fast64_t bytes;
	_Alignas(64) uint64_t max;        /* over it reading pauses on connections that count; one more each may overshoot */
};

/* What all connections of a server share; constant while it runs. */
struct conn_config {
	const struct stages *stages;
	bool readonly, oldstyle, no_structured;
	uint16_t handshake_mask;
	const struct tls *tls;               /* keys; NULL: no TLS */
	bool tls_required;
	uint64_t timeout;                 /* ns that a client may take for the handshake; 0: any time */
	uint64_t idle_timeout;            /* ns without a byte moved or a request under way; 0: any time */
	uint64_t max_bytes;               /* payload of one connection before reading pauses; one more may overshoot */
	struct conn_total *total;         /* NULL: not counted */
};

struct conn {
	struct transport t;
	struct loop *loop;
	const struct conn_config *config;
	struct conn_memory *memory;          /* the loop's */
	struct client client;
	struct stack *stack;
	struct list link;                    /* for the owner */
	void (*freed)(struct conn *);        /* tells the owner, last; c may be freed in it */
	void *owner;
	struct task settle;

	/* reading */
	struct rx *rx;                       /* held; NULL between turns when nothing is half read, but for the look at a lively one */
	uint32_t rx_at;                      /* bytes of rx used up */
	uint32_t want;                       /* contiguous bytes the step needs, <= RX_SIZE; CONN_MAX_OPTION in the handshake */
	void (*step)(struct conn *);
	uint64_t skip;                       /* bytes to throw away first */
	struct req *filling;                 /* a large write whose data comes straight into place */
	uint64_t filled;                     /* bytes of it */
	struct req *small;                   /* a small write whose data is wanted next */
	bool bulk;                           /* the last request was a large write: the next one may be, too */

	/* state */
	bool fixed, no_zeroes;               /* client flags */
	bool opened;                         /* OPEN came home well; CLOSE is owed */
	bool transmitting;                   /* the handshake is over */
	bool ending;                         /* conn_refuse() was true */
	bool busy;                           /* a handshake request is on its way: nothing is parsed */
	bool eof;                            /* nothing more is read */
	bool dead;                           /* nothing more is sent */
	bool drained;                        /* the socket was emptied by the last recv() */
	bool blocked;                        /* the socket has no room: wait before sending */
	bool meta_allocation;                /* base:allocation was chosen ... */
	char *meta_export;                   /* ... for this export; ours */
	enum reply_style style;
	uint16_t transmission_flags;

	/* handshake */
	uint32_t option;                     /* the option being answered */
	unsigned options;                    /* how many there were */
	void (*came_home)(struct conn *, struct req *); /* what to do with the handshake request */
	void (*came_open)(struct conn *, struct req *); /* the same with OPEN, while DEFAULT is on its way */
	char *default_export;                /* DEFAULT's answer, asked for once; ours; NULL: not yet */
	bool by_default;                     /* the client named no export: client.export is DEFAULT's */
	struct buf out;                      /* handshake bytes to be sent */
	size_t out_sent;
	struct exports exports;              /* the answer to LIST or DEFAULT, while it is made */
	struct info_request {                /* of INFO, GO and EXPORT_NAME while OPEN is on its way */
		bool name, description, block_size;
	} info;

	/* replies */
	struct list replies;                 /* req.link, finished, in order */
	uint64_t sent;                       /* bytes of the first one already sent */
	unsigned flying;                     /* requests not yet answered */
	uint64_t bytes;                      /* payload they hold */
	uint64_t told;                       /* of it, counted in config->total */
	uint64_t much;                       /* with less, no limit of bytes is looked at; constant */
	struct timer linger;

	/* time */
	struct timer patience;               /* of the handshake, then of an idle client */
	uint64_t deadline;                   /* ns: the handshake's; 0: it has not begun */
	uint64_t asked;                      /* ns: when the handshake request on its way was made */
	uint64_t moved;                      /* ns: when something last moved */
	struct guest *guest;                 /* the owner's */
};

/* The slot of the top layer: what the connection keeps of a request. */
struct reply {
	uint64_t cookie;
	struct rx *rx;          /* holds a write's data */
	void *owned;            /* data from the payload pool, held bytes of it */
	uint64_t held;          /* bytes counted in conn.bytes */
	uint64_t size;          /* bytes of the whole reply on the wire */
	uint8_t *more;          /* chunk heads or payload behind head, ours */
	uint32_t more_len;
	uint8_t head_len;
	uint8_t head[48];
	struct extents runs;    /* BLOCK_STATUS: the answer; READ: the holes found */
};

extern const struct module mod_conn; /* the top layer */

/* A new connection that greets its client.  On failure NULL, and the descriptors are closed. */
struct conn *conn_open(const struct conn_config *config, struct loop *l, struct conn_memory *m, uint64_t id, int in, int out);
/* The same on any transport, for tests: c->t is filled by the caller before conn_start(). */
struct conn *conn_new(const struct conn_config *config, struct loop *l, struct conn_memory *m, uint64_t id);
void conn_start(struct conn *c);
/* The server ends, and may still have others to wait for.  True: this client is in the handshake, and from now on each option is
 * answered with ERR_SHUTDOWN, until it goes or conn_shutdown() comes.  False: that is to come now. */
bool conn_refuse(struct conn *c);
/* The server ends: what is parked comes up with ESHUTDOWN, replies are sent, then it is freed. */
void conn_shutdown(struct conn *c);

/* --- for the files of this folder --- */

static inline struct reply *reply_of(struct req *r) { return (struct reply *)r->slots; } /* the top layer's slot is the first */
static inline void expect(struct conn *c, uint32_t n, void (*step)(struct conn *))
{
	c->want = n;
	c->step = step;
}
/* The wanted bytes; valid until the next expect() and for as long as c->rx is held. */
static inline uint8_t *conn_bytes(struct conn *c) { return c->rx->bytes + c->rx_at; }
static inline void conn_take(struct conn *c, uint32_t n) { c->rx_at += n; }
/* The client broke the rules, or left: no more reading; what is parked comes up. */
void conn_hang_up(struct conn *c, const char *why);
/* The client said that it has no more requests: those in flight are finished and answered. */
void conn_goodbye(struct conn *c);
/* Send a handshake request down; then() gets it when it is home, and frees it. */
void conn_ask(struct conn *c, enum op op, void *data, void (*then)(struct conn *, struct req *));
void conn_settle_later(struct conn *c);
void conn_count_bytes(struct conn *c);      /* tell config->total what c->bytes is now */
void conn_be_patient(struct conn *c);       /* a phase begins: start the timer for it */
void conn_patience_over(struct timer *t);   /* c->patience fires */
void conn_send(struct conn *c);             /* as much as one turn may and the socket takes */
bool conn_unsent(const struct conn *c);     /* is there something to send? */
void conn_throw_away(struct conn *c);       /* ... nobody is there to take it */
/* Append handshake bytes; hangs up when the client lets too many wait. */
void conn_say(struct conn *c, const void *p, size_t n);

void handshake_start(struct conn *c);
void option_run(struct conn *c, const uint8_t *data, uint32_t len);
void option_starttls(struct conn *c, uint32_t len);
/* OPEN what client.export names, or the default export when that is "".  then() as conn_ask() has it. */
void export_open(struct conn *c, void (*then)(struct conn *, struct req *));
void option_reply(struct conn *c, uint32_t type, const void *data, uint32_t len);
void option_error(struct conn *c, uint32_t type, const char *text);
uint16_t transmission_flags(const struct conn *c);
void transmission_start(struct conn *c);

void request_start(struct conn *c); /* wait for a request header */
void reply_make(struct conn *c, struct req *r);
int reply_iov(struct conn *c, struct req *r, struct iovec *iov, int max); /* pieces used; 0: not enough room */
void reply_free(struct conn *c, struct req *r);
