/* SPDX-License-Identifier: BSD-2-Clause */
#include "bridge/common_loop.h"
#include "base/say.h"

static void *run_loop(void *arg)
{
	loop_run(arg);
	return NULL;
}

struct loop *common_loop_get(struct common_loop *s)
{
	struct err e;

	pthread_mutex_lock(&s->lock);
	if (!s->running) {
		s->running = loop_start(&s->loop, &e) == 0;
		if (s->running && pthread_create(&s->thread, NULL, run_loop, &s->loop) != 0) {
			err_set(&e, "cannot start a thread");
			loop_free(&s->loop);
			s->running = false;
		}
		if (!s->running)
			say_error("%s", e.msg);
	}
	struct loop *l = s->running ? &s->loop : NULL;
	pthread_mutex_unlock(&s->lock);
	return l;
}

void common_loop_stop(struct common_loop *s)
{
	if (!s->running)
		return;
	loop_stop(&s->loop);
	pthread_join(s->thread, NULL);
	loop_free(&s->loop);
	s->running = false;
}
