/* SPDX-License-Identifier: BSD-2-Clause */
/* core: how a request travels.
 *
 *     client                       one stack a connection, all of it on one loop
 *       |
 *     [conn ]  the top layer: makes requests, answers the client
 *       |  ^
 *  req_down |   submit goes down
 *       v  req_up   done comes up
 *     [log  ]  a filter's layer
 *     [delay]
 *       |  ^
 *     [memory] the plug-in's layer: the bottom
 *
 * A module is the code of a filter or plug-in.  A stage is a module with its options: one per word
 * of the command line, shared by all connections and all loops.  A layer is a stage opened for one
 * connection.  A req is one trip down and up; its home made it, and there the climb ends.  A slot
 * is a layer's scratch memory inside the req.
 *
 * Threads: a stack, its layers and its requests belong to one loop for life.  A stage is shared: its
 * block is constant after start(), or guarded by the module itself.
 *
 * Hand over, and let go: after req_down() or req_up() the request may be freed. */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include "base/err.h"
#include "base/list.h"
#include "base/option.h"
#include "loop/loop.h"

enum op {
	OP_PRECONNECT,  /* a client came; nothing is negotiated yet.  An error sends it away */
	OP_LIST,        /* data: struct exports *, to be added to */
	OP_DEFAULT,     /* data: struct exports *, empty: add the name that "" stands for, or nothing when there is none */
	OP_OPEN,        /* the client chose an export (layer->client); limits are filled on the way up */
	OP_CLOSE,       /* after the last request of an opened stack; cannot fail, is never cancelled early */
	OP_READ,
	OP_WRITE,
	OP_FLUSH,
	OP_TRIM,
	OP_ZERO,
	OP_CACHE,
	OP_EXTENTS,     /* data: struct extents *, to be added to from off on */
	OP_COUNT
};

enum { /* req.flags */
	REQ_FUA = 1 << 0,      /* WRITE TRIM ZERO: on stable storage before the reply */
	REQ_NO_HOLE = 1 << 1,  /* ZERO: keep it allocated */
	REQ_FAST = 1 << 2,     /* ZERO: ENOTSUP at once rather than as slow as writing */
	REQ_ONE = 1 << 3,      /* EXTENTS: the first extent is enough */
	REQ_PLACE = 1 << 4,    /* READ: store the bytes where data points, lend nothing */
	REQ_IN_PLACE = 1 << 5, /* WRITE: data is where stack_place() said, so the bytes are on the disk already */
	REQ_LENT = 1 << 6,     /* READ: data is what stack_lend() said */
};

enum ability { NONE, EMULATE, NATIVE }; /* numbers as in nbdkit's log */

/* What an opened layer offers upwards.  Inherited from below as OPEN climbs; each layer may change
 * its own copy.  That replaces a dozen can_* callbacks. */
struct limits {
	uint64_t size;              /* bytes, <= INT64_MAX */
	uint32_t min_block;         /* bytes; all three 0: nothing to tell */
	uint32_t pref_block;
	uint32_t max_block;         /* bytes in one request; UINT32_MAX: any */
	bool can_write, can_flush, can_trim, can_extents, can_multi_conn, can_fast_zero, rotational;
	enum ability zero, fua, cache;
	const char *description;    /* of the export, or NULL; the module's */
};

/* Where a client comes from; what is not known is -1, or of length 0. */
struct peer {
	struct sockaddr_storage addr;
	socklen_t len;
	int64_t pid, uid, gid;
	const char *label;    /* of a security module: SO_PEERSEC in unix(7); or NULL.  The connection's, as those below */
	const char *tls_dn, *tls_issuer_dn; /* of a certificate that was verified: who, by whom (RFC 4514); or NULL */
	const char *tls_psk_user; /* whose pre-shared key the client has; or NULL */
};

/* Who is served.  The connection's, shared by all layers of a stack; but a filter may open what lies below it
 * under another name, or read-only: those layers then have one that is the filter's. */
struct client {
	struct peer peer;     /* constant; what TLS tells is there from OPEN, LIST and DEFAULT on */
	uint64_t id;          /* 1, 2, 3 ... in order of arrival */
	const char *export;   /* name that is to be opened: DEFAULT's answer when the client gave none; "" until then */
	bool readonly;        /* -r, or the filter above does not write */
	bool gone;            /* it left without a word: nobody waits for an answer */
	bool tls;             /* what is said is encrypted; as with peer */
};

/* How many requests a module takes at once, from the least to the most; the numbers are nbdkit's. */
enum thread_model { SERIALIZE_CONNECTIONS, SERIALIZE_ALL_REQUESTS, SERIALIZE_REQUESTS, PARALLEL };

