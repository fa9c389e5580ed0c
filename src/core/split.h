/* SPDX-License-Identifier: BSD-2-Clause */
/* split: children of a request: what a layer in the middle sends down on its own account.
 *
 * A child's home is the layer that made it, so it comes up in that layer's done(), which asks split_came() first
 * whether what came is a child.  The struct split stands first in the layer's slot of the parent, which stays parked
 * until the last child came up.  Never more than window children fly, and a long row of them lets the loop's other
 * work in between; they are sent in a loop, not one by the end of the other, so the C stack stays flat.
 *
 * The first error ends it: no more children are sent, and it is the parent's.  A cancelled parent has ESHUTDOWN.
 * Loop thread only, like everything about requests. */
#pragma once
#include "core/core.h"

struct split {
	struct layer *layer;
	struct req *parent;
	unsigned window;                                  /* children that may fly at once, > 0 */
	bool (*next)(struct split *);                     /* split_send() one child, or none; false: the row is over */
	void (*came)(struct split *, struct req *child);  /* look at it, err too, and free what is ours; it may send
							     more.  Or NULL */
	void (*ended)(struct split *);                    /* the last call: see to err and parent.  NULL: parent goes up */
	int err;                                          /* 0 or the first errno; next and came may set it */
	/* split.c's */
	struct list flying;                               /* children */
	unsigned count;
	unsigned busy;                                    /* calls of ours on the C stack */
	bool more, waiting;
	struct task later;
};

void split_start(struct split *s); /* with the fields above err filled in, the rest zero; s may be gone afterwards */
/* A child for next() or came() to fill and send; NULL: out of memory, which is in s->err then. */
struct req *split_child(struct split *s, enum op op, uint64_t off, uint64_t len);
void split_send(struct split *s, struct req *child);

/* An OPEN that went well below and is refused here: CLOSE goes down as a child, then r goes up with err. */
void open_refuse(struct layer *l, struct req *r, int err);

/* In done(), first: true when r was a child of this layer's, and is dealt with. */
bool split_came(struct layer *l, struct req *r);
