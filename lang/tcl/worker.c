/* SPDX-License-Identifier: BSD-2-Clause */
#include "worker.h"
#include <string.h>

static void end_call(struct worker *w, struct call *c)
{
	atomic_fetch_sub(&w->load, 1);
	pthread_mutex_lock(&w->lock);
	c->done = true;
	pthread_cond_signal(&c->news); /* under the lock: c is gone as soon as its owner looks */
	pthread_mutex_unlock(&w->lock);
}

static struct call *take_all(struct worker *w)
{
	pthread_mutex_lock(&w->lock);
	while (!w->first && !w->stop) {
		w->asleep = true;
		pthread_cond_wait(&w->work, &w->lock);
	}
	w->asleep = false;
	struct call *all = w->first;
	w->first = NULL;
	w->last = &w->first;
	pthread_mutex_unlock(&w->lock);
	return all;
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct call *next;

	for (struct call *c; (c = take_all(w));)
		for (; c; c = next) {
			next = c->next;
			w->vm.current = c;
			c->run(&w->vm, c);
			w->vm.current = NULL;
			end_call(w, c);
		}
	vm_stop(&w->vm);
	return NULL;
}

int worker_start(struct worker *w, unsigned index)
{
	memset(w, 0, sizeof *w);
	w->vm.worker = w;
	w->vm.index = index;
	w->last = &w->first;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->work, NULL);
	pthread_cond_init(&w->answer, NULL);
	return pthread_create(&w->thread, NULL, work, w);
}

void worker_stop(struct worker *w)
{
	pthread_mutex_lock(&w->lock);
	w->stop = true;
	pthread_cond_signal(&w->work);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->thread, NULL);
	pthread_cond_destroy(&w->work);
	pthread_cond_destroy(&w->answer);
	pthread_mutex_destroy(&w->lock);
}

void worker_call(struct worker *w, struct call *c)
{
	c->next = NULL;
	c->done = false;
	c->ask = NULL;
	pthread_cond_init(&c->news, NULL);
	atomic_fetch_add(&w->load, 1);
	pthread_mutex_lock(&w->lock);
	*w->last = c;
	w->last = &c->next;
	if (w->asleep) {
		w->asleep = false; /* one wake-up is enough */
		pthread_cond_signal(&w->work);
	}
	while (!c->done) {
		if (!c->ask) {
			pthread_cond_wait(&c->news, &w->lock);
			continue;
		}
		pthread_mutex_unlock(&w->lock);
		c->ask(c->ask_arg);
		pthread_mutex_lock(&w->lock);
		c->ask = NULL;
		pthread_cond_signal(&w->answer);
	}
	pthread_mutex_unlock(&w->lock);
	pthread_cond_destroy(&c->news);
}

void on_asking_thread(struct vm *vm, void (*f)(void *), void *arg)
{
	struct worker *w = vm->worker;
	struct call *c = vm->current;

	if (!w || !c) {
		f(arg);
		return;
	}
	pthread_mutex_lock(&w->lock);
	c->ask_arg = arg;
	c->ask = f;
	pthread_cond_signal(&c->news);
	while (c->ask)
		pthread_cond_wait(&w->answer, &w->lock);
	pthread_mutex_unlock(&w->lock);
}
