/* SPDX-License-Identifier: BSD-2-Clause */
/* blocksize: whatever a client asks for reaches the disk below in whole blocks and no larger than it likes.
 * Parameters are those of nbdkit-blocksize-filter(1).
 *
 * A request that fits goes down as it is.  Others become children: a part of a block is read whole, and written back
 * with the change in it.  Meanwhile no other write may touch that block, from any connection: so writes, zeroes and
 * trims take their range, shared if it is whole blocks.  The stage is constant after start, but for that lock. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "base/parse.h"
#include "base/say.h"
#include "core/split.h"
#include "filters/filters.h"
#include "filters/rangelock.h"

enum { MIN_MAX = 64 << 10, WINDOW = 16 };
#define DATA_MAX MIB(64) /* what a server of this protocol takes by default */

struct blocksize {
	uint64_t minblock, maxdata, maxlen; /* bytes; 0: not given */
	struct rangelock lock;
};

struct opened {
	uint32_t min, maxdata, maxlen; /* bytes; multiples of min, a power of two */
};

struct slot {
	struct split split;       /* first: see split.h */
	struct range range;       /* a parent's */
	bool locked, cancelled;
	uint64_t at;              /* a parent's: where the next child begins */
	uint8_t *bounce;          /* a child's: the whole block, ours */
	uint64_t part, part_len;  /* a child's: the bytes of it that matter, as offsets of the disk */
	struct extents found;     /* of a parent that asks for extents */
};

static uint64_t down(const struct opened *o, uint64_t n) { return n & ~(uint64_t)(o->min - 1); }
static uint64_t up(const struct opened *o, uint64_t n) { return down(o, n + o->min - 1); }

static struct slot *slot_at(struct split *s) { return container_of(s, struct slot, split); }

/* --- children --- */

static bool modifies(enum op op)
{
	return op == OP_WRITE || op == OP_ZERO || op == OP_TRIM;
}

static uint32_t limit_of(const struct opened *o, enum op op)
{
	return op == OP_READ || op == OP_WRITE ? o->maxdata : o->maxlen;
}

/* Read the block of which n bytes at `at` are asked for, or are to change. */
static void send_part(struct split *s, uint64_t at, uint64_t n)
{
	const struct opened *o = s->layer->data;
	struct req *c = split_child(s, OP_READ, down(o, at), o->min);
	if (!c)
		return;
	struct slot *mine = slot_of(s->layer, c);
	c->data = mine->bounce = malloc(o->min);
	if (!mine->bounce) {
		req_free(c);
		s->err = ENOMEM;
		return;
	}
	c->flags = REQ_PLACE;
	mine->part = at;
	mine->part_len = n;
	split_send(s, c);
}

static void send_whole(struct split *s, uint64_t at, uint64_t n)
{
	struct req *r = s->parent, *c = split_child(s, r->op, at, n);
	if (!c)
		return;
	c->flags = r->flags;
	if (r->op == OP_READ)
		c->flags |= REQ_PLACE;
	if (r->op == OP_READ || r->op == OP_WRITE)
		c->data = (uint8_t *)r->data + (at - r->off);
	split_send(s, c);
}

/* READ, WRITE, ZERO, TRIM: parts of blocks at either end, whole blocks between. */
static bool next_child(struct split *s)
{
	const struct opened *o = s->layer->data;
	struct slot *mine = slot_at(s);
	struct req *r = s->parent;
	uint64_t at = mine->at, end = r->off + r->len, n;

	if (at != down(o, at) || end - at < o->min) {
		n = MIN(end, down(o, at) + o->min) - at;
		if (r->op != OP_TRIM) /* a trim is advice: a part of a block is left alone */
			send_part(s, at, n);
	} else {
		n = MIN(down(o, end - at), (uint64_t)limit_of(o, r->op));
		send_whole(s, at, n);
	}
	mine->at += n;
	return mine->at < end;
}

/* CACHE: the blocks around. */
static bool next_cache(struct split *s)
{
	const struct opened *o = s->layer->data;
	struct slot *mine = slot_at(s);
	uint64_t end = up(o, s->parent->off + s->parent->len), n = MIN(end - down(o, mine->at), (uint64_t)o->maxlen);

	mine->at = down(o, mine->at);
	send_whole(s, mine->at, n);
	mine->at += n;
	return mine->at < end;
}

