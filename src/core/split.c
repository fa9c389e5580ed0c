/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/split.h"
#include <errno.h>

enum { BURST = 64 }; /* children sent before others have their turn */

static void cancel(struct layer *l, struct req *parent);

/* --- sending --- */

static void pump(struct split *s)
{
	unsigned burst = 0;

	if (s->busy || s->waiting)
		return;
	s->busy++; /* children of a fast disk come up in here */
	while (s->more && !s->err && s->count < s->window) {
		if (burst++ == BURST) {
			s->waiting = true;
			loop_later(s->layer->stack->loop, &s->later);
			break;
		}
		s->more = s->next(s);
	}
	s->busy--;
}

static void settle(struct split *s)
{
	if (s->count || s->busy || s->waiting || (s->more && !s->err))
		return;
	req_unpark(s->parent);
	if (s->ended)
		s->ended(s);
	else
		req_up(s->layer, s->parent, s->err);
}

static void go_on(struct task *t)
{
	struct split *s = container_of(t, struct split, later);
	s->waiting = false;
	pump(s);
	settle(s);
}

void split_start(struct split *s)
{
	list_init(&s->flying);
	task_init(&s->later, go_on);
	s->more = true;
	req_park(s->layer, s->parent, cancel);
	pump(s);
	settle(s);
}

struct req *split_child(struct split *s, enum op op, uint64_t off, uint64_t len)
{
	struct req *r = req_new(s->layer, op);
	if (!r) {
		s->err = ENOMEM;
		return NULL;
	}
	r->parent = s->parent;
	r->off = off;
	r->len = len;
	return r;
}

void split_send(struct split *s, struct req *child)
{
	s->count++;
	list_add_tail(&s->flying, &child->flying); /* core has no use for it below the top */
	req_down(s->layer, child);
}

/* --- coming up --- */

static void remember(struct split *s, const struct req *child)
{
	if (!child->err || s->err)
		return;
	s->err = child->err;
	s->parent->err_text = child->err_text;
	s->parent->err_off = child->err_off;
}

bool split_came(struct layer *l, struct req *r)
{
	struct req *parent = r->parent;

	if (r->home != l)
		return false;
	if (r->op == OP_CLOSE) {
		req_free(r);
		req_up(l, parent, parent->err);
		return true;
	}
	struct split *s = slot_of(l, parent);
	list_del(&r->flying);
	s->busy++; /* what came() sends may come up at once: then this one is still to be counted */
	remember(s, r);
	if (s->came)
		s->came(s, r);
	s->busy--;
	s->count--;
	req_free(r);
	pump(s);
	settle(s);
	return true;
}

/* Children that are parked come up at once, the others in their own time. */
static void cancel(struct layer *l, struct req *parent)
{
	struct split *s = slot_of(l, parent);

	if (!s->err)
		s->err = ESHUTDOWN;
	req_park(l, parent, cancel); /* again: one of them may park later */
	s->busy++;
	for (struct list *link = s->flying.next; link != &s->flying;) {
		struct req *child = list_entry(link, struct req, flying);
		void (*wake)(struct layer *, struct req *) = child->cancel;
		link = link->next;
		if (!wake)
			continue;
		child->cancel = NULL;
		wake(child->parked, child);
		link = s->flying.next; /* it may have taken others along */
	}
	s->busy--;
	settle(s);
}

/* --- an OPEN that is refused --- */

void open_refuse(struct layer *l, struct req *r, int err)
{
	struct req *close = req_new(l, OP_CLOSE);

	r->err = err;
	if (!close) { /* gone() below tidies up instead */
		req_up(l, r, err);
		return;
	}
	close->parent = r;
	req_down(l, close);
}
