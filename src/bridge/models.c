/* SPDX-License-Identifier: BSD-2-Clause */
/* Which thread a request runs on, and when: nbdkit's four thread models without a lock across a call. */
#include <errno.h>
#include "bridge/loaded.h"

static void run_timed(struct loaded *p, struct call *c)
{
	uint64_t began = monotonic_ns();
	call_run(p, c);
	if (c->req->op < OP_READ)
		return;
	uint64_t took = MIN(monotonic_ns() - began, (uint64_t)64 * CALL_NS_UNKNOWN), mean = atomic_load(&p->call_ns);
	atomic_store(&p->call_ns, (unsigned)((mean * 15 + took) / 16)); /* threads may overwrite each other: it is an estimate */
}

static void work(struct job *j)
{
	struct call *c = container_of(j, struct call, job);
	run_timed(loaded_of(c->layer->mod), c);
}

/* Whether all that the filter of this layer can call is direct: then its calls need no loop. */
static bool direct_below(const struct layer *l)
{
	const struct opened *o = l->data;
	const struct next *n = atomic_load(&o->next);
	const struct layer *below = n && !atomic_load(&loaded_of(l->mod)->opens) ? next_direct(n) : NULL;
	return below && (!below->mod->filter || direct_below(below));
}

/* --- on which thread --- */

/* A serialised plug-in has its own thread do everything, others have threads of the loop.  But not for a call that
 * waits for a job of that same loop: a filter whose calls are not direct has threads of its own.  NULL: no memory. */
static struct pool *pool_for(const struct loaded *p, const struct call *c, bool waits_for_loop)
{
	return p->model < SERIALIZE_REQUESTS ? p->own : waits_for_loop ? p->many : loop_pool(c->layer->stack->loop);
}

static void cancel_running(struct layer *l, struct req *r)
{
	struct call *c = slot_of(l, r);
	struct list *below = &((struct opened *)l->data)->conn.nexts;
	if (pool_take_back(c->pool, &c->job)) {
		c->err = ESHUTDOWN;
		c->job.done.run(&c->job.done);
		return;
	}
	for (struct list *link = below->next; link != below; link = link->next)
		next_cancel(list_entry(link, struct next, link));
	atomic_store(&c->cancelled, true); /* it comes up when the plug-in lets it; one that sleeps wakes up */
	context_wake_sleepers();
}

static void done(struct task *t);

/* While calls are short, the thread that does them may as well run our turns: handing them over takes longer.  Where
 * several threads could do them, they must be shorter for one to do them all. */
static void launch(struct call *c)
{
	struct loaded *p = loaded_of(c->layer->mod);
	bool data = c->req->op >= OP_READ, waits_for_loop = p->mod.filter && !(data && direct_below(c->layer));

	c->pool = pool_for(p, c, waits_for_loop);
	if (!c->pool) {
		c->err = ENOMEM;
		done(&c->job.done);
		return;
	}
	req_park(c->layer, c->req, cancel_running);
	if (data && !waits_for_loop)
		pool_drive(c->pool, c->layer->stack->loop, atomic_load(&p->call_ns) < (c->pool == p->own ? CALL_NS_SHORT : CALL_NS_QUICK));
	pool_run(c->pool, &c->job);
}

/* --- how many at a time in a layer --- */

enum { AT_ONCE = 16, SHARED = 1024 };

/* Data requests of one connection that may run at once: as many as nbdkit has threads for it; when a loop has many
 * connections, fewer.  All of them together, each having taken its share when it came, hold less than POOL_THREADS:
 * 64 * 16, and 1024 / n for each that is the nth.  So whoever comes next finds a thread, whatever they wait for. */
static unsigned share(const struct layer *l)
{
	unsigned n = MAX(l->stack->loop->connections, 1u);
	if (loaded_of(l->mod)->model == SERIALIZE_REQUESTS || n >= SHARED)
		return 1;
	return MIN(SHARED / n, (unsigned)AT_ONCE);
}

static bool is_counted(const struct loaded *p, const struct req *r)
{
	return p->model >= SERIALIZE_REQUESTS && r->op >= OP_READ;
}

static void cancel_waiting(struct layer *l, struct req *r)
{
	struct call *c = slot_of(l, r);
	list_del(&c->wait_link);
	req_up(l, r, ESHUTDOWN);
}

