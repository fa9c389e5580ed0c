/* SPDX-License-Identifier: BSD-2-Clause */
/* cow: copy on write: what clients write goes to a temporary file, and the disk below never changes.  Parameters are
 * those of nbdkit-cow-filter(1).
 *
 * The overlay is the stage's, so all clients see the same disk.  A request that changes something has its blocks for
 * itself: it reads what it needs of the disk below by child requests, then a thread of a pool writes the file.  Reads
 * wait for nobody: children fetch what is still below, then the pool reads the file for the rest.
 *
 * Threads: the stage is constant once the first client has opened it, but for the lock and the states of blocks. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/parse.h"
#include "base/say.h"
#include "core/needs.h"
#include "filters/cow.h"
#include "filters/filters.h"

enum { THREADS = 16, PREF_MAX = 32 << 20 };
#define BLOCK_MIN KIB(4)
#define BLOCK_MAX ((uint64_t)2 << 30)

/* --- requests --- */

static void got_blocks(struct layer *l, struct req *r)
{
	struct slot *s = slot_of(l, r);
	s->locked = true;
	req_unpark(r);
	if (s->cancelled)
		cow_finish(l, r, ESHUTDOWN);
	else if (s->copying)
		cow_copy(l, r);
	else
		cow_change(l, r);
}

static void got_range(struct task *t)
{
	struct slot *s = container_of(t, struct slot, range.got);
	got_blocks(s->split.layer, s->split.parent);
}

static void cancel_wait(struct layer *l, struct req *r)
{
	struct slot *s = slot_of(l, r);
	s->cancelled = true;
	if (rangelock_forget(&cow_of(l)->lock, &s->range))
		cow_finish(l, r, ESHUTDOWN);
}

static void take_blocks(struct layer *l, struct req *r)
{
	struct cow *c = cow_of(l);
	struct slot *s = slot_of(l, r);

	s->range = (struct range){ .start = down(c, r->off), .end = up(c, end_of(r)), .loop = l->stack->loop };
	task_init(&s->range.got, got_range);
	req_park(l, r, cancel_wait);
	if (rangelock_take(&c->lock, &s->range))
		got_blocks(l, r);
}

static bool copies_reads(const struct cow *c)
{
	return c->on_read || (c->on_read_path && access(c->on_read_path, F_OK) == 0);
}

static void submit(struct layer *l, struct req *r)
{
	const struct cow *c = cow_of(l);
	struct opened *op = l->data;
	struct slot *s = slot_of(l, r);

	if (r->op == OP_OPEN) {
		op->below = *l->client;
		op->below.readonly = true;
		stack_client_below(l, &op->below);
	}
	if (r->op < OP_READ) {
		req_down(l, r);
		return;
	}
	*s = (struct slot){ .split = { .layer = l, .parent = r } };
	switch (r->op) {
	case OP_READ:
		s->copying = copies_reads(c);
		if (s->copying)
			take_blocks(l, r);
		else
			cow_read(l, r);
		break;
	case OP_CACHE:
		s->copying = c->on_cache;
		if (s->copying)
			take_blocks(l, r);
		else if (op->can_cache)
			req_down(l, r);
		else
			req_up(l, r, 0);
		break;
	case OP_FLUSH: /* nothing here outlives the server */
		req_up(l, r, 0);
		break;
	case OP_EXTENTS:
		cow_extents(l, r);
		break;
	default:
		take_blocks(l, r);
	}
}

/* --- the disk is opened --- */

static int set_limits(struct layer *l)
{
	struct cow *c = cow_of(l);
	struct opened *op = l->data;
	struct limits *m = &l->limits;

	if (m->min_block > c->block) {
		say_error("cow: cow-block-size must be at least %u, the block size of the disk below", m->min_block);
		return EINVAL;
	}
	pthread_mutex_lock(&c->open_lock);
	int err = overlay_size(&c->overlay, m->size);
	pthread_mutex_unlock(&c->open_lock);
	if (err)
		return err;
	uint32_t min = MAX(m->min_block, (uint32_t)1), max = m->max_block ? m->max_block : UINT32_MAX;
	op->can_extents = m->can_extents;
	op->can_cache = m->cache != NONE;
	op->most = MIN((uint64_t)max, MIB(64));
	op->most = MAX(op->most - op->most % min, (uint64_t)min);
	m->min_block = min;
	m->pref_block = MAX(m->pref_block, (uint32_t)MIN(c->block, (uint64_t)PREF_MAX));
	m->max_block = max;
	m->can_write = m->can_flush = m->can_trim = m->can_extents = m->can_multi_conn = true;
	m->can_fast_zero = false;
	m->zero = m->fua = m->cache = NATIVE;
	return 0;
}

static void done(struct layer *l, struct req *r)
{
	if (split_came(l, r))
		return;
	int err = r->op == OP_OPEN && !r->err ? set_limits(l) : 0;
	if (err)
		open_refuse(l, r, err);
	else
		req_up(l, r, r->err);
}

/* --- start, stop, parameters --- */

static int start(struct stage *st, struct err *e)
{
	struct cow *c = st->block;
	rangelock_init(&c->lock);
	pthread_mutex_init(&c->open_lock, NULL);
	if (!c->block)
		c->block = KIB(64);
	return overlay_start(&c->overlay, c->block, e);
}

static int forked(struct stage *st, bool daemon, struct err *e)
{
	struct cow *c = st->block;
	(void)daemon;
	c->pool = pool_new(THREADS, e);
	return c->pool ? 0 : -1;
}

static void stop(struct stage *st)
{
	struct cow *c = st->block;
	pool_free(c->pool);
	c->pool = NULL;
	overlay_stop(&c->overlay);
	rangelock_free(&c->lock);
	pthread_mutex_destroy(&c->open_lock);
}

/* The temporary file is open; what lies below is only read. */
static void needs(const struct stage *st, struct needs *n)
{
	(void)st;
	n->what |= NEED_DATA;
	n->readonly = true;
}

static int set_block(void *block, const char *key, const char *value, struct err *e)
{
	struct cow *c = block;
	uint64_t n;
	if (parse_size(key, value, &n, e) < 0)
		return -1;
	if (n < BLOCK_MIN || n > BLOCK_MAX || n & (n - 1))
		return err_set(e, "%s: must be a power of 2 from 4K to 2G", key);
	c->block = n;
	return 0;
}

static int set_on_read(void *block, const char *key, const char *value, struct err *e)
{
	struct cow *c = block;
	c->on_read_path = *value == '/' ? value : NULL;
	c->on_read = false;
	return c->on_read_path ? 0 : parse_bool(key, value, &c->on_read, e);
}

static const struct option options[] = {
	OPT_CALL("cow-block-size", set_block, "SIZE", "what is copied at once: a power of 2 from 4K to 2G (default: 64K)"),
	OPT_BOOL("cow-on-cache", struct cow, on_cache, "copy what clients ask to cache (default: false)"),
	OPT_CALL("cow-on-read", set_on_read, "BOOL|/PATH", "copy what clients read, or do while /PATH exists (default: false)"),
	{ 0 }
};

const struct module mod_cow = {
	.name = "cow",
	.longname = "keep what is written in a temporary file",
	.filter = true,
	.stage_size = sizeof(struct cow),
	.layer_size = sizeof(struct opened),
	.slot_size = sizeof(struct slot),
	.options = options,
	.start = start,
	.forked = forked,
	.stop = stop,
	.needs = needs,
	.submit = submit,
	.done = done,
};
