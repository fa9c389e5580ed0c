/* SPDX-License-Identifier: BSD-2-Clause */
/* next: what lies below a filter of nbdkit's ABI, as the filter sees it: an nbdkit_next.
 *
 *     stack of the connection      stack of a next
 *       [conn  ]              +--> [next  ]   the top layer: makes requests out of the filter's calls
 *       [log   ]              |    [delay ]
 *       [filter] -- calls ----+    [memory]
 *
 * A filter calls downwards and waits for the answer, so it runs on a thread that may block; what lies below is
 * asynchronous as ever, in a stack of its own on the loop of its connection.  But where the very next layer can do data
 * requests on any thread (module.direct: a memory disk, a parallel plug-in, a parallel filter), they are done there and
 * then, as a call.  A next of a connection is made for
 * it when it comes; a filter may make more (nbdkit_next_context_open), also such as are no connection's: those
 * run on a loop that the filter has for itself.
 *
 * Everything here is for threads that may block, but where it says otherwise.  Facts: nbdkit-filter(3). */
#pragma once
#include "core/core.h"
#include "nbdkit-filter.h"

struct next {
	struct nbdkit_next_ops ops;  /* first: the filter calls through the pointer that it has */
	struct stage *below;         /* the first stage behind the filter */
	struct loop *loop;
	struct stack *above;         /* of the connection that is served; NULL: shared */
	struct client client;        /* whom the layers below serve; its export is ours */
	struct stack *stack;
	bool open;
	bool main;                   /* the first of its connection, which lives as long */
	struct list link;            /* among those of the connection; loop thread */
};

/* A next for client on loop l; whose: the list to be in, of loop l, or NULL.  NULL: out of memory.
 * make: on l's thread; new: on any other. */
struct next *next_make(struct stage *below, struct loop *l, const struct client *c, struct stack *above, struct list *whose);
struct next *next_new(struct stage *below, struct loop *l, const struct client *c, struct stack *above, struct list *whose);
void next_free(struct next *n);  /* nothing may be open; NULL is fine */
/* Loop thread: the same, when the connection is over. */
void next_gone(struct next *n);
/* Any of the list, but not except; NULL: none. */
struct next *next_left(struct loop *l, struct list *whose, const struct next *except);

/* Any thread: the layer that can be called for n's data without its loop; NULL: it cannot. */
struct layer *next_direct(const struct next *n);
/* Open what lies below for the export of that name ("": the default one).  0 or an errno. */
int next_open(struct next *n, bool readonly, const char *export);
void next_close(struct next *n); /* not open: nothing happens */
/* PRECONNECT, LIST, DEFAULT.  0 or an errno. */
int next_ask(struct next *n, const struct client *c, bool readonly, enum op op, void *data);

/* Loop thread: let r of layer from pass through n; it comes up at from.  Meanwhile r's slot there is ours. */
void next_pass(struct next *n, struct layer *from, struct req *r);
/* Loop thread: who waits below comes up early. */
void next_cancel(struct next *n);
