/* SPDX-License-Identifier: BSD-2-Clause */
/* passthrough: a filter that changes nothing, to copy from.
 *
 * To make your own: copy this file, rename what is called passthrough, add it to src/meson.build,
 * src/filters/filters.h and src/cmd/modules.c, and throw away what you don't need: a filter that wants
 * only the way down has no done, one without options has no table.  HACKING.md walks through it. */
#include "filters/filters.h"

/* One per word `--filter=passthrough`, shared by all connections on all threads: constant once start()
 * has returned, or guarded by the filter itself.  Zeroed, then filled from the options below. */
struct passthrough {
	bool unused;
};

/* One per connection and export; zeroed before OPEN.  One thread. */
struct opened {
	uint64_t requests;
};

/* One per request; not cleared, so set in submit what done will read. */
struct slot {
	uint64_t began; /* ns, loop clock */
};

static int start(struct stage *s, struct err *e)
{
	const struct passthrough *p = s->block;
	/* Check what options say together; the last place to fail with words. */
	return p->unused ? err_set(e, "passthrough: unused=true makes no sense") : 0;
}

/* On the way down.  OPEN and CLOSE come by as well as data.  What you may do:
 *   - pass it on:            req_down(l, r);            always last: r may be gone afterwards
 *   - answer it yourself:    req_up(l, r, EIO);         likewise
 *   - keep it:               a timer in the slot, req_park(l, r, cancel), and pass it on later
 *   - look at or change op, flags, off, len; data on a WRITE */
static void submit(struct layer *l, struct req *r)
{
	struct opened *o = l->data;
	struct slot *s = slot_of(l, r);

	s->began = l->stack->loop->now;
	if (r->op >= OP_READ)
		o->requests++;
	req_down(l, r);
}

/* On the way up.  r->err tells how it went; data is there after a READ (unless r->holes names it a
 * hole: a filter that looks at data sets r->holes to NULL on the way down).  After OPEN, l->limits is
 * a copy of what the layer below offers, and yours to change. */
static void done(struct layer *l, struct req *r)
{
	req_up(l, r, r->err);
}

static const struct option options[] = {
	OPT_BOOL("unused", struct passthrough, unused, "an example of a parameter; must be false"),
	{ 0 }
};

const struct module mod_passthrough = {
	.name = "passthrough",
	.longname = "change nothing: an example to copy from",
	.filter = true,
	.watches = true,
	.stage_size = sizeof(struct passthrough),
	.layer_size = sizeof(struct opened),
	.slot_size = sizeof(struct slot),
	.options = options,
	.start = start,
	.submit = submit,
	.done = done,
};