/* EXTENTS: one child; a client that wants to know more asks again. */
static bool ask_extents(struct split *s)
{
	const struct opened *o = s->layer->data;
	struct slot *mine = slot_at(s);
	struct req *r = s->parent;
	uint64_t start = down(o, r->off), n = MIN(up(o, r->off + r->len) - start, (uint64_t)o->maxlen);
	struct req *c = split_child(s, OP_EXTENTS, start, n);

	if (!c)
		return false;
	extents_init(&mine->found, start, n, EXTENTS_MAX);
	c->data = &mine->found;
	c->flags = r->flags & ~(uint32_t)REQ_ONE; /* the first may lie before what is asked for */
	split_send(s, c);
	return false;
}

/* The block of a part has come: take the bytes out, or put them in and write it back. */
static void got_part(struct split *s, struct req *c)
{
	struct slot *mine = slot_of(s->layer, c);
	struct req *r = s->parent;
	uint8_t *in_block = mine->bounce + (mine->part - c->off);
	uint8_t *in_request = r->data ? (uint8_t *)r->data + (mine->part - r->off) : NULL; /* a zero has none */

	if (r->op == OP_READ) {
		memcpy(in_request, in_block, mine->part_len);
		return;
	}
	struct req *back = split_child(s, OP_WRITE, c->off, c->len);
	if (!back)
		return;
	if (r->op == OP_WRITE)
		memcpy(in_block, in_request, mine->part_len);
	else
		memset(in_block, 0, mine->part_len);
	back->flags = r->flags & REQ_FUA;
	((struct slot *)slot_of(s->layer, back))->bounce = mine->bounce;
	back->data = mine->bounce;
	mine->bounce = NULL; /* handed on */
	split_send(s, back);
}

static void came(struct split *s, struct req *c)
{
	struct slot *mine = slot_of(s->layer, c);
	if (mine->bounce && c->op == OP_READ && !s->err)
		got_part(s, c);
	free(mine->bounce);
}

/* What was found around, cut to what was asked for. */
static void tell_extents(struct slot *s, struct req *r)
{
	struct extents *x = r->data;
	uint64_t skip = r->off - s->found.start;

	for (size_t i = 0; i < s->found.count; i++) {
		uint64_t len = s->found.list[i].len, cut = MIN(len, skip);
		skip -= cut;
		if (len > cut && !extents_add(x, len - cut, s->found.list[i].flags))
			break;
	}
}

static void finish(struct layer *l, struct req *r, int err)
{
	struct blocksize *b = l->stage->block;
	struct slot *s = slot_of(l, r);

	if (r->op == OP_EXTENTS) {
		if (!err)
			tell_extents(s, r);
		extents_free(&s->found);
	}
	if (s->locked)
		rangelock_give(&b->lock, &s->range);
	req_up(l, r, err);
}

static void ended(struct split *s)
{
	finish(s->layer, s->parent, s->err);
}

/* --- requests --- */

static bool aligned(const struct opened *o, const struct req *r)
{
	return down(o, r->off) == r->off && down(o, r->len) == r->len;
}

static void begin(struct layer *l, struct req *r)
{
	const struct opened *o = l->data;
	struct slot *s = slot_of(l, r);

	if (aligned(o, r) && r->len <= limit_of(o, r->op)) {
		req_down(l, r);
		return;
	}
	if (r->op == OP_ZERO && r->flags & REQ_FAST && !aligned(o, r)) {
		finish(l, r, EOPNOTSUPP); /* read and write back is no faster than writing */
		return;
	}
	s->at = r->off;
	s->split = (struct split){
		.layer = l, .parent = r, .window = WINDOW, .came = came, .ended = ended,
		.next = r->op == OP_CACHE ? next_cache : r->op == OP_EXTENTS ? ask_extents : next_child,
	};
	split_start(&s->split);
}

static void got_range(struct task *t)
{
	struct slot *s = container_of(t, struct slot, range.got);
	struct layer *l = s->split.layer;
	struct req *r = s->split.parent;

	s->locked = true;
	req_unpark(r);
	if (s->cancelled)
		finish(l, r, ESHUTDOWN);
	else
		begin(l, r);
}

static void cancel_wait(struct layer *l, struct req *r)
{
	struct blocksize *b = l->stage->block;
	struct slot *s = slot_of(l, r);
	s->cancelled = true;
	if (rangelock_forget(&b->lock, &s->range))
		finish(l, r, ESHUTDOWN);
}

