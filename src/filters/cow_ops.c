/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/hidden.h"
#include "filters/cow.h"

enum { WINDOW = 16 };
#define CHUNK MIB(1)                /* bytes copied up at once */
#define ZEROES_AT_ONCE MIB(64)      /* ... written as zeroes, before somebody looks whether the client is still there */
#define EXTENTS_SPAN ((uint64_t)1 << 32) /* bytes told of in one answer */

void cow_finish(struct layer *l, struct req *r, int err)
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
	cow_finish(s->split.layer, s->split.parent, s->err);
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
		cow_finish(split->layer, split->parent, split->err);
	else
		start_job(split->layer, split->parent, work_read, job_over);
}

static bool all_base(const struct overlay *o, const struct req *r)
{
	return overlay_state(o, r->off) == BLOCK_BASE && overlay_run(o, r->off, end_of(r)) == end_of(r);
}

void cow_read(struct layer *l, struct req *r)
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
		cow_finish(l, r, s->err);
	else if (l->stack->client->gone)
		cow_finish(l, r, ESHUTDOWN);
	else
		start_job(l, r, work_change, changed);
}

static void pieces_ended(struct split *split)
{
	if (split->err)
		cow_finish(split->layer, split->parent, split->err);
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

void cow_change(struct layer *l, struct req *r)
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
		cow_finish(l, r, ENOMEM);
		return;
	}
	s->at = 0;
	start_split(l, r, WINDOW, next_piece, pieces_ended);
}

/* --- copy up what is still below: for a cache, or before a read --- */

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
		cow_finish(l, r, s->err ? s->err : ESHUTDOWN);
	else
		cow_copy(l, r);
}

static void copy_ended(struct split *split)
{
	if (split->err)
		cow_finish(split->layer, split->parent, split->err);
	else
		start_job(split->layer, split->parent, work_copy, copied);
}

void cow_copy(struct layer *l, struct req *r)
{
	struct cow *c = cow_of(l);
	struct slot *s = slot_of(l, r);
	uint64_t end = up(c, end_of(r)), at = s->range.start;

	while (at < end && overlay_state(&c->overlay, at) != BLOCK_BASE)
		at = overlay_run(&c->overlay, at, end);
	if (at >= end && r->op == OP_CACHE) {
		cow_finish(l, r, 0);
		return;
	}
	if (at >= end) {
		s->locked = false;
		rangelock_give(&c->lock, &s->range);
		cow_read(l, r);
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
		cow_finish(l, r, ENOMEM);
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
	cow_finish(split->layer, split->parent, split->err);
}

void cow_extents(struct layer *l, struct req *r)
{
	struct slot *s = slot_of(l, r);
	s->split = (struct split){
		.layer = l, .parent = r, .window = 1, .next = next_extents, .came = extents_came, .ended = extents_ended,
	};
	split_start(&s->split);
}
