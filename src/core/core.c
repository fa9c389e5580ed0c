/* SPDX-License-Identifier: BSD-2-Clause */
/* The path of a request: stacks, and the two functions that move a request through one. */
#include "core/core.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "base/say.h"

enum { SPARE_MAX = 1024 }; /* requests kept for reuse, per stack: about 400 KiB after a deep wave */

const char *op_name(enum op op)
{
	static const char *const names[OP_COUNT] = {
		"preconnect", "list", "default export", "open", "close", "read", "write", "flush", "trim", "zero", "cache", "extents",
	};
	return op < OP_COUNT ? names[op] : "?";
}

/* --- stacks --- */

static size_t round_up(size_t n)
{
	return (n + _Alignof(max_align_t) - 1) & ~(_Alignof(max_align_t) - 1);
}

/* How many stages from first on are of one stack. */
static unsigned reach(const struct stage *first)
{
	const struct stage *s = first, *last = first->all->at + first->all->count - 1;
	while (s < last && !s->mod->bottom)
		s++;
	return (unsigned)(s - first) + 1;
}

static struct layer *find_lender(struct stack *s)
{
	struct layer *l = s->layers + 1, *last = s->layers + s->count - 1;
	while (l < last && l->mod->watches)
		l++;
	return l->mod->lend ? l : NULL;
}

struct stack *stack_new(struct stage *first, const struct module *top, struct loop *l, const struct client *c)
{
	unsigned count = reach(first);
	struct stack *s = calloc(1, sizeof *s);
	if (!s)
		return NULL;
	s->loop = l;
	s->client = c;
	list_init(&s->flying);
	s->layers = calloc(count + 1, sizeof *s->layers);
	if (!s->layers)
		goto fail;
	size_t slots = 0;
	for (unsigned i = 0; i <= count; i++) {
		struct layer *layer = &s->layers[i];
		layer->mod = i ? first[i - 1].mod : top;
		layer->stage = i ? &first[i - 1] : NULL;
		layer->stack = s;
		layer->client = c;
		layer->pos = i;
		layer->slot_at = (uint32_t)slots;
		slots += round_up(layer->mod->slot_size);
		layer->data = calloc(1, layer->mod->layer_size + 1);
		s->count++;
		if (!layer->data)
			goto fail;
	}
	s->req_size = sizeof(struct req) + slots;
	s->lender = find_lender(s);
	return s;
fail:
	stack_free(s);
	return NULL;
}

void stack_free(struct stack *s)
{
	if (!s)
		return;
	for (struct req *r; (r = s->spare); free(r))
		s->spare = r->parent;
	for (unsigned i = 0; i < s->count; i++) {
		struct layer *l = &s->layers[i];
		if (l->mod->gone && l->data)
			l->mod->gone(l);
		free(l->data);
	}
	free(s->layers);
	free(s);
}

void stack_reset(struct stack *s)
{
	stack_top(s)->limits = (struct limits){ 0 };
	for (struct layer *l = stack_top(s) + 1; l < s->layers + s->count; l++) {
		memset((char *)l->data + l->mod->kept_size, 0, l->mod->layer_size - l->mod->kept_size);
		l->limits = (struct limits){ 0 };
		l->client = s->client;
	}
}

void stack_client_below(struct layer *l, const struct client *c)
{
	for (struct layer *b = l + 1; b < l->stack->layers + l->stack->count; b++)
		b->client = c;
}

void stack_cancel(struct stack *s)
{
	list_for_each_safe(&s->flying, link, next) {
		struct req *r = list_entry(link, struct req, flying);
		void (*cancel)(struct layer *, struct req *) = r->cancel;
		if (!cancel || r->op == OP_CLOSE)
			continue;
		r->cancel = NULL;
		cancel(r->parked, r);
	}
}

void stack_leave(struct stack *s, enum leave_how how)
{
	int not_yet = LEAVE_NOT;
	/* Posted before the request's own way home, so the stack is there when it arrives. */
	if (s->leave.run && atomic_compare_exchange_strong(&s->leaving, &not_yet, (int)how))
		loop_post(s->loop, &s->leave);
}

/* --- requests --- */

struct req *req_new(struct layer *home, enum op op)
{
	struct stack *s = home->stack;
	struct req *r = s->spare;
	if (r) {
		s->spare = r->parent;
		s->spare_count--;
	} else if (!(r = malloc(s->req_size))) {
		return NULL;
	}

	/* One by one: gcc 12 makes `rep stos` of a memset(), which begins slowly (3 % of a small request's CPU). */
	r->op = op;
	r->flags = 0;
	r->off = r->len = 0;
	r->data = NULL;
	r->holes = NULL;
	r->err = 0;
	r->err_text = NULL;
	r->err_off = UINT64_MAX;
	r->home = home;
	r->parent = NULL;
	r->cancel = NULL;
	r->parked = NULL;
	list_init(&r->link);
	list_init(&r->flying);
	if (home->mod->slot_size)
		memset(slot_of(home, r), 0, home->mod->slot_size);
	return r;
}

void req_free(struct req *r)
{
	struct stack *s = r->home->stack;
	list_del(&r->link);
	if (s->spare_count >= SPARE_MAX) {
		free(r);
		return;
	}
	s->spare_count++;
	r->parent = s->spare;
	s->spare = r;
}

static __attribute__((cold)) void tell(const struct layer *l, const struct req *r)
{
	if (r->op >= OP_READ)
		say_debug("connection=%" PRIu64 " %s: %s offset=%" PRIu64 " count=%" PRIu64 " flags=0x%x",
			  l->client->id, l->mod->name, op_name(r->op), r->off, r->len, r->flags);
	else
		say_debug("connection=%" PRIu64 " %s: %s", l->client->id, l->mod->name, op_name(r->op));
}

void req_down(struct layer *from, struct req *r)
{
	struct stack *s = from->stack;
	if (from->pos == 0)
		list_add_tail(&s->flying, &r->flying);
	for (struct layer *l = from + 1; l < s->layers + s->count; l++) {
		if (unlikely(say_verbose))
			tell(l, r);
		if (l->mod->submit) {
			l->mod->submit(l, r);
			return;
		}
	}
}

/* What a layer is offered from below, before it says otherwise itself. */
static void inherit(struct layer *l)
{
	l->limits = l[1].limits;
	if (!l[1].client->readonly)
		return;
	l->limits.can_write = l->limits.can_trim = l->limits.can_fast_zero = false;
	l->limits.zero = l->limits.fua = NONE;
}

void req_up(struct layer *from, struct req *r, int err)
{
	r->err = err;
	if (unlikely(say_verbose) && err)
		say_debug("connection=%" PRIu64 " %s: %s failed: %s", from->client->id, from->mod->name,
			  op_name(r->op), strerror(err));
	for (struct layer *l = from - 1;; l--) {
		if (unlikely(r->op == OP_OPEN) && !err)
			inherit(l);
		if (l->pos == 0)
			list_del(&r->flying);
		if (l->mod->done) {
			l->mod->done(l, r);
			return;
		}
	}
}
