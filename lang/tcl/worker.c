/* SPDX-License-Identifier: BSD-2-Clause */
#include "worker.h"
#include <linux/futex.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* To wake a thread takes longer than a quick script runs, so both sides look out a moment before they sleep: the
 * caller when it is the only one and calls are quick, the worker when the last call came soon after the one before.
 * 4 KiB reads at depth 32 on two idle cores: under nbdkit 20 k/s without and 126 k/s with, here with four
 * interpreters 130 k/s and 330 k/s; at depth 1 nothing changes.  Giving the core away while looking out
 * (sched_yield), or resting after a look-out that was in vain, lost all of it again. */
enum { LOOK_OUT_NS = 20 * 1000, SOON_NS = 10 * 1000 };

static int64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * (int64_t)1000000000 + t.tv_nsec;
}

static void pause_briefly(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

static bool two_cores(void)
{
	static atomic_int known;
	int n = atomic_load(&known);
	cpu_set_t cpus;
	if (!n)
		atomic_store(&known, n = sched_getaffinity(0, sizeof cpus, &cpus) == 0 && CPU_COUNT(&cpus) > 1 ? 2 : 1);
	return n > 1;
}

static void look_out_while(atomic_int *word, int value)
{
	for (int64_t end = now_ns() + LOOK_OUT_NS; now_ns() < end;)
		for (int i = 0; i < 32; i++) {
			if (atomic_load_explicit(word, memory_order_acquire) != value)
				return;
			pause_briefly();
		}
}

/* A call is waited for by one thread alone, so it has a word of its own to sleep on and no lock.  Who finds it
 * SLEEPS has to wake that thread up. */
static void wait_while(atomic_int *state, int value, bool look_out)
{
	if (look_out)
		look_out_while(state, value);
	int seen = value;
	if (atomic_compare_exchange_strong(state, &seen, value | CALL_SLEEPS))
		while (atomic_load(state) == (value | CALL_SLEEPS))
			syscall(SYS_futex, state, FUTEX_WAIT_PRIVATE, value | CALL_SLEEPS, NULL, NULL, 0);
}

/* Behind the exchange the call may be gone; to wake up who sleeps at its address by now is harmless. */
static void set_state(atomic_int *state, int value)
{
	if (atomic_exchange(state, value) & CALL_SLEEPS)
		syscall(SYS_futex, state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void end_call(struct worker *w, struct call *c)
{
	atomic_fetch_sub(&w->load, 1);
	set_state(&c->state, CALL_DONE);
}

static struct call *take_all(struct worker *w)
{
	int64_t began = now_ns();

	if (w->look_out)
		look_out_while(&w->waiting, 0);
	pthread_mutex_lock(&w->lock);
	while (!w->first && !w->stop) {
		w->asleep = true;
		pthread_cond_wait(&w->work, &w->lock);
	}
	w->asleep = false;
	w->look_out = two_cores() && w->arrived - began < SOON_NS;
	atomic_store(&w->waiting, 0);
	struct call *all = w->first;
	w->first = NULL;
	w->last = &w->first;
	pthread_mutex_unlock(&w->lock);
	return all;
}

/* What a call takes, as a mean of the last few. */
static void run_timed(struct worker *w, struct call *c)
{
	int64_t began = now_ns(), mean = atomic_load_explicit(&w->call_ns, memory_order_relaxed);
	w->vm.current = c;
	c->run(&w->vm, c);
	w->vm.current = NULL;
	int64_t took = now_ns() - began;
	atomic_store_explicit(&w->call_ns, (mean * 7 + (took < 10 * LOOK_OUT_NS ? took : 10 * LOOK_OUT_NS)) / 8, memory_order_relaxed);
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct call *next;

	for (struct call *c; (c = take_all(w));)
		for (; c; c = next) {
			next = c->next;
			run_timed(w, c);
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
	atomic_store(&w->waiting, 1);
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
	bool alone = atomic_fetch_add(&w->load, 1) == 0;
	pthread_mutex_lock(&w->lock);
	if (!w->first)
		w->arrived = now_ns();
	*w->last = c;
	w->last = &c->next;
	atomic_store(&w->waiting, 1);
	bool wake = w->asleep;
	w->asleep = false; /* one wake-up is enough */
	pthread_mutex_unlock(&w->lock);
	if (wake)
		pthread_cond_signal(&w->work);

	for (;;) {
		bool soon = alone && atomic_load_explicit(&w->call_ns, memory_order_relaxed) < LOOK_OUT_NS;
		wait_while(&c->state, CALL_WAITS, soon && two_cores());
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
	wait_while(&c->state, CALL_ASKS, two_cores());
}
