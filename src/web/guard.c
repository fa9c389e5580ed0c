/* SPDX-License-Identifier: BSD-2-Clause */
#include "web/guard.h"
#include <string.h>
#include <sys/socket.h>
#include "base/util.h"

static void *watch(void *arg)
{
	struct guard *g = arg;

	pthread_mutex_lock(&g->lock);
	while (!g->stopping) {
		struct timespec next;
		clock_gettime(CLOCK_REALTIME, &next);
		next.tv_sec++;
		pthread_cond_timedwait(&g->stop, &g->lock, &next);
		uint64_t now = monotonic_ns();
		for (unsigned i = 0; i < GUARD_MAX; i++)
			if (g->at[i].until && now > g->at[i].until)
				shutdown(g->at[i].fd, SHUT_RDWR); /* its thread finds out, and closes it */
	}
	pthread_mutex_unlock(&g->lock);
	return NULL;
}

int guard_start(struct guard *g, struct err *e)
{
	*g = (struct guard){ 0 };
	pthread_mutex_init(&g->lock, NULL);
	pthread_cond_init(&g->stop, NULL);
	int rc = pthread_create(&g->thread, NULL, watch, g);
	return rc ? err_set(e, "web: cannot start a thread: %s", strerror(rc)) : 0;
}

void guard_stop(struct guard *g)
{
	pthread_mutex_lock(&g->lock);
	g->stopping = true;
	pthread_cond_signal(&g->stop);
	pthread_mutex_unlock(&g->lock);
	pthread_join(g->thread, NULL);
	pthread_cond_destroy(&g->stop);
	pthread_mutex_destroy(&g->lock);
}

static struct guarded *add(struct guard *g, int fd)
{
	struct guarded *at = NULL;

	pthread_mutex_lock(&g->lock);
	for (unsigned i = 0; i < GUARD_MAX && !at; i++)
		if (!g->at[i].until)
			at = &g->at[i];
	if (at)
		*at = (struct guarded){ g, fd, monotonic_ns() + GUARD_SECONDS * NS_PER_S };
	pthread_mutex_unlock(&g->lock);
	return at;
}

static void set(struct guarded *at, uint64_t until)
{
	if (!at)
		return;
	pthread_mutex_lock(&at->guard->lock);
	at->until = until;
	pthread_mutex_unlock(&at->guard->lock);
}

void guard_notify(void *guard, struct MHD_Connection *c, void **context, enum MHD_ConnectionNotificationCode code)
{
	const union MHD_ConnectionInfo *i = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);

	if (code == MHD_CONNECTION_NOTIFY_STARTED)
		*context = i ? add(guard, i->connect_fd) : NULL;
	else
		set(*context, 0);
}

struct guarded *guard_of(struct MHD_Connection *c)
{
	const union MHD_ConnectionInfo *i = MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	return i ? i->socket_context : NULL;
}

void guard_answering(struct guarded *at)
{
	set(at, monotonic_ns() + GUARD_ANSWER_SECONDS * NS_PER_S);
}

void guard_waiting(struct guarded *at)
{
	set(at, monotonic_ns() + GUARD_SECONDS * NS_PER_S);
}
