/* SPDX-License-Identifier: BSD-2-Clause */
/* shared=true: one connection to the far server for all clients, on a loop and a thread of its own.
 *
 * A request travels there and back by loop_post(), as an errand: memory of its own, with a copy of the data.  So no
 * lock is held while anybody waits, and a client that dies need not wait for the far server: its request comes up,
 * and the errand is freed where it ends.
 *
 *     client's loop                       this thread
 *     shared_submit -- loop_post -->  arrive -- call_start ... call_done
 *     come_home    <-- loop_post --   send_home
 *
 * The connection that dies is made anew for the next OPEN, where that can be.  Who opened the one before gets errors:
 * what it wrote and did not flush may be lost. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/say.h"
#include "plugins/nbd.h"

struct shared {
	const struct target *target;
	pthread_t thread;
	struct loop loop;
	struct task begin, end;
	/* This thread's. */
	struct far *far;             /* NULL: none yet, or gone */
	unsigned generation;         /* of far */
	struct list waiting;         /* struct errand: OPENs, while it connects */
	/* shared_start()'s wait for the first connection. */
	pthread_mutex_t lock;
	pthread_cond_t settled;
	bool is_settled;
	struct err *e;               /* "" when it went well */
};

/* Whose an errand is. */
enum { AWAITED, ABANDONED, RETURNED };

struct errand {
	struct call call;
	struct task task;
	struct list link;            /* in shared->waiting */
	struct shared *shared;
	struct loop *home;
	struct nbd_slot *slot;       /* for the client's loop only, and only while AWAITED or RETURNED */
	atomic_int whose;
	enum op op;
	unsigned generation;
	int err;
	/* OPEN's answer. */
	struct limits limits;
	char *description;
	struct extents extents;      /* the call's */
	uint8_t bytes[];             /* the call's data */
};

static void errand_free(struct errand *x)
{
	extents_free(&x->extents);
	free(x->description);
	free(x);
}

/* --- on the thread of the connection --- */

static void come_home(struct task *t);

static void send_home(struct errand *x, int err)
{
	int awaited = AWAITED;

	x->err = err;
	task_init(&x->task, come_home);
	if (atomic_compare_exchange_strong(&x->whose, &awaited, RETURNED))
		loop_post(x->home, &x->task);
	else
		errand_free(x);
}

static void call_done(struct call *c)
{
	send_home(container_of(c, struct errand, call), c->err);
}

static void opened(struct shared *s, struct errand *x)
{
	int err = call_limits(s->far, &x->limits);
	x->limits.can_multi_conn = true; /* all clients are one to the far server */
	x->description = nbd_get_export_description(s->far->nbd);
	x->generation = s->generation;
	send_home(x, err);
}

static void settle(struct shared *s, const char *problem)
{
	pthread_mutex_lock(&s->lock);
	if (!s->is_settled && problem)
		err_set(s->e, "nbd: %s", problem);
	s->is_settled = true;
	pthread_cond_signal(&s->settled);
	pthread_mutex_unlock(&s->lock);
}

static void told(struct far *f, int err)
{
	struct shared *s = f->owner;
	struct list *link;

	if (err && !list_empty(&s->waiting))
		say_error("nbd: %s", f->why);
	while ((link = list_pop(&s->waiting))) {
		struct errand *x = list_entry(link, struct errand, link);
		if (err)
			send_home(x, err);
		else
			opened(s, x);
	}
	settle(s, !err ? NULL : f->why[0] ? f->why : strerror(err));
}

static int connect_far(struct shared *s)
{
	far_free(s->far);
	s->far = far_new(s->target, &s->loop, NULL, FAR_SERVE);
	if (!s->far)
		return ENOMEM;
	s->generation++;
	s->far->owner = s;
	s->far->told = told;
	far_open(s->far);
	return 0;
}

static void arrive_open(struct shared *s, struct errand *x)
{
	if (s->far && s->far->state == FAR_OPEN) {
		opened(s, x);
		return;
	}
	if (s->far && s->far->state == FAR_DEAD && !target_again(s->target)) {
		send_home(x, ESHUTDOWN);
		return;
	}
	list_add_tail(&s->waiting, &x->link);
	if ((!s->far || s->far->state == FAR_DEAD) && connect_far(s) != 0) {
		list_del(&x->link);
		send_home(x, ENOMEM);
	}
}

static void arrive(struct task *t)
{
	struct errand *x = container_of(t, struct errand, task);
	struct shared *s = x->shared;

	if (x->op == OP_OPEN)
		arrive_open(s, x);
	else if (s->far && x->generation == s->generation)
		call_start(s->far, &x->call);
	else
		send_home(x, ESHUTDOWN);
}

static void begin(struct task *t)
{
	struct shared *s = container_of(t, struct shared, begin);
	if (connect_far(s) != 0)
		settle(s, "out of memory");
}

