/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit/rig.h"
#include <stdlib.h>

static void come_home(struct layer *l, struct req *r)
{
	struct rig *t = l->stack->home_user;
	t->came[t->home % RIG_MAX].op = r->op;
	t->came[t->home % RIG_MAX].off = r->off;
	t->came[t->home % RIG_MAX].err = r->err;
	t->came[t->home % RIG_MAX].data = r->data;
	t->came[t->home % RIG_MAX].when = t->loop.now;
	t->home++;
	req_free(r);
}

static const struct module home = { .name = "home", .done = come_home };

static void reach_bottom(struct layer *l, struct req *r)
{
	struct rig *t = l->stack->home_user;
	t->reached[t->bottom % RIG_MAX].op = r->op;
	t->reached[t->bottom % RIG_MAX].off = r->off;
	t->reached[t->bottom % RIG_MAX].flags = r->flags;
	t->reached[t->bottom % RIG_MAX].when = t->loop.now;
	t->bottom++;
	if (r->op == OP_OPEN)
		l->limits = t->limits;
	if (t->hold)
		list_add_tail(&t->held, &r->link);
	else
		req_up(l, r, t->bottom_err);
}

static const struct module bottom = { .name = "bottom", .submit = reach_bottom };

bool rig_start(struct rig *t, const struct module *const *mods)
{
	struct err e;
	memset(t, 0, sizeof *t);
	if (loop_start(&t->loop, &e) < 0)
		return false;
	t->loop.clock_by_hand = true;
	t->loop.now = 0;
	t->client = (struct client){ .id = 1, .export = "" };
	t->limits = (struct limits){ .size = MIB(1), .can_write = true, .can_flush = true, .can_trim = true,
				     .zero = NATIVE, .fua = NATIVE, .cache = NATIVE, .can_extents = true };
	t->stages.at = t->at;
	list_init(&t->held);
	bool plugin = false;
	for (; *mods; mods++) {
		t->at[t->stages.count++] = (struct stage){ .mod = *mods, .block = calloc(1, (*mods)->stage_size + 1), .all = &t->stages };
		plugin = !(*mods)->filter;
	}
	if (!plugin)
		t->at[t->stages.count++] = (struct stage){ .mod = &bottom, .block = calloc(1, 1), .all = &t->stages };
	return true;
}

bool rig_option(struct rig *t, unsigned i, const char *key, const char *value)
{
	struct err e;
	int rc = -1;
	return stage_option(&t->at[i], key, value, &rc, &e) && rc == 0;
}

bool rig_go(struct rig *t)
{
	struct err e;
	if (stages_start(&t->stages, &e) < 0)
		return false;
	if (stages_forked(&t->stages, false, &e) < 0)
		return false;
	t->stack = stack_new(t->at, &home, &t->loop, &t->client);
	if (!t->stack)
		return false;
	t->stack->home_user = t;
	rig_send(t, OP_OPEN, 0, 0, 0, NULL);
	bool ok = t->home == 1 && t->came[0].err == 0;
	t->home = t->bottom = 0;
	return ok;
}

struct req *rig_send(struct rig *t, enum op op, uint64_t off, uint64_t len, uint32_t flags, void *data)
{
	struct req *r = req_new(stack_top(t->stack), op);
	r->off = off;
	r->len = len;
	r->flags = flags;
	r->data = data;
	req_down(stack_top(t->stack), r);
	return r;
}

void rig_release(struct rig *t, int err)
{
	struct list *link = list_pop(&t->held);
	if (link)
		req_up(&t->stack->layers[t->stack->count - 1], list_entry(link, struct req, link), err);
}

void rig_turn_to(struct rig *t, uint64_t now)
{
	t->loop.now = now;
	loop_turn(&t->loop, false);
}

void rig_stop(struct rig *t)
{
	stack_free(t->stack);
	stages_stop(&t->stages);
	loop_free(&t->loop);
}
