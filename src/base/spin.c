/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/spin.h"
#include <time.h>

enum { LOOKS = 200, SLEEP_NS = 20000 };

static inline void pause_core(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

void spin_nap(void)
{
	const struct timespec nap = { .tv_nsec = SLEEP_NS };
	nanosleep(&nap, NULL);
}

void spin_while(const atomic_bool *held)
{
	for (;; spin_nap())
		for (int i = 0; i < LOOKS; i++) {
			if (!atomic_load_explicit(held, memory_order_acquire))
				return;
			pause_core();
		}
}

void spin_wait(struct spin *s)
{
	do
		spin_while(&s->held);
	while (atomic_exchange_explicit(&s->held, true, memory_order_acquire));
}
