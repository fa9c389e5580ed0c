/* SPDX-License-Identifier: BSD-2-Clause */
#include "worker.h"
#include <linux/futex.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A call is waited for by one thread alone, so it has a word of its own to sleep on and no lock. */
static void sleep_while(atomic_int *state, int value)
{
	while (atomic_load(state) == value)
		syscall(SYS_futex, state, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

/* Behind the store the call may be gone; to wake up who sleeps at its address by now is harmless. */
static void set_state(atomic_int *state, int value)
{
	atomic_store(state, value);
	syscall(SYS_futex, state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void end_call(struct worker *w, struct call *c)
{
	atomic_fetch_sub(&w->load, 1);
	set_state(&c->state, CALL_DONE);
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
	pthread_mutex_destroy(&w->lock);
}

void worker_call(struct worker *w, struct call *c)
{
	c->next = NULL;
	atomic_store(&c->state, CALL_WAITS);
	atomic_fetch_add(&w->load, 1);
	pthread_mutex_lock(&w->lock);
	*w->last = c;
	w->last = &c->next;
	bool wake = w->asleep;
	w->asleep = false; /* one wake-up is enough */
	pthread_mutex_unlock(&w->lock);
	if (wake)
		pthread_cond_signal(&w->work);

	for (;;) {
		sleep_while(&c->state, CALL_WAITS);
		if (atomic_load(&c->state) == CALL_DONE)
			return;
		c->ask(c->ask_arg);
		set_state(&c->state, CALL_WAITS);
	}
}

void on_asking_thread(struct vm *vm, void (*f)(void *), void *arg)
{
	struct call *c = vm->current;

	if (!vm->worker || !c) {
		f(arg);
		return;
	}
	c->ask_arg = arg;
	c->ask = f;
	set_state(&c->state, CALL_ASKS);
	sleep_while(&c->state, CALL_ASKS);
}