static void submit(struct layer *l, struct req *r)
{
	struct blocksize *b = l->stage->block;
	const struct opened *o = l->data;
	struct slot *s = slot_of(l, r);

	if (r->op < OP_READ || r->op == OP_FLUSH) {
		req_down(l, r);
		return;
	}
	*s = (struct slot){ .split = { .layer = l, .parent = r } };
	if (!modifies(r->op) || o->min == 1) {
		begin(l, r);
		return;
	}
	s->range = (struct range){
		.start = down(o, r->off), .end = up(o, r->off + r->len), .shared = aligned(o, r) || r->op == OP_TRIM,
		.loop = l->stack->loop,
	};
	task_init(&s->range.got, got_range);
	req_park(l, r, cancel_wait);
	if (!rangelock_take(&b->lock, &s->range))
		return;
	s->locked = true;
	req_unpark(r);
	begin(l, r);
}

/* --- the disk is opened --- */

static int set_limits(struct layer *l)
{
	const struct blocksize *b = l->stage->block;
	struct opened *o = l->data;
	struct limits *m = &l->limits;
	uint64_t min = MAX(b->minblock, (uint64_t)m->min_block);
	min = MAX(min, (uint64_t)1);
	uint64_t most = m->max_block ? m->max_block : UINT32_MAX;
	uint64_t maxdata = MIN(b->maxdata ? b->maxdata : DATA_MAX, most), maxlen = b->maxlen ? b->maxlen : UINT32_MAX;

	if (maxdata < min || maxlen < min) {
		say_error("blocksize: maxdata and maxlen must be at least %" PRIu64 ", the block size of the disk below", min);
		return EINVAL;
	}
	o->min = (uint32_t)min;
	o->maxdata = (uint32_t)down(o, maxdata);
	o->maxlen = (uint32_t)down(o, maxlen);
	m->size = down(o, m->size);
	m->min_block = 1;
	m->pref_block = MAX(m->pref_block, o->min);
	m->pref_block = MAX(m->pref_block, (uint32_t)4096);
	m->max_block = UINT32_MAX;
	return 0;
}

static void done(struct layer *l, struct req *r)
{
	if (split_came(l, r))
		return;
	int err = r->op == OP_OPEN && !r->err ? set_limits(l) : 0;
	if (err)
		open_refuse(l, r, err);
	else if (r->op < OP_READ || r->op == OP_FLUSH || r->op == OP_EXTENTS)
		req_up(l, r, r->err);
	else
		finish(l, r, r->err);
}

/* --- parameters --- */

static int set_size(uint64_t *to, const char *key, const char *value, uint64_t max, struct err *e)
{
	if (parse_size(key, value, to, e) < 0)
		return -1;
	if (!*to)
		return err_set(e, "%s: must not be 0", key);
	if (*to > max)
		return err_set(e, "%s: must not exceed %" PRIu64, key, max);
	return 0;
}

static int set_minblock(void *block, const char *key, const char *value, struct err *e)
{
	struct blocksize *b = block;
	if (set_size(&b->minblock, key, value, MIN_MAX, e) < 0)
		return -1;
	return b->minblock & (b->minblock - 1) ? err_set(e, "%s: must be a power of 2", key) : 0;
}

static int set_maxdata(void *block, const char *key, const char *value, struct err *e)
{
	return set_size(&((struct blocksize *)block)->maxdata, key, value, UINT32_MAX, e);
}

static int set_maxlen(void *block, const char *key, const char *value, struct err *e)
{
	return set_size(&((struct blocksize *)block)->maxlen, key, value, UINT32_MAX, e);
}

static int start(struct stage *st, struct err *e)
{
	struct blocksize *b = st->block;
	rangelock_init(&b->lock);
	if (b->minblock && b->maxdata % b->minblock)
		return err_set(e, "maxdata must be a multiple of minblock, %" PRIu64, b->minblock);
	if (b->minblock && b->maxlen % b->minblock)
		return err_set(e, "maxlen must be a multiple of minblock, %" PRIu64, b->minblock);
	return 0;
}

static void stop(struct stage *st)
{
	rangelock_free(&((struct blocksize *)st->block)->lock);
}

static const struct option options[] = {
	OPT_CALL("minblock", set_minblock, "SIZE", "block size that the disk below wants, to 64K (default: what it says, or 1)"),
	OPT_CALL("maxdata", set_maxdata, "SIZE", "the most it reads or writes at once (default: what it says, to 64M)"),
	OPT_CALL("maxlen", set_maxlen, "SIZE", "the most it trims, zeroes, caches or maps at once (default: 4G)"),
	{ 0 }
};

const struct module mod_blocksize = {
	.name = "blocksize",
	.longname = "whole blocks and bounded lengths for the disk below",
	.filter = true,
	.stage_size = sizeof(struct blocksize),
	.layer_size = sizeof(struct opened),
	.slot_size = sizeof(struct slot),
	.options = options,
	.start = start,
	.stop = stop,
	.submit = submit,
	.done = done,
};