static void closed(struct far *f)
{
	struct shared *s = f->owner;
	s->far = NULL;
	far_free(f);
	loop_stop(&s->loop);
}

static void end(struct task *t)
{
	struct shared *s = container_of(t, struct shared, end);
	if (!s->far) {
		loop_stop(&s->loop);
		return;
	}
	s->far->closed = closed;
	far_close(s->far);
}

static void *serve(void *arg)
{
	struct shared *s = arg;
	loop_run(&s->loop);
	return NULL;
}

/* --- start and stop: main thread --- */

static void shared_free(struct shared *s)
{
	pthread_cond_destroy(&s->settled);
	pthread_mutex_destroy(&s->lock);
	loop_free(&s->loop);
	free(s);
}

struct shared *shared_start(const struct target *t, struct err *e)
{
	struct shared *s = calloc(1, sizeof *s);
	if (!s) {
		err_set(e, "out of memory");
		return NULL;
	}
	if (loop_start(&s->loop, e) < 0) {
		free(s);
		return NULL;
	}
	s->target = t;
	s->e = e;
	e->msg[0] = '\0';
	list_init(&s->waiting);
	task_init(&s->begin, begin);
	task_init(&s->end, end);
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->settled, NULL);
	int err = pthread_create(&s->thread, NULL, serve, s);
	if (err) {
		err_set(e, "cannot start a thread: %s", strerror(err));
		shared_free(s);
		return NULL;
	}
	loop_post(&s->loop, &s->begin);
	pthread_mutex_lock(&s->lock);
	while (!s->is_settled)
		pthread_cond_wait(&s->settled, &s->lock);
	pthread_mutex_unlock(&s->lock);
	if (!e->msg[0])
		return s;
	shared_stop(s);
	return NULL;
}

void shared_stop(struct shared *s)
{
	if (!s)
		return;
	loop_post(&s->loop, &s->end);
	pthread_join(s->thread, NULL);
	shared_free(s);
}

/* --- on the client's loop --- */

static void take_extents(struct extents *to, struct extents *from)
{
	extents_free(to);
	*to = *from;
	*from = (struct extents){ 0 };
}

static void come_home(struct task *t)
{
	struct errand *x = container_of(t, struct errand, task);
	struct layer *l = x->slot->layer;
	struct req *r = x->slot->req;
	struct nbd_layer *n = l->data;
	int err = x->err;

	req_unpark(r);
	if (!err && r->op == OP_OPEN) {
		n->generation = x->generation;
		n->description = x->description;
		x->description = NULL;
		l->limits = x->limits;
		l->limits.description = n->description;
	} else if (!err && r->op == OP_READ) {
		memcpy(r->data, x->bytes, r->len);
	}
	if (!err && x->call.extents)
		take_extents(r->op == OP_EXTENTS ? r->data : r->holes, &x->extents);
	if (r->op != OP_OPEN)
		r->err_off = x->call.err_off;
	errand_free(x);
	req_up(l, r, err);
}

static void cancel(struct layer *l, struct req *r)
{
	struct nbd_slot *s = slot_of(l, r);
	int awaited = AWAITED;
	if (atomic_compare_exchange_strong(&s->errand->whose, &awaited, ABANDONED))
		req_up(l, r, ESHUTDOWN); /* else it is on its way home */
}

static void fill_call(struct errand *x, const struct req *r)
{
	const struct extents *list = r->op == OP_EXTENTS ? r->data : r->op == OP_READ ? r->holes : NULL;

	x->call = (struct call){ .op = r->op, .flags = r->flags, .off = r->off, .len = r->len, .done = call_done, .data = x->bytes };
	if (r->op == OP_WRITE)
		memcpy(x->bytes, r->data, r->len);
	if (!list)
		return;
	extents_init(&x->extents, list->start, list->end - list->start, list->max);
	x->call.extents = &x->extents;
}

void shared_submit(struct shared *s, struct layer *l, struct req *r)
{
	const struct nbd_layer *n = l->data;
	struct nbd_slot *slot = slot_of(l, r);
	size_t bytes = r->op == OP_READ || r->op == OP_WRITE ? r->len : 0;
	struct errand *x = malloc(sizeof *x + bytes);

	if (!x) {
		req_up(l, r, ENOMEM);
		return;
	}
	*x = (struct errand){ .shared = s, .home = l->stack->loop, .slot = slot, .op = r->op, .generation = n->generation };
	if (r->op >= OP_READ)
		fill_call(x, r);
	atomic_init(&x->whose, AWAITED);
	list_init(&x->link);
	task_init(&x->task, arrive);
	*slot = (struct nbd_slot){ .layer = l, .req = r, .errand = x };
	req_park(l, r, cancel);
	loop_post(&s->loop, &x->task);
}
