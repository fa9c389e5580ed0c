/* SPDX-License-Identifier: BSD-2-Clause */
#include "plugins/file_ring.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include "base/say.h"

enum {
	QUEUE = 256,                  /* entries prepared before they must be handed over */
	DONE_QUEUE = 2 * RING_FLYING, /* never overflows */
};
#define RETRY_NS NS_PER_MS

struct ring {
	struct io_uring uring;
	struct loop *loop;
	struct watch watch;
	struct task turn_ends;
	struct timer retry;    /* the kernel was out of memory */
	struct list waiting;   /* struct ring_op */
	unsigned flying;
};

static void hand_over(struct ring *r)
{
	while (io_uring_sq_ready(&r->uring)) {
		int n = io_uring_submit(&r->uring);
		if (n > 0 || n == -EINTR)
			continue;
		if (!timer_start(r->loop, &r->retry, r->loop->now + RETRY_NS))
			loop_later(r->loop, &r->turn_ends);
		break;
	}
}

static void launch(struct ring *r, struct ring_op *op)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&r->uring);
	op->prepare(op, sqe);
	io_uring_sqe_set_data(sqe, op);
	r->flying++;
	loop_later(r->loop, &r->turn_ends);
}

/* The next is taken when there is room for it in both queues. */
static void launch_waiting(struct ring *r)
{
	struct list *link;
	while (r->flying < RING_FLYING && io_uring_sq_space_left(&r->uring) && (link = list_pop(&r->waiting)))
		launch(r, list_entry(link, struct ring_op, link));
}

void ring_run(struct ring *r, struct ring_op *op)
{
	list_add_tail(&r->waiting, &op->link);
	if (!io_uring_sq_space_left(&r->uring))
		hand_over(r);
	launch_waiting(r);
}

bool ring_take_back(struct ring_op *op)
{
	bool waits = !list_empty(&op->link);
	list_del(&op->link);
	return waits;
}

static void take_done(struct ring *r)
{
	struct io_uring_cqe *cqe;
	while (io_uring_peek_cqe(&r->uring, &cqe) == 0) {
		struct ring_op *op = io_uring_cqe_get_data(cqe);
		int res = cqe->res;
		io_uring_cqe_seen(&r->uring, cqe);
		r->flying--;
		op->done(op, res);
	}
	launch_waiting(r);
}

static void turn_ends(struct task *t)
{
	struct ring *r = container_of(t, struct ring, turn_ends);
	hand_over(r);
	take_done(r);
}

static void try_again(struct timer *t)
{
	struct ring *r = container_of(t, struct ring, retry);
	loop_later(r->loop, &r->turn_ends);
}

static void ready(struct watch *w, uint32_t events)
{
	struct ring *r = container_of(w, struct ring, watch);
	take_done(r);
}

struct ring *ring_new(struct loop *l)
{
	/* Without SINGLE_ISSUER, COOP_TASKRUN and DEFER_TASKRUN: a loop's turns may be run by one thread and then by another
	 * (pool_drive()), and what one of them asked for must be done whatever it does next. */
	struct io_uring_params p = { .flags = IORING_SETUP_CQSIZE, .cq_entries = DONE_QUEUE };
	struct ring *r = calloc(1, sizeof *r);
	int err = r ? -io_uring_queue_init_params(QUEUE, &r->uring, &p) : ENOMEM;

	if (err)
		goto fail;
	r->loop = l;
	list_init(&r->waiting);
	task_init(&r->turn_ends, turn_ends);
	r->retry.fire = try_again;
	r->watch.ready = ready;
	if (watch_start(l, &r->watch, r->uring.ring_fd, EPOLLIN) == 0)
		return r;
	err = errno;
	io_uring_queue_exit(&r->uring);
fail:
	free(r);
	errno = err;
	return NULL;
}

/* The watch goes with its descriptor. */
void ring_free(struct ring *r)
{
	if (!r)
		return;
	io_uring_queue_exit(&r->uring);
	free(r);
}

/* --- one a loop --- */

struct place {
	struct list link;
	const struct loop *loop;
	struct ring *ring; /* NULL: it cannot have one */
};

void rings_init(struct rings *rs)
{
	pthread_mutex_init(&rs->lock, NULL);
	list_init(&rs->list);
}

void rings_free(struct rings *rs)
{
	struct list *link;
	while ((link = list_pop(&rs->list))) {
		struct place *p = list_entry(link, struct place, link);
		ring_free(p->ring);
		free(p);
	}
	pthread_mutex_destroy(&rs->lock);
}

static struct place *find(struct rings *rs, struct loop *l)
{
	list_for_each_safe(&rs->list, link, next)
		if (list_entry(link, struct place, link)->loop == l)
			return list_entry(link, struct place, link);
	struct place *p = calloc(1, sizeof *p);
	if (!p)
		return NULL;
	p->loop = l;
	p->ring = ring_new(l);
	if (!p->ring)
		say_debug("no io_uring here, threads do its work: %s", strerror(errno));
	list_add_tail(&rs->list, &p->link);
	return p;
}

struct ring *rings_here(struct rings *rs, struct loop *l)
{
	pthread_mutex_lock(&rs->lock);
	struct place *p = find(rs, l);
	pthread_mutex_unlock(&rs->lock);
	return p ? p->ring : NULL;
}