struct layer;
struct stage;
struct needs;
struct req {
	enum op op;
	uint32_t flags;
	uint64_t off, len;              /* bytes; 64 bits: extended headers need it */
	void *data;                     /* READ, WRITE: len bytes, owned by home.  After a READ it may point into the
					   plug-in's own memory instead, lent until the request is freed: a filter
					   that writes to data sets REQ_PLACE on the way down */
	struct extents *holes;          /* READ: when all of the range is told here, what is a hole need not be stored
					   in data.  NULL: store every byte.  A layer that looks at data sets it NULL */
	int err;                        /* on the way up: 0 or a positive errno */
	const char *err_text;           /* words for the client, static, or NULL */
	uint64_t err_off;               /* where it went wrong; UINT64_MAX: not known */
	struct layer *home;
	struct req *parent;             /* home's, when it split one */
	struct list link;               /* for whoever holds it now */
	void (*cancel)(struct layer *, struct req *); /* non-NULL only while parked: come up early, with ESHUTDOWN */
	struct layer *parked;           /* the layer that set cancel */
	struct list flying;             /* core's: in stack->flying between the first down and the last up */
	_Alignas(max_align_t) unsigned char slots[]; /* one block a layer */
};

struct module {
	const char *name;
	const char *longname;           /* for --help, --dump-plugin; NULL: name */
	const char *description;        /* one or more lines, for --help */
	bool filter;                    /* else a plug-in */
	bool watches;                   /* a filter that passes reads on as they are, down and up, and does not look at their bytes */
	size_t stage_size, layer_size, slot_size; /* bytes, zeroed: per command line, connection, request trip
						     (slots are not zeroed again between trips) */
	size_t kept_size;               /* the first bytes of a layer's that outlive an export: for the connection */
	bool bottom;                    /* a filter that runs what lies below in stacks of its own making: here the
					   stack ends */
	const struct option *options;   /* parsed straight into the stage block; help and man read it too */
	const char *magic;              /* the key of a bare word, when no option is marked so */
	const char *version;            /* NULL: the program's */
	const char *help;               /* of parameters that are not in options, or NULL */
	/* A key that no option of this stage or one above has; NULL: none is taken.  A filter may pass it on by
	 * stage_param(stage + 1, ...). */
	int  (*config)(struct stage *, const char *key, const char *value, struct err *);
	/* All keys were given.  NULL: nothing to do.  A filter passes it on by stage_complete(stage + 1, ...). */
	int  (*complete)(struct stage *, struct err *);
	/* How much it takes at once; -1 with e set: it cannot say.  NULL: PARALLEL. */
	int  (*thread_model)(struct stage *, struct err *);
	int  (*start)(struct stage *, struct err *); /* once, options set, before any client */
	int  (*forked)(struct stage *, bool daemon, struct err *); /* once, in the process that serves, as the user
							that serves; threads may be started.  Or NULL */
	void (*cleanup)(struct stage *); /* after the last client, while what lies below still works; when forked() was
					    called.  Or NULL */
	void (*stop)(struct stage *);   /* after the last client; also after a failed start, or none */
	void (*submit)(struct layer *, struct req *); /* NULL: not interested, passes on */
	void (*done)(struct layer *, struct req *);   /* NULL: not interested */
	/* Of a plug-in, or a filter that is a bottom: a data request carried out before it returns; 0 or an errno.  On any
	 * thread that may block, many at once; the request has no slots, is not parked, and a READ is stored where data
	 * points.  NULL: only by submit. */
	int  (*direct)(struct layer *, struct req *);
	/* Of a plug-in: where the bytes of a WRITE may be received, so that they need no copy; the WRITE follows in any case, even
	 * if not all of them come.  Nothing of it is promised before that has ended.  NULL, or NULL is returned: it has no such place. */
	void *(*place)(struct layer *, uint64_t off, uint64_t len);
	/* Of a plug-in: where the bytes that a READ would give lie, if they lie together, so that no memory is had for them; the READ
	 * follows.  They may change until its reply is sent, as its data may.  NULL, or NULL is returned: it cannot say before. */
	const void *(*lend)(struct layer *, uint64_t off, uint64_t len);
	void (*needs)(const struct stage *, struct needs *); /* what it asks of the kernel while it serves: core/needs.h.
							NULL: nothing that not every server does */
	void (*gone)(struct layer *);   /* the connection is over, whatever came of it; NULL: not interested */
	void (*dump)(struct stage *);   /* --dump-plugin's lines, when they are not those of a built-in one */
	void (*dump_more)(void);        /* further lines behind those of a built-in one; or NULL */
};

struct stage {
	const struct module *mod;
	void *block;       /* stage_size bytes, ours */
	const struct stages *all; /* the command line it is on; all->at + all->count is behind the last */
};

/* All the stages of a command line, outermost filter first, the plug-in last. */
struct stages {
	struct stage *at;
	unsigned count;
	enum thread_model thread_model; /* the least of all; set by stages_start() */
	bool forked;
};

struct layer {
	const struct module *mod;
	struct stack *stack;
	struct stage *stage;        /* NULL for the top layer */
	const struct client *client; /* stack->client, or what a filter above put in its place */
	void *data;                 /* layer_size bytes, zeroed when the stack is made; all but kept_size by stack_reset(), too */
	struct limits limits;       /* valid while open */
	uint32_t slot_at;           /* bytes from req.slots */
	uint32_t pos;               /* 0 is the top */
};

