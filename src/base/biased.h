/* SPDX-License-Identifier: BSD-2-Clause */
/* biased: a lock that one thread, its owner, takes all the time, and others hardly ever.
 *
 * The owner takes it by a plain store and a load.  An atomic operation would wait until every store before it is done: behind a
 * copy of 4 KiB to memory that is in no cache, that is longer than all that is done under the lock.  Who else wants it says so,
 * and then the kernel has each running thread of this process pass a barrier (membarrier(2), PRIVATE_EXPEDITED): the
 * owner has seen it by then and stays outside, or is inside and is seen there.  That costs some microseconds.  Where
 * the kernel cannot do that, the owner passes a barrier each time.
 *
 * Zeroed memory is a free one.  Not recursive. */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include "base/util.h"

struct biased {
	atomic_bool held;      /* by its owner */
	atomic_bool wanted;    /* by somebody else: the owner stays outside */
};

extern bool biased_by_kernel; /* constant from biased_start() on */

/* In each process, before other threads take such locks; again is fine.  Never called: barriers. */
void biased_start(void);

/* --- the owner's: one thread at a time, and what one did is seen by the next --- */

void biased_wait(struct biased *b); /* the rest of biased_lock() */

static inline void biased_lock(struct biased *b)
{
	atomic_store_explicit(&b->held, true, memory_order_relaxed);
	if (likely(biased_by_kernel))
		atomic_signal_fence(memory_order_seq_cst);
	else
		atomic_thread_fence(memory_order_seq_cst);
	if (unlikely(atomic_load_explicit(&b->wanted, memory_order_acquire)))
		biased_wait(b);
}

static inline void biased_unlock(struct biased *b)
{
	atomic_store_explicit(&b->held, false, memory_order_release);
}

/* --- anybody else's: one thread at a time; first want some, then meet, then seize and release each of them --- */

static inline void biased_want(struct biased *b)
{
	atomic_store(&b->wanted, true);
}

void biased_meet(void);
void biased_seize(struct biased *b); /* waits until the owner is outside */

static inline void biased_release(struct biased *b)
{
	atomic_store_explicit(&b->wanted, false, memory_order_release);
}
