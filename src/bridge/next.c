/* SPDX-License-Identifier: BSD-2-Clause */
/* The stacks below filters, and how threads that wait put requests into them. */
#include "bridge/next.h"
#include <errno.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include "bridge/next_ops.h"

/* --- have something done on a loop, and wait for it --- */

struct errand {
	struct task task;
	void (*run)(void *arg);
	void *arg;
	sem_t done;
};

static void run_errand(struct task *t)
{
	struct errand *e = container_of(t, struct errand, task);
	e->run(e->arg);
	sem_post(&e->done);
}

static void wait_for(sem_t *s)
{
	while (sem_wait(s) < 0 && errno == EINTR)
		;
}

static void on_loop(struct loop *l, void (*run)(void *), void *arg)
{
	struct errand e = { .run = run, .arg = arg };
	task_init(&e.task, run_errand);
	sem_init(&e.done, 0, 0);
	loop_post(l, &e.task);
	wait_for(&e.done);
	sem_destroy(&e.done);
}

/* --- the top layer of a next's stack --- */

struct slot {
	struct wanted *wanted;  /* whose thread waits; NULL: a request that passes through */
	struct layer *from;     /* where that came from, ... */
	struct req *parent;     /* ... and what it was there */
};

static void came_home(struct layer *l, struct req *r)
{
	struct slot *s = slot_of(l, r);
	struct wanted *w = s->wanted;

	if (w) {
		w->err = r->err;
		req_free(r);
		sem_post(&w->done);
		return;
	}
	struct layer *from = s->from;
	struct req *parent = s->parent;
	int err = r->err;
	parent->err_text = r->err_text;
	parent->err_off = r->err_off;
	parent->holes = r->holes;
	req_free(r);
	req_unpark(parent);
	req_up(from, parent, err);
}

static const struct module mod_next = {
	.name = "next",
	.slot_size = sizeof(struct slot),
	.done = came_home,
};

/* --- requests of a thread that waits --- */

static void send_wanted(struct task *t)
{
	struct wanted *w = container_of(t, struct wanted, task);
	struct layer *top = stack_top(w->next->stack);
	struct req *r = req_new(top, w->op);

	if (!r) {
		w->err = ENOMEM;
		sem_post(&w->done);
		return;
	}
	((struct slot *)slot_of(top, r))->wanted = w;
	r->flags = w->flags;
	r->off = w->off;
	r->len = w->len;
	r->data = w->data;
	req_down(top, r);
}

struct layer *next_direct(const struct next *n)
{
	struct layer *l = stack_top(n->stack) + 1;
	return l->mod->direct ? l : NULL;
}

static int call_direct(struct layer *l, struct wanted *w)
{
	struct req r = { .op = w->op, .flags = w->flags, .off = w->off, .len = w->len, .data = w->data, .err_off = UINT64_MAX };
	return w->err = l->mod->direct(l, &r);
}

int next_want(struct next *n, struct wanted *w)
{
	struct layer *l = w->op >= OP_READ ? next_direct(n) : NULL;
	if (l)
		return call_direct(l, w);
	w->next = n;
	task_init(&w->task, send_wanted);
	sem_init(&w->done, 0, 0);
	loop_post(n->loop, &w->task);
	wait_for(&w->done);
	sem_destroy(&w->done);
	return w->err;
}

/* --- requests that pass through --- */

/* Whom the layers below serve: as c, but the export is told when it is opened. */
static void serve(struct next *n, const struct client *c)
{
	const char *export = n->client.export;
	n->client = *c;
	n->client.export = export;
}

static void cancel_passing(struct layer *from, struct req *parent)
{
	struct req *child = *(struct req **)slot_of(from, parent);
	void (*cancel)(struct layer *, struct req *) = child->cancel;

	if (!cancel)
		return; /* it comes up in its own time */
	child->cancel = NULL;
	cancel(child->parked, child);
}

void next_pass(struct next *n, struct layer *from, struct req *r)
{
	struct layer *top = stack_top(n->stack);
	struct req *child = req_new(top, r->op);

	if (!child) {
		req_up(from, r, ENOMEM);
		return;
	}
	if (!n->open)
		serve(n, from->client);
	*(struct slot *)slot_of(top, child) = (struct slot){ .from = from, .parent = r };
	child->flags = r->flags | (r->op == OP_READ ? REQ_PLACE : 0); /* what is lent would go with the child */
	child->off = r->off;
	child->len = r->len;
	child->data = r->data;
	child->holes = r->holes;
	*(struct req **)slot_of(from, r) = child;
	req_park(from, r, cancel_passing);
	req_down(top, child);
}