struct stack {
	struct loop *loop;
	const struct client *client; /* borrowed from the connection */
	struct layer *layers;        /* count of them, top first, ours */
	unsigned count;
	struct layer *lender;        /* the plug-in's layer, for stack_lend(); or NULL */
	size_t req_size;
	struct list flying;          /* requests of the top layer on their way */
	struct req *spare;           /* requests for reuse, the warmest first; chained by parent */
	unsigned spare_count;
	void *home_user;             /* the owner's: what the top layer belongs to */
	struct task leave;           /* the owner's: a module wants the client gone */
	atomic_int leaving;          /* enum leave_how, asked for once */
};

/* --- stages: main thread, before and after serving --- */

/* A bare word or key=value for one stage: true when it has such an option; then *rc is 0 or -1 with e set. */
bool stage_option(struct stage *s, const char *key, const char *value, int *rc, struct err *e);
/* key=value for s or one behind it: the first that has such an option, or takes what it does not know. */
int stage_param(struct stage *s, const char *key, const char *value, struct err *e);
/* Tell s and those behind it that all parameters were given. */
int stage_complete(struct stage *s, struct err *e);
int stages_start(struct stages *ss, struct err *e); /* innermost first; on failure all are stopped again by stages_stop() */
int stages_forked(struct stages *ss, bool daemon, struct err *e);
void stages_stop(struct stages *ss);                /* and frees the blocks; started or not */

/* --- stacks: loop thread --- */

/* A stack with top above first and the stages behind it; top->done gets what comes home.  NULL: out of memory. */
struct stack *stack_new(struct stage *first, const struct module *top, struct loop *l, const struct client *c);
void stack_free(struct stack *s); /* nothing may fly any more; NULL is fine */
/* Forget what the layers keep of an export: after CLOSE came home, before another OPEN. */
void stack_reset(struct stack *s);
/* Have the layers below l serve c, from their OPEN on; borrowed.  stack_reset() takes it back. */
void stack_client_below(struct layer *l, const struct client *c);
static inline struct layer *stack_top(struct stack *s) { return &s->layers[0]; }
/* See module.place: a filter in between would miss the bytes. */
static inline void *stack_place(struct stack *s, uint64_t off, uint64_t len)
{
	struct layer *l = s->count == 2 ? &s->layers[1] : NULL;
	return l && l->mod->place ? l->mod->place(l, off, len) : NULL;
}
/* See module.lend; there may be filters in between that only watch. */
static inline const void *stack_lend(struct stack *s, uint64_t off, uint64_t len)
{
	return s->lender ? s->lender->mod->lend(s->lender, off, len) : NULL;
}
static inline struct limits *stack_limits(struct stack *s) { return &s->layers[0].limits; }
enum leave_how { LEAVE_NOT, LEAVE_WHEN_ANSWERED, LEAVE_AT_ONCE };
/* Have the connection end.  Any thread, while a request of the stack is in flight. */
void stack_leave(struct stack *s, enum leave_how how);
/* Ask every parked request to come up early; the others come in their own time. */
void stack_cancel(struct stack *s);
static inline bool stack_idle(const struct stack *s) { return list_empty(&s->flying); }

/* --- requests: loop thread --- */

/* A request at home; NULL: out of memory.  Data and holes are the caller's to set and to free. */
struct req *req_new(struct layer *home, enum op op);
void req_free(struct req *r);                       /* by home, when it came up or never went down */
void req_down(struct layer *from, struct req *r);   /* to the layer below */
void req_up(struct layer *from, struct req *r, int err); /* exactly once a trip */

static inline void *slot_of(const struct layer *l, struct req *r) { return r->slots + l->slot_at; }
static inline void req_park(struct layer *l, struct req *r, void (*cancel)(struct layer *, struct req *))
{
	r->parked = l;
	r->cancel = cancel;
}
static inline void req_unpark(struct req *r) { r->cancel = NULL; }

const char *op_name(enum op op); /* "read", "write" ... for messages */

/* --- lists that travel with a request --- */

enum { EXTENT_HOLE = 1, EXTENT_ZERO = 2 }; /* as NBD_STATE_HOLE and NBD_STATE_ZERO on the wire */
enum { EXTENTS_MAX = 1 << 20 };            /* what one reply may carry: proto.md, BLOCK_STATUS */

struct extent {
	uint64_t len;   /* bytes, > 0 */
	uint32_t flags;
};

/* Runs that follow each other from start on, never past end; neighbours with equal flags are one. */
struct extents {
	uint64_t start, end;
	uint64_t at;            /* where the next one begins */
	struct extent *list;    /* count of them, ours */
	size_t count, room, max;
};

void extents_init(struct extents *x, uint64_t start, uint64_t len, size_t max);
void extents_free(struct extents *x);
/* Add the next len bytes (cut at end).  False: nothing more is wanted, or no room, or no memory. */
bool extents_add(struct extents *x, uint64_t len, uint32_t flags);

struct export_name {
	char *name, *description; /* ours; description may be NULL */
};

struct exports {
	struct export_name *list; /* count of them, ours */
	size_t count;
};

int exports_add(struct exports *x, const char *name, const char *description); /* 0, or -1: out of memory or too many */
void exports_free(struct exports *x);