static void launch_or_wait(struct call *c)
{
	struct layer *l = c->layer;
	struct opened *o = l->data;

	if (!is_counted(loaded_of(l->mod), c->req)) {
		launch(c);
		return;
	}
	if (!o->waits_ready) {
		list_init(&o->waits);
		o->waits_ready = true;
	}
	if (o->running >= share(l)) {
		req_park(l, c->req, cancel_waiting);
		list_add_tail(&o->waits, &c->wait_link);
		return;
	}
	o->running++;
	launch(c);
}

static void launch_next(struct layer *l)
{
	struct opened *o = l->data;
	struct list *link;

	o->running--;
	while (o->running < share(l) && (link = list_pop(&o->waits))) {
		o->running++;
		launch(list_entry(link, struct call, wait_link));
	}
}

/* Back on the loop. */
static void done(struct task *t)
{
	struct call *c = container_of(t, struct call, job.done);
	struct layer *l = c->layer;
	struct req *r = c->req;
	int err = c->err;

	req_unpark(r);
	if (is_counted(loaded_of(l->mod), r))
		launch_next(l);
	if (r->op == OP_OPEN && !err)
		l->limits = c->limits;
	req_up(l, r, err);
}

/* --- serialize connections: PRECONNECT waits for the one before --- */

static void my_turn(struct task *t)
{
	struct call *c = container_of(t, struct call, turn_task);
	req_unpark(c->req);
	launch(c);
}

static void cancel_turn(struct layer *l, struct req *r)
{
	struct call *c = slot_of(l, r);
	struct loaded *p = loaded_of(l->mod);
	pthread_mutex_lock(&p->turn_lock);
	bool waits = !list_empty(&c->turn_link);
	list_del(&c->turn_link);
	pthread_mutex_unlock(&p->turn_lock);
	if (waits)
		req_up(l, r, ESHUTDOWN);
	/* else its turn is on the way: it comes up by itself */
}

/* True: the connection is served now.  False: it waits, and comes back by my_turn(). */
static bool take_turn(struct loaded *p, struct call *c)
{
	struct stack *s = c->layer->stack;
	if (p->model != SERIALIZE_CONNECTIONS || c->req->op != OP_PRECONNECT)
		return true;
	req_park(c->layer, c->req, cancel_turn);
	pthread_mutex_lock(&p->turn_lock);
	bool mine = !p->turn;
	if (mine)
		p->turn = s;
	else
		list_add_tail(&p->turn_waits, &c->turn_link);
	pthread_mutex_unlock(&p->turn_lock);
	return mine;
}

void models_gone(struct layer *l)
{
	struct loaded *p = loaded_of(l->mod);
	struct opened *o = l->data;
	struct call *next = NULL;

	interned_free(&o->conn.strings); /* of questions before OPEN */
	if (o->conn.main)
		next_gone(o->conn.main);
	if (p->model != SERIALIZE_CONNECTIONS)
		return;
	pthread_mutex_lock(&p->turn_lock);
	if (p->turn == l->stack) {
		struct list *link = list_pop(&p->turn_waits);
		next = link ? list_entry(link, struct call, turn_link) : NULL;
		p->turn = next ? next->layer->stack : NULL;
		if (next)
			loop_post(next->layer->stack->loop, &next->turn_task);
	}
	pthread_mutex_unlock(&p->turn_lock);
}

/* --- the way in --- */

/* The first request of a connection.  False: out of memory. */
static bool connected(struct layer *l)
{
	struct opened *o = l->data;

	o->conn.layer = l;
	list_init(&o->conn.nexts);
	if (!l->mod->filter)
		return true;
	o->conn.main = next_make(l->stage + 1, l->stack->loop, l->client, l->stack, &o->conn.nexts);
	if (o->conn.main)
		o->conn.main->main = true;
	return o->conn.main;
}

void models_submit(struct layer *l, struct req *r)
{
	struct call *c = slot_of(l, r);
	struct opened *o = l->data;
	struct loaded *p = loaded_of(l->mod);

	if (!o->conn.layer && !connected(l)) {
		o->conn.layer = NULL;
		req_up(l, r, ENOMEM);
		return;
	}
	if (l->mod->filter && call_passes(p, o, r)) {
		struct next *n = r->op < OP_READ ? o->conn.main : atomic_load(&o->next);
		next_pass(n, l, r);
		return;
	}
	*c = (struct call){ .layer = l, .req = r, .job = { .work = work, .home = l->stack->loop } };
	list_init(&c->job.link);
	list_init(&c->wait_link);
	list_init(&c->turn_link);
	task_init(&c->job.done, done);
	task_init(&c->turn_task, my_turn);
	if (take_turn(p, c))
		launch_or_wait(c);
}