void next_cancel(struct next *n)
{
	n->client.gone = true;
	stack_cancel(n->stack);
}

/* --- making and freeing --- */

static void leave(struct task *t)
{
	struct stack *s = container_of(t, struct stack, leave);
	const struct next *n = s->home_user;
	if (n->above)
		stack_leave(n->above, (enum leave_how)atomic_load(&s->leaving));
}

struct next *next_make(struct stage *below, struct loop *l, const struct client *c, struct stack *above, struct list *whose)
{
	struct next *n = calloc(1, sizeof *n);

	if (!n)
		return NULL;
	n->ops = next_ops;
	n->below = below;
	n->loop = l;
	n->above = above;
	n->client.export = strdup("");
	list_init(&n->link);
	serve(n, c);
	n->stack = n->client.export ? stack_new(below, &mod_next, l, &n->client) : NULL;
	if (!n->stack) {
		free((char *)n->client.export);
		free(n);
		return NULL;
	}
	n->stack->home_user = n;
	task_init(&n->stack->leave, leave);
	if (whose)
		list_add_tail(whose, &n->link);
	return n;
}

struct making {
	struct stage *below;
	struct loop *l;
	const struct client *c;
	struct stack *above;
	struct list *whose;
	struct next *n;
};

static void make(void *arg)
{
	struct making *m = arg;
	m->n = next_make(m->below, m->l, m->c, m->above, m->whose);
}

struct next *next_new(struct stage *below, struct loop *l, const struct client *c, struct stack *above, struct list *whose)
{
	struct making m = { below, l, c, above, whose, NULL };
	on_loop(l, make, &m);
	return m.n;
}

void next_gone(struct next *n)
{
	list_del(&n->link);
	stack_free(n->stack);
	free((char *)n->client.export);
	free(n);
}

static void call_gone(void *arg)
{
	next_gone(arg);
}

void next_free(struct next *n)
{
	if (n)
		on_loop(n->loop, call_gone, n);
}

struct search {
	const struct list *whose;
	const struct next *except;
	struct next *found;
};

static void search(void *arg)
{
	struct search *s = arg;
	for (struct list *link = s->whose->next; link != s->whose && !s->found; link = link->next)
		if (list_entry(link, struct next, link) != s->except)
			s->found = list_entry(link, struct next, link);
}

struct next *next_left(struct loop *l, struct list *whose, const struct next *except)
{
	struct search s = { .whose = whose, .except = except };
	on_loop(l, search, &s);
	return s.found;
}

/* --- opening and closing --- */

static int ask(struct next *n, enum op op, void *data)
{
	struct wanted w = { .op = op, .data = data };
	return next_want(n, &w);
}

int next_ask(struct next *n, const struct client *c, bool readonly, enum op op, void *data)
{
	if (!n->open) {
		serve(n, c);
		n->client.readonly = readonly;
	}
	return ask(n, op, data);
}

static void forget(void *arg)
{
	struct next *n = arg;
	stack_reset(n->stack);
}

static int name_default(struct next *n)
{
	struct exports x = { 0 };
	int err = ask(n, OP_DEFAULT, &x);
	if (!err && x.count) {
		free((char *)n->client.export);
		n->client.export = x.list[0].name;
		x.list[0].name = NULL;
	}
	err = err ? err : x.count ? 0 : ENOENT;
	exports_free(&x);
	return err;
}

int next_open(struct next *n, bool readonly, const char *export)
{
	char *name = strdup(export);
	if (n->open || !name) {
		free(name);
		return n->open ? EBUSY : ENOMEM;
	}
	free((char *)n->client.export);
	n->client.export = name;
	n->client.readonly = readonly;
	int err = *name ? 0 : name_default(n);
	if (!err)
		err = ask(n, OP_OPEN, NULL);
	n->open = !err;
	if (err)
		on_loop(n->loop, forget, n);
	return err;
}

void next_close(struct next *n)
{
	if (!n->open)
		return;
	ask(n, OP_CLOSE, NULL);
	on_loop(n->loop, forget, n);
	n->open = false;
}
