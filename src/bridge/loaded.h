/* SPDX-License-Identifier: BSD-2-Clause */
/* loaded: a plug-in or filter in memory, for the files of this folder:
 *   life.c         its file, its own thread, and what both kinds have in common of a life
 *   plugin.c       the life of a plug-in            filter.c        the life of a filter
 *   models.c       which thread a request runs on, and when
 *   calls.c        one request: what is missing is replaced
 *   plugin_calls.c ... by calls into a plug-in      filter_calls.c  ... into a filter
 *   next.c         what lies below a filter             next_ops.c   ... as the filter sees it
 *   common_loop.c  a loop for what a filter opens for all */
#pragma once
#define NBDKIT_API_VERSION 2
#include "bridge/context.h"
#include "bridge/next.h"
#include "bridge/plugin.h"
#include "bridge/common_loop.h"
#include "loop/pool.h"
#include "nbdkit-filter.h"
#include "nbdkit-plugin.h"

struct callbacks;
struct loaded {
	struct module mod;          /* what the rest of the program sees */
	struct nbdkit_plugin p;     /* a plug-in's, copied: what an older one does not have is NULL */
	struct nbdkit_filter f;     /* a filter's, copied */
	void (*dump_plugin)(void);  /* a filter's that came later than f's layout; or NULL */
	const struct callbacks *calls;
	void *dl;
	const char *path;
	struct loaded *before;      /* the one loaded before it */
	struct pool *own;           /* one thread: the plug-in's */
	struct pool *many;          /* a filter's that lets several in at once, for calls that wait for a loop; or NULL */
	enum thread_model model;    /* its own wish */
	bool failed;                /* a step of its life did: there is no other */
	bool forked;                /* after_fork was called: cleanup is owed */
	atomic_uint call_ns;        /* what a call takes, about: a moving average of data requests */
	struct common_loop shared;  /* a filter's: what it opens below for all connections */
	atomic_bool opens;          /* a filter that may open more below at any time */
	/* SERIALIZE_CONNECTIONS: the connection that is served, and who waits for it to go */
	pthread_mutex_t turn_lock;
	struct stack *turn;
	struct list turn_waits;     /* struct call, by turn_link */
};

/* A layer's data.  The first part is the connection's; the rest is the export's that is open, written by OPEN's call,
 * constant until CLOSE's. */
struct opened {
	struct connected {
		struct layer *layer;
		struct next *main;          /* a filter's: what lies below, for this connection; NULL until asked for */
		struct list nexts;          /* struct next: all that serve this connection; loop thread */
		struct interned *strings;   /* until CLOSE; there may be some without an OPEN that went well */
	} conn;
	void *handle;               /* NULL: not open */
	bool zero_native, cache_native;
	int fua;                    /* NBDKIT_FUA_* */
	_Atomic(struct next *) next; /* a filter's: what requests go down to, or NULL; the filter may change it */
	/* PARALLEL, SERIALIZE_REQUESTS; loop thread */
	unsigned running;           /* data requests */
	struct list waits;          /* struct call, by wait_link */
	bool waits_ready;
};

/* The slot of a request. */
struct call {
	struct job job;
	struct pool *pool;          /* that has the job */
	struct layer *layer;
	struct req *req;
	struct context context;
	struct limits limits;       /* OPEN's result, on its way to the loop */
	int err;
	atomic_bool cancelled;
	struct list wait_link, turn_link;
	struct task turn_task;      /* another connection went: it is our turn */
};

