/* SPDX-License-Identifier: BSD-2-Clause */
/* A connection to the far server, from the first attempt to the goodbye.
 *
 * libnbd is a state machine: whoever calls it looks afterwards at what state it is in and which way the socket is to
 * be watched.  That is far_leave(). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include "plugins/nbd.h"

#define PATIENCE_NS (500 * NS_PER_MS) /* for an answer that nobody waits for, and for the far side to hang up */
enum { ANSWERS_A_TURN = 256 };

/* --- the end of it --- */

static void say_why(struct far *f)
{
	const char *why = nbd_get_error();
	snprintf(f->why, sizeof f->why, "%s", why ? why : "no reason given");
}

static void tell(struct far *f, int err)
{
	void (*told)(struct far *, int) = f->told;
	f->told = NULL;
	if (told)
		told(f, err);
}

/* Without the handle nothing flies any more: libnbd frees all commands, and piece_freed() takes note. */
static void drop_handle(struct far *f)
{
	struct nbd_handle *h = f->nbd;
	watch_stop(f->loop, &f->watch);
	f->nbd = NULL;
	nbd_close(h);
}

static void dead(struct far *f, int err)
{
	bool closing = f->state == FAR_CLOSING;
	f->state = FAR_DEAD;
	timer_stop(f->loop, &f->timer);
	drop_handle(f);
	tell(f, err);
	if (closing)
		f->closed(f);
}

/* An attempt failed. */
static void failed(struct far *f, int err)
{
	if (f->attempts > f->target->retry || f->target->how == TO_FD) {
		dead(f, err);
		return;
	}
	drop_handle(f);
	f->waits = true;
	f->asked = f->answered = false;
	if (!timer_start(f->loop, &f->timer, loop_clock(f->loop) + NS_PER_S))
		dead(f, err);
}

/* libnbd has no connection any more. */
static void lost(struct far *f)
{
	if (!f->why[0])
		snprintf(f->why, sizeof f->why, "the server hung up");
	if (f->state == FAR_OPENING)
		failed(f, f->err ? f->err : ESHUTDOWN);
	else
		dead(f, ESHUTDOWN);
}

/* --- asking for an export, or for names --- */

static int answer_came(void *user, int *error)
{
	struct far *f = user;
	f->answered = true;
	f->err = *error ? call_errno(*error) : 0;
	return 1;
}

static int name_came(void *user, const char *name, const char *description)
{
	struct far *f = user;
	/* A list without end would never let the answer come. */
	if (!f->breaking && exports_add(f->names, name, *description ? description : NULL) < 0)
		f->breaking = true;
	return 0;
}

static void ask(struct far *f)
{
	nbd_completion_callback then = { .callback = answer_came, .user_data = f };
	nbd_list_callback name = { .callback = name_came, .user_data = f };
	int rc;

	f->asked = true;
	if (f->want == FAR_NAMES)
		rc = nbd_aio_opt_list(f->nbd, name, then);
	else if (f->want == FAR_DEFAULT)
		rc = nbd_set_export_name(f->nbd, "") < 0 ? -1 : nbd_aio_opt_info(f->nbd, then);
	else
		rc = f->export && nbd_set_export_name(f->nbd, f->export) < 0 ? -1 : nbd_aio_opt_go(f->nbd, then);
	if (rc < 0 && !f->answered) {
		say_why(f);
		f->answered = true;
		f->err = call_errno(nbd_get_errno());
	}
}

/* Negotiating again: the question is answered, but for the export was not opened.  A server that does not know
 * LIST or INFO has one name, "". */
static void settle_question(struct far *f)
{
	int err = f->err;

	if (f->want == FAR_SERVE && !f->why[0]) {
		const char *name = f->export ? f->export : f->target->export ? f->target->export : "";
		snprintf(f->why, sizeof f->why, "the server refuses the export \"%s\": %s", name, strerror(err));
	}
	if (f->want == FAR_DEFAULT) {
		char *name = err ? NULL : nbd_get_canonical_export_name(f->nbd);
		err = exports_add(f->names, name ? name : "", NULL) < 0 ? ENOMEM : 0;
		free(name);
	} else if (f->want == FAR_NAMES && err == ENOTSUP) {
		err = exports_add(f->names, "", NULL) < 0 ? ENOMEM : 0;
	}
	nbd_aio_opt_abort(f->nbd);
	if (f->want == FAR_SERVE)
		failed(f, err ? err : EIO);
	else
		dead(f, err);
}

static void opened(struct far *f)
{
	f->state = FAR_OPEN;
	if (f->want != FAR_SERVE) { /* an oldstyle server does not negotiate, and has one export */
		dead(f, exports_add(f->names, "", NULL) < 0 ? ENOMEM : 0);
		return;
	}
	tell(f, 0);
}

/* --- what state libnbd is in, and what to watch for --- */

static void look_while_opening(struct far *f)
{
	if (f->breaking)
		dead(f, ESHUTDOWN);
	else if (nbd_aio_is_ready(f->nbd))
		opened(f);
	else if (nbd_aio_is_negotiating(f->nbd) && !f->asked)
		ask(f);
	else if (nbd_aio_is_negotiating(f->nbd) && f->answered)
		settle_question(f);
	else
		return;
	if (f->nbd && f->state == FAR_OPENING)
		look_while_opening(f);
}

static void set_watch(struct far *f, unsigned way)
{
	uint32_t events = (way & LIBNBD_AIO_DIRECTION_READ ? EPOLLIN : 0) | (way & LIBNBD_AIO_DIRECTION_WRITE ? EPOLLOUT : 0);

	/* While it connects, libnbd may go on to another address with another socket, of the same number even. */
	if (f->state == FAR_OPENING)
		watch_stop(f->loop, &f->watch);
	if (f->watch.fd >= 0)
		watch_change(f->loop, &f->watch, events);
	else if (watch_start(f->loop, &f->watch, nbd_aio_get_fd(f->nbd), events) < 0)
		dead(f, ESHUTDOWN);
}

