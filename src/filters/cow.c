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
#include "base/hidden.h"
#include "base/parse.h"
#include "base/say.h"
#include "core/needs.h"
#include "core/split.h"
#include "filters/filters.h"
#include "filters/overlay.h"
#include "filters/rangelock.h"
#include "loop/pool.h"

enum { WINDOW = 16, THREADS = 16, PREF_MAX = 32 << 20 };
#define BLOCK_MIN KIB(4)
#define BLOCK_MAX ((uint64_t)2 << 30)
#define CHUNK MIB(1)                /* bytes copied up at once */
#define ZEROES_AT_ONCE MIB(64)      /* ... written as zeroes, before somebody looks whether the client is still there */
#define EXTENTS_SPAN ((uint64_t)1 << 32) /* bytes told of in one answer */

struct cow {
	uint64_t block;             /* bytes; 0: not given */
	bool on_cache, on_read;
	const char *on_read_path;   /* on_read while this exists, borrowed */
	struct overlay overlay;
	struct rangelock lock;
	pthread_mutex_t open_lock;  /* guards the size of the overlay */
	struct pool *pool;
};

struct opened {
	struct client below;        /* the disk below is never written: whoever opens it here only reads */
	uint64_t most;              /* bytes that the disk below reads at once */
	bool can_extents, can_cache; /* it, too */
};

/* Bytes of the disk below to be had before the file is written: a block of which a part changes, or a run to copy up. */
struct piece {
	uint64_t off, len;          /* whole blocks; the last of the disk may be short */
	uint64_t from, to;          /* what changes */
	uint8_t *bytes;             /* ours; NULL: the block is in the file already */
	bool base;                  /* bytes are to be read */
};

struct slot {
	struct split split;         /* first: see split.h */
	struct range range;
	struct job job;
	bool locked, cancelled;
	bool ours;                  /* a read: some of it is not below */
	bool copying;               /* up, before a read or for a cache */
	uint64_t at;                /* where we are */
	uint64_t zeroed;            /* up to here zeroes are written; 0: not begun */
	struct piece pieces[2];
	unsigned count, piece;      /* of them; the one that is read */
	struct extents found;
	int err;                    /* of the job */
};

static struct slot *slot_at(struct split *s) { return container_of(s, struct slot, split); }
static struct cow *cow_of(const struct layer *l) { return l->stage->block; }
static uint64_t down(const struct cow *c, uint64_t n) { return n & ~(c->block - 1); }
static uint64_t end_of(const struct req *r) { return r->off + r->len; }
/* The end of the block in which the byte before n is. */
static uint64_t up(const struct cow *c, uint64_t n) { return MIN(down(c, n + c->block - 1), c->overlay.size); }

static void finish(struct layer *l, struct req *r, int err)
{
	struct slot *s = slot_of(l, r);
	for (unsigned i = 0; i < s->count; i++)
		hidden_free(s->pieces[i].bytes, s->pieces[i].len);
	extents_free(&s->found);
	if (s->locked)
		rangelock_give(&cow_of(l)->lock, &s->range);
	req_up(l, r, err);
}

static void start_split(struct layer *l, struct req *r, unsigned window, bool (*next)(struct split *), void (*ended)(struct split *))
{
	struct slot *s = slot_of(l, r);
	s->split = (struct split){ .layer = l, .parent = r, .window = window, .next = next, .ended = ended };
	split_start(&s->split);
}

static void start_job(struct layer *l, struct req *r, void (*work)(struct job *), void (*over)(struct task *))
{
	struct slot *s = slot_of(l, r);
	s->job = (struct job){ .work = work, .home = l->stack->loop };
	task_init(&s->job.done, over);
	pool_run(cow_of(l)->pool, &s->job);
}

static void send_read(struct split *s, uint64_t off, uint64_t len, void *to)
{
	struct req *child = split_child(s, OP_READ, off, len);
	if (!child)
		return;
	child->data = to;
	child->flags = REQ_PLACE;
	split_send(s, child);
}

static void job_over(struct task *t)
{
	struct slot *s = container_of(t, struct slot, job.done);
	finish(s->split.layer, s->split.parent, s->err);
}

/* --- read --- */

static bool next_read(struct split *split)
{
	struct slot *s = slot_at(split);
	struct req *r = split->parent;
	const struct opened *op = split->layer->data;
	const struct overlay *o = &cow_of(split->layer)->overlay;
	uint64_t next = overlay_run(o, s->at, end_of(r));

	if (overlay_state(o, s->at) != BLOCK_BASE) {
		s->ours = true;
	} else {
		next = MIN(next, s->at + op->most);
		send_read(split, s->at, next - s->at, (uint8_t *)r->data + (s->at - r->off));
	}
	s->at = next;
	return next < end_of(r);
}