/* How each operation is called.  On a thread that may block; 0 or an errno.  n > 0 bytes at off. */
struct callbacks {
	int (*preconnect)(struct loaded *, const struct client *);
	int (*list_exports)(struct loaded *, const struct client *, struct exports *);
	int (*default_export)(struct loaded *, const struct client *, struct exports *); /* none added: there is none */
	int (*open)(struct loaded *, struct opened *, const struct client *, struct limits *);
	void (*close)(struct loaded *, struct opened *);
	int (*read)(struct loaded *, const struct opened *, void *buf, uint32_t n, uint64_t off);
	int (*write)(struct loaded *, const struct opened *, const void *buf, uint32_t n, uint64_t off, uint32_t flags);
	int (*flush)(struct loaded *, const struct opened *);
	int (*trim)(struct loaded *, const struct opened *, uint32_t n, uint64_t off, uint32_t flags);
	int (*zero)(struct loaded *, const struct opened *, uint32_t n, uint64_t off, uint32_t flags);
	int (*cache)(struct loaded *, const struct opened *, uint32_t n, uint64_t off);
	int (*extents)(struct loaded *, const struct opened *, uint32_t n, uint64_t off, uint32_t flags, struct extents *);
};
extern const struct callbacks plugin_calls, filter_calls;

static inline struct loaded *loaded_of(const struct module *m)
{
	return container_of(m, struct loaded, mod);
}

/* --- life.c --- */

/* A step of the life, on its way to the plug-in's thread and back. */
struct step {
	struct loaded *p;
	void (*run)(struct step *); /* sets rc */
	struct stage *stage;
	const char *key, *value;
	const struct debug_flag *flags;
	unsigned count;
	struct err *err;
	int rc;
};
/* 0, or -1 with e set, to the plug-in's words when it had any; else that what failed. */
int life_step(struct step *s, const char *what);
/* The same for a step that needs no more than its stage. */
int life_do(struct stage *stage, void (*run)(struct step *), const char *what, struct err *e);
/* The same where nobody can be told but the log. */
void life_end(struct stage *stage, void (*run)(struct step *), const char *what);
/* The last step, unload: no thread of ours is inside any more.  The code stays mapped: threads that a plug-in left behind
 * may be in it. */
void life_over(struct stage *stage, void (*unload)(struct step *));
/* Take the wish that a step got; the step's result. */
int life_model(struct stage *stage, int wanted);
/* A plug-in or filter on a thread of its own, in which load has run; NULL with e set. */
struct loaded *life_new(const char *path, const char *kind, void (*load)(struct step *), const struct debug_flag *flags,
			unsigned count, struct err *e);
/* In load: the result of the function called init in the file; NULL with err set. */
void *life_open(struct step *s, const char *init, const char *kind);
/* In load: set the debug flags of its name, and say that it is there. */
void life_named(struct step *s, const char *kind);
bool life_good_name(const char *name);
/* The pool of a filter that needs one; 0, or -1 with e set. */
int life_threads(struct loaded *p, struct err *e);
/* What a module of this folder has that is neither kind's own: call after mod.filter is set. */
void life_module(struct loaded *p);
const char *life_model_name(int model);

/* --- models.c --- */

void models_submit(struct layer *l, struct req *r);
void models_gone(struct layer *l);

/* --- calls.c: on a thread that may block; sets c->err --- */

void call_run(struct loaded *p, struct call *c);
/* The same for a data request, on this thread's stack: module.direct of a parallel plug-in or filter. */
int call_data(struct layer *l, struct req *r);
/* Whether a filter leaves this request alone: then it needs no call. */
bool call_passes(const struct loaded *p, const struct opened *o, const struct req *r);
/* The errno of a call that failed just now. */
int call_failed(const struct loaded *p);
/* Take block sizes that a plug-in or filter told; false when they make no sense, which is said. */
bool call_block_size(struct limits *m, uint32_t min, uint32_t pref, uint32_t max);

enum { NBD_NAME_MAX = 4096 }; /* bytes of an export's name or description: proto.md, "Strings" */
/* The size of the static buffer of zeroes, and how far one call goes: counts have 32 bits. */
enum { ZERO_PIECE = 1 << 20, PIECE_MAX = 1 << 30 };
/* A plug-in is slow until it has shown that it is quick; once quick, one slow call makes it slow for a while. */
enum { CALL_NS_UNKNOWN = 1000000, CALL_NS_SHORT = 200000, CALL_NS_QUICK = 20000 };
