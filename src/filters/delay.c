/* SPDX-License-Identifier: BSD-2-Clause */
/* delay: hold requests back for a time, by timers: no thread sleeps, and any number can wait.
 * Parameters are those of nbdkit-delay-filter(1).  The stage is constant after start. */
#include <errno.h>
#include "base/parse.h"
#include "filters/filters.h"

struct delay {
	uint64_t wait[OP_COUNT]; /* ns */
	bool fast_zero_fails;    /* delay-fast-zero=false: answer ENOTSUP at once */
};

struct slot {
	struct timer timer;
	struct layer *layer;
	struct req *req;
};

static void pass_on(struct timer *t)
{
	struct slot *s = container_of(t, struct slot, timer);
	req_unpark(s->req);
	req_down(s->layer, s->req);
}

static void cancel(struct layer *l, struct req *r)
{
	struct slot *s = slot_of(l, r);
	timer_stop(l->stack->loop, &s->timer);
	req_up(l, r, ESHUTDOWN);
}

static void submit(struct layer *l, struct req *r)
{
	const struct delay *d = l->stage->block;
	struct slot *s = slot_of(l, r);
	struct loop *loop = l->stack->loop;
	uint64_t wait = d->wait[r->op];

	if (r->op == OP_ZERO && r->flags & REQ_FAST && d->fast_zero_fails) {
		req_up(l, r, EOPNOTSUPP);
		return;
	}
	/* A client that left without a word is not kept: nbdkit-delay-filter(1). */
	if (!wait || (r->op == OP_CLOSE && l->stack->client->gone)) {
		req_down(l, r);
		return;
	}
	*s = (struct slot){ .timer.fire = pass_on, .layer = l, .req = r };
	req_park(l, r, cancel);
	if (!timer_start(loop, &s->timer, loop_clock(loop) + wait)) {
		req_unpark(r);
		req_up(l, r, ENOMEM);
	}
}

/* --- parameters --- */

/* wdelay=, rdelay= and their kin set one or several operations. */
static int set_waits(void *block, const char *key, const char *value, const enum op *ops, int n, struct err *e)
{
	struct delay *d = block;
	uint64_t ns;
	if (parse_duration(key, value, &ns, e) < 0)
		return -1;
	for (int i = 0; i < n; i++)
		d->wait[ops[i]] = ns;
	return 0;
}

#define SETTER(name, ...) \
	static int name(void *block, const char *key, const char *value, struct err *e) \
	{ \
		static const enum op ops[] = { __VA_ARGS__ }; \
		return set_waits(block, key, value, ops, ARRAY_LEN(ops), e); \
	}
SETTER(set_read, OP_READ)
SETTER(set_write, OP_WRITE)
SETTER(set_writes, OP_WRITE, OP_ZERO, OP_TRIM)
SETTER(set_zero, OP_ZERO)
SETTER(set_trim, OP_TRIM)
SETTER(set_extents, OP_EXTENTS)
SETTER(set_cache, OP_CACHE)
SETTER(set_open, OP_OPEN)
SETTER(set_close, OP_CLOSE)

static int set_fast_zero(void *block, const char *key, const char *value, struct err *e)
{
	struct delay *d = block;
	bool serve;
	if (parse_bool(key, value, &serve, e) < 0)
		return -1;
	d->fast_zero_fails = !serve;
	return 0;
}

static const struct option options[] = {
	OPT_CALL("rdelay", set_read, "TIME", "wait before each read"),
	OPT_CALL("wdelay", set_writes, "TIME", "wait before each write, zero and trim"),
	OPT_CALL("delay-read", set_read, "TIME", "the same as rdelay"),
	OPT_CALL("delay-write", set_write, "TIME", "wait before each write"),
	OPT_CALL("delay-zero", set_zero, "TIME", "wait before each zero"),
	OPT_CALL("delay-trim", set_trim, "TIME", "wait before each trim"),
	OPT_CALL("delay-extents", set_extents, "TIME", "wait before each block status"),
	OPT_CALL("delay-cache", set_cache, "TIME", "wait before each cache"),
	OPT_CALL("delay-fast-zero", set_fast_zero, "BOOL", "false: fast zeroes fail at once (default: true)"),
	OPT_CALL("delay-open", set_open, "TIME", "wait when a client opens the export"),
	OPT_CALL("delay-close", set_close, "TIME", "wait when a client disconnects"),
	{ 0 }
};

const struct module mod_delay = {
	.name = "delay",
	.longname = "hold requests back for a time",
	.filter = true,
	.watches = true,
	.stage_size = sizeof(struct delay),
	.slot_size = sizeof(struct slot),
	.options = options,
	.submit = submit,
};