static void work_read(struct job *j)
{
	struct slot *s = container_of(j, struct slot, job);
	struct req *r = s->split.parent;
	s->err = overlay_read(&cow_of(s->split.layer)->overlay, r->data, r->off, r->len);
}

static void read_ended(struct split *split)
{
	if (split->err || !slot_at(split)->ours)
		finish(split->layer, split->parent, split->err);
	else
		start_job(split->layer, split->parent, work_read, job_over);
}

static bool all_base(const struct overlay *o, const struct req *r)
{
	return overlay_state(o, r->off) == BLOCK_BASE && overlay_run(o, r->off, end_of(r)) == end_of(r);
}

static void start_read(struct layer *l, struct req *r)
{
	struct slot *s = slot_of(l, r);

	if (all_base(&cow_of(l)->overlay, r)) {
		req_down(l, r);
		return;
	}
	s->at = r->off;
	start_split(l, r, WINDOW, next_read, read_ended);
}

/* --- write, zero, trim --- */

static bool next_piece(struct split *split)
{
	struct slot *s = slot_at(split);
	const struct opened *op = split->layer->data;

	while (s->piece < s->count && (!s->pieces[s->piece].base || s->at == s->pieces[s->piece].len)) {
		s->piece++;
		s->at = 0;
	}
	if (s->piece == s->count)
		return false;
	struct piece *p = &s->pieces[s->piece];
	uint64_t n = MIN(p->len - s->at, op->most), at = s->at;
	s->at += n;
	send_read(split, p->off + at, n, p->bytes + at);
	return true;
}

static int change_part(struct overlay *o, const struct req *r, struct piece *p)
{
	const uint8_t *data = r->op == OP_WRITE ? (const uint8_t *)r->data + (p->from - r->off) : NULL;

	if (!p->bytes)
		return overlay_write(o, data, p->from, p->to - p->from);
	if (data)
		memcpy(p->bytes + (p->from - p->off), data, p->to - p->from);
	else
		memset(p->bytes + (p->from - p->off), 0, p->to - p->from);
	return overlay_write(o, p->bytes, p->off, p->len);
}

static void work_change(struct job *j)
{
	struct slot *s = container_of(j, struct slot, job);
	struct cow *c = cow_of(s->split.layer);
	const struct req *r = s->split.parent;
	uint64_t from = r->off, to = end_of(r), end = to;
	bool first = !s->zeroed;

	s->err = 0;
	for (unsigned i = 0; i < s->count && !s->err; i++) {
		struct piece *p = &s->pieces[i];
		s->err = first ? change_part(&c->overlay, r, p) : 0;
		if (p->from == from) /* the first block is dealt with, or the last */
			from = p->to;
		else
			to = p->from;
	}
	s->zeroed = end;
	if (s->err || from >= to)
		return;
	if (r->op == OP_WRITE) {
		s->err = overlay_write(&c->overlay, (const uint8_t *)r->data + (from - r->off), from, to - from);
	} else if (r->op == OP_ZERO && r->flags & REQ_NO_HOLE) {
		from = first ? from : s->zeroed;
		uint64_t stop = from + MIN(to - from, MAX(c->block, ZEROES_AT_ONCE));
		s->err = overlay_write(&c->overlay, NULL, from, stop - from);
		s->zeroed = stop < to ? stop : end;
	} else {
		overlay_drop(&c->overlay, from, to - from);
	}
}

static void changed(struct task *t)
{
	struct slot *s = container_of(t, struct slot, job.done);
	struct layer *l = s->split.layer;
	struct req *r = s->split.parent;

	if (s->err || s->zeroed == end_of(r))
		finish(l, r, s->err);
	else if (l->stack->client->gone)
		finish(l, r, ESHUTDOWN);
	else
		start_job(l, r, work_change, changed);
}

static void pieces_ended(struct split *split)
{
	if (split->err)
		finish(split->layer, split->parent, split->err);
	else
		start_job(split->layer, split->parent, work_change, changed);
}

/* The block at off changes from `from` to `to`.  False: no memory. */
static bool add_part(struct slot *s, const struct cow *c, uint64_t off, uint64_t from, uint64_t to)
{
	struct piece *p = &s->pieces[s->count++];
	enum block_state state = overlay_state(&c->overlay, off);

	*p = (struct piece){ .off = off, .len = up(c, off + 1) - off, .from = from, .to = to, .base = state == BLOCK_BASE };
	if (state != BLOCK_OURS)
		p->bytes = hidden_get(p->len);
	return state == BLOCK_OURS || p->bytes;
}

