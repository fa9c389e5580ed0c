/* SPDX-License-Identifier: BSD-2-Clause */
/* loaded: a plug-in in memory, for the files of this folder: plugin.c (life), calls.c (one request),
 * models.c (which thread, and when). */
#pragma once
#define NBDKIT_API_VERSION 2
#include "bridge/context.h"
#include "bridge/plugin.h"
#include "loop/pool.h"
#include "nbdkit-plugin.h"

struct loaded {
	struct module mod;          /* what the rest of the program sees */
	struct nbdkit_plugin p;     /* copied: what an older plug-in does not have is NULL */
	void *dl;
	const char *path;
	struct loaded *before;      /* the one loaded before it */
	struct pool *own;           /* one thread: the plug-in's */
	struct pool *many;          /* PARALLEL, SERIALIZE_REQUESTS; NULL otherwise */
	int model;                  /* in force: NBDKIT_THREAD_MODEL_* */
	bool forked;                /* after_fork was called: cleanup is owed */
	atomic_uint call_ns;        /* what a call takes, about: a moving average of data requests */
	/* SERIALIZE_CONNECTIONS: the connection that is served, and who waits for it to go */
	pthread_mutex_t turn_lock;
	struct stack *turn;
	struct list turn_waits;     /* struct call, by turn_link */
};

/* An export that is open.  Written by OPEN's call, constant until CLOSE's. */
struct opened {
	void *handle;               /* NULL: not open */
	struct interned *strings;
	bool zero_native, flush, cache_native;
	int fua;                    /* NBDKIT_FUA_* */
	/* SERIALIZE_REQUESTS; loop thread */
	bool busy;
	struct list waits;          /* struct call, by wait_link */
	bool waits_ready;
};

/* The slot of a request. */
struct call {
	struct job job;
	struct layer *layer;
	struct req *req;
	struct context context;
	struct limits limits;       /* OPEN's result, on its way to the loop */
	int err;
	atomic_bool cancelled;
	struct list wait_link, turn_link;
	struct task turn_task;      /* another connection went: it is our turn */
};

static inline struct loaded *loaded_of(const struct module *m)
{
	return container_of(m, struct loaded, mod);
}

/* models.c */
void models_submit(struct layer *l, struct req *r);
void models_gone(struct layer *l);
/* calls.c: on a thread that may block; sets c->err. */
void call_run(struct loaded *p, struct call *c);
/* The size of the static buffer of zeroes, and how far one call goes: counts have 32 bits. */
enum { NBD_NAME_MAX = 4096 }; /* bytes of an export's name or description: proto.md, "Strings" */
enum { ZERO_PIECE = 1 << 20, PIECE_MAX = 1 << 30 };
/* A plug-in is slow until it has shown that it is quick; once quick, one slow call makes it slow for a while. */
enum { CALL_NS_UNKNOWN = 1000000, CALL_NS_QUICK = 20000 };
