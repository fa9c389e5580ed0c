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

void spin_wait(struct spin *s)
{
	const struct timespec nap = { .tv_nsec = SLEEP_NS };
	for (;;) {
		for (int i = 0; i < LOOKS; i++) {
			if (!atomic_load_explicit(&s->held, memory_order_relaxed)
			    && !atomic_exchange_explicit(&s->held, true, memory_order_acquire))
				return;
			pause_core();
		}
		nanosleep(&nap, NULL);
	}
}