static void start_change(struct layer *l, struct req *r)
{
	const struct cow *c = cow_of(l);
	struct slot *s = slot_of(l, r);
	uint64_t first = down(c, r->off), last = down(c, end_of(r) - 1), end = end_of(r);
	bool ok = true;

	if (r->off > first || end < up(c, first + 1))
		ok = add_part(s, c, first, r->off, MIN(end, up(c, first + 1)));
	if (last != first && end < up(c, last + 1))
		ok = add_part(s, c, last, last, end) && ok;
	if (!ok) {
		finish(l, r, ENOMEM);
		return;
	}
	s->at = 0;
	start_split(l, r, WINDOW, next_piece, pieces_ended);
}

/* --- copy up what is still below: for a cache, or before a read --- */

static void next_copy(struct layer *l, struct req *r);

static void work_copy(struct job *j)
{
	struct slot *s = container_of(j, struct slot, job);
	struct piece *p = &s->pieces[0];
	s->err = overlay_write(&cow_of(s->split.layer)->overlay, p->bytes, p->off, p->len);
}

static void copied(struct task *t)
{
	struct slot *s = container_of(t, struct slot, job.done);
	struct layer *l = s->split.layer;
	struct req *r = s->split.parent;

	hidden_free(s->pieces[0].bytes, s->pieces[0].len);
	s->count = 0;
	if (s->err || l->stack->client->gone)
		finish(l, r, s->err ? s->err : ESHUTDOWN);
	else
		next_copy(l, r);
}

static void copy_ended(struct split *split)
{
	if (split->err)
		finish(split->layer, split->parent, split->err);
	else
		start_job(split->layer, split->parent, work_copy, copied);
}

static void next_copy(struct layer *l, struct req *r)
{
	struct cow *c = cow_of(l);
	struct slot *s = slot_of(l, r);
	uint64_t end = up(c, end_of(r)), at = s->range.start;

	while (at < end && overlay_state(&c->overlay, at) != BLOCK_BASE)
		at = overlay_run(&c->overlay, at, end);
	if (at >= end && r->op == OP_CACHE) {
		finish(l, r, 0);
		return;
	}
	if (at >= end) {
		s->locked = false;
		rangelock_give(&c->lock, &s->range);
		start_read(l, r);
		return;
	}
	uint64_t len = MIN(overlay_run(&c->overlay, at, end) - at, MAX(c->block, CHUNK));
	s->pieces[0] = (struct piece){ .off = at, .len = len, .base = true, .bytes = hidden_get(len) };
	s->count = 1;
	s->piece = 0;
	s->at = 0;
	if (s->pieces[0].bytes)
		start_split(l, r, WINDOW, next_piece, copy_ended);
	else
		finish(l, r, ENOMEM);
}

/* --- extents --- */

static bool next_extents(struct split *split)
{
	struct slot *s = slot_at(split);
	struct req *r = split->parent;
	struct extents *x = r->data;
	const struct opened *op = split->layer->data;
	const struct overlay *o = &cow_of(split->layer)->overlay;
	uint64_t end = MIN(end_of(r), r->off + EXTENTS_SPAN);

	if (x->at >= end || s->err)
		return false;
	enum block_state state = overlay_state(o, x->at);
	uint64_t n = overlay_run(o, x->at, end) - x->at;
	if (state != BLOCK_BASE || !op->can_extents)
		return extents_add(x, n, state == BLOCK_ZERO ? EXTENT_HOLE | EXTENT_ZERO : 0) && x->at < end;
	struct req *child = split_child(split, OP_EXTENTS, x->at, n);
	if (!child)
		return false;
	extents_init(&s->found, x->at, n, EXTENTS_MAX);
	child->data = &s->found;
	child->flags = r->flags;
	split_send(split, child);
	return true;
}

static void extents_came(struct split *split, struct req *child)
{
	struct slot *s = slot_at(split);
	bool more = s->found.count > 0;

	if (!child->err && !more)
		split->err = EIO; /* it tells nothing: asking again would not end */
	for (size_t i = 0; i < s->found.count && more && !child->err; i++)
		more = extents_add(split->parent->data, s->found.list[i].len, s->found.list[i].flags);
	s->err = !more; /* the list is full */
	extents_free(&s->found);
}

static void extents_ended(struct split *split)
{
	finish(split->layer, split->parent, split->err);
}

static void start_extents(struct layer *l, struct req *r)
{
	struct slot *s = slot_of(l, r);
	s->split = (struct split){
		.layer = l, .parent = r, .window = 1, .next = next_extents, .came = extents_came, .ended = extents_ended,
	};
	split_start(&s->split);
}

/* --- requests --- */

static void got_blocks(struct layer *l, struct req *r)
{
	struct slot *s = slot_of(l, r);
	s->locked = true;
	req_unpark(r);
	if (s->cancelled)
		finish(l, r, ESHUTDOWN);
	else if (s->copying)
		next_copy(l, r);
	else
		start_change(l, r);
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
		finish(l, r, ESHUTDOWN);
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
			start_read(l, r);
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
		start_extents(l, r);
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
