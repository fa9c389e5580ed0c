/* SPDX-License-Identifier: BSD-2-Clause */
/* spin: a lock that is nearly always held for well under a microsecond, and seldom wanted by two threads at once.
 * Releasing it is a plain store.  Releasing a mutex is an atomic operation, which waits until every store before it is done:
 * behind a copy of 4 KiB to memory that is in no cache, that is longer than all the rest.
 * Who finds it taken looks again for a moment, then sleeps between looks: whoever holds it may have lost its core.
 * Zeroed memory is a free one.  Any thread; not recursive. */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include "base/util.h"

struct spin {
	atomic_bool held;
};

void spin_wait(struct spin *s); /* the rest of spin_lock() */
void spin_while(const atomic_bool *held); /* look until it is false, and see what was done before */
void spin_nap(void);

static inline void spin_lock(struct spin *s)
{
	if (unlikely(atomic_exchange_explicit(&s->held, true, memory_order_acquire)))
		spin_wait(s);
}

static inline void spin_unlock(struct spin *s)
{
	atomic_store_explicit(&s->held, false, memory_order_release);
}