static void look(struct far *f)
{
	if (!f->nbd || f->working)
		return;
	if (f->state == FAR_OPENING)
		look_while_opening(f);
	if (!f->nbd)
		return;
	unsigned way = nbd_aio_get_direction(f->nbd);
	if (!way)
		lost(f); /* it waits for nothing: dead, or closed by the far side */
	else
		set_watch(f, way);
}

void far_enter(struct far *f)
{
	f->busy++;
}

void far_leave(struct far *f)
{
	if (f->busy == 1) {
		for (;;) {
			look(f);
			if (list_empty(&f->came))
				break;
			for (struct list *link; (link = list_pop(&f->came));)
				call_go_on(list_entry(link, struct call, link));
		}
	}
	if (--f->busy == 0 && f->freeing && !f->working)
		loop_later(f->loop, &f->bury); /* an event of this turn may point at the watch */
}

static void bury(struct task *t)
{
	free(container_of(t, struct far, bury));
}

/* libnbd takes one answer at a time, and several may lie there.  It must not be told to read where there is nothing
 * to: it would go on waiting for an answer, and keep what is to be sent until one comes. */
static bool more_to_read(const struct far *f)
{
	int bytes = 0;
	return nbd_aio_in_flight(f->nbd) > 0 && ioctl(f->watch.fd, FIONREAD, &bytes) == 0 && bytes > 0
	       && nbd_aio_get_direction(f->nbd) & LIBNBD_AIO_DIRECTION_READ;
}

static void notify(struct watch *w, uint32_t events)
{
	struct far *f = container_of(w, struct far, watch);
	unsigned way = nbd_aio_get_direction(f->nbd), left = ANSWERS_A_TURN;
	int rc = 0;

	far_enter(f);
	if (way & LIBNBD_AIO_DIRECTION_READ && (events & EPOLLIN || !(events & EPOLLOUT))) {
		struct list *before;
		do {
			before = f->came.prev;
			rc = nbd_aio_notify_read(f->nbd);
		} while (rc == 0 && f->came.prev != before && --left && more_to_read(f));
	} else if (way & LIBNBD_AIO_DIRECTION_WRITE) {
		rc = nbd_aio_notify_write(f->nbd);
	}
	if (rc < 0) {
		say_why(f);
		f->err = call_errno(nbd_get_errno());
	}
	far_leave(f);
}

/* --- the beginning of it --- */

/* On a thread of the pool, or of the shared connection: names are looked up, a command is started. */
static void work(struct job *j)
{
	struct far *f = container_of(j, struct far, job);
	f->err = target_connect(f->target, f->nbd);
	if (f->err)
		say_why(f);
}

static void worked(struct task *t)
{
	struct far *f = container_of(t, struct far, job.done);

	far_enter(f);
	f->working = false;
	if (f->breaking || f->freeing)
		dead(f, ESHUTDOWN);
	else if (f->err)
		failed(f, f->err);
	far_leave(f);
}

static void attempt(struct far *f)
{
	f->waits = false;
	f->attempts++;
	f->why[0] = '\0';
	f->nbd = target_handle(f->target);
	if (!f->nbd) {
		say_why(f);
		dead(f, ENOMEM);
		return;
	}
	f->working = true;
	if (f->pool && target_blocks(f->target)) {
		pool_run(f->pool, &f->job);
		return;
	}
	work(&f->job);
	worked(&f->job.done);
}

static void time_is_up(struct timer *t)
{
	struct far *f = container_of(t, struct far, timer);

	far_enter(f);
	if (f->waits)
		attempt(f);
	else
		dead(f, ESHUTDOWN);
	far_leave(f);
}

struct far *far_new(const struct target *t, struct loop *l, struct pool *p, enum far_want want)
{
	struct far *f = calloc(1, sizeof *f);
	if (!f)
		return NULL;
	f->target = t;
	f->loop = l;
	f->pool = p;
	f->want = want;
	f->watch = (struct watch){ .fd = -1, .ready = notify };
	f->timer.fire = time_is_up;
	f->job = (struct job){ .work = work, .home = l };
	list_init(&f->job.link);
	task_init(&f->job.done, worked);
	task_init(&f->bury, bury);
	list_init(&f->came);
	return f;
}

void far_open(struct far *f)
{
	far_enter(f);
	attempt(f);
	far_leave(f);
}

void far_abandon(struct far *f)
{
	if (f->state == FAR_OPEN && !f->timer.pos && !timer_start(f->loop, &f->timer, f->loop->now + PATIENCE_NS))
		far_break(f);
}

void far_break(struct far *f)
{
	far_enter(f);
	f->breaking = true;
	if (f->state != FAR_DEAD && (!f->working || (f->pool && pool_take_back(f->pool, &f->job)))) {
		f->working = false;
		dead(f, ESHUTDOWN);
	}
	far_leave(f);
}

void far_close(struct far *f)
{
	far_enter(f);
	bool polite = f->state == FAR_OPEN && nbd_aio_disconnect(f->nbd, 0) == 0;
	bool was_dead = f->state == FAR_DEAD;
	f->state = FAR_CLOSING;
	if (was_dead || !polite || !timer_start(f->loop, &f->timer, f->loop->now + PATIENCE_NS))
		dead(f, ESHUTDOWN);
	far_leave(f);
}

void far_free(struct far *f)
{
	if (!f)
		return;
	far_enter(f);
	f->freeing = true;
	far_break(f);
	far_leave(f);
}
