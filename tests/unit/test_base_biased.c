/* SPDX-License-Identifier: BSD-2-Clause */
/* The lock of one owner: nobody else is inside with it, whether the kernel makes the barriers or the owner does. */
#include <pthread.h>
#include <sched.h>
#include <time.h>
#include "base/biased.h"
#include "unit/test.h"

enum { TAKES = 3000 };
static struct biased lock;
static unsigned long first, second; /* not atomic: the lock is to be enough */
static atomic_bool enough;
static atomic_ulong rounds;         /* of the owner */

static void *count(void *arg)
{
	(void)arg;
	while (!atomic_load_explicit(&enough, memory_order_relaxed)) {
		biased_lock(&lock);
		first++;
		second++;
		biased_unlock(&lock);
		atomic_fetch_add_explicit(&rounds, 1, memory_order_relaxed);
	}
	return NULL;
}

/* Take what was counted away, many times. */
static void take_beside_the_owner(void)
{
	unsigned long sum = 0, before = 0;
	pthread_t owner;

	first = second = 0;
	atomic_store(&rounds, 0);
	atomic_store(&enough, false);
	CHECK(pthread_create(&owner, NULL, count, NULL) == 0);
	for (unsigned i = 0; i < TAKES; i++) {
		while (atomic_load(&rounds) == before) /* who takes it all the time would keep the owner out */
			sched_yield();
		before = atomic_load(&rounds);
		biased_want(&lock);
		biased_meet();
		biased_seize(&lock);
		CHECK_EQ_U(first, second);
		sum += first;
		first = second = 0;
		biased_release(&lock);
	}
	atomic_store(&enough, true);
	pthread_join(owner, NULL);
	CHECK_EQ_U(sum + first, atomic_load(&rounds));
}

TEST(an_owner_and_a_thread_that_seizes_its_lock_keep_each_other_out)
{
	take_beside_the_owner(); /* by barriers of the owner's */
	biased_start();
	take_beside_the_owner(); /* by the kernel's, where it can */
}

static void *lock_it(void *arg)
{
	biased_lock(&lock);
	atomic_store((atomic_bool *)arg, true);
	biased_unlock(&lock);
	return NULL;
}

TEST(an_owner_stays_outside_as_long_as_its_lock_is_wanted)
{
	const struct timespec long_since = { .tv_nsec = 5000000 };
	atomic_bool got = false;
	pthread_t owner;

	biased_want(&lock);
	biased_meet();
	biased_seize(&lock);
	CHECK(pthread_create(&owner, NULL, lock_it, &got) == 0);
	nanosleep(&long_since, NULL);
	CHECK(!atomic_load(&got));
	biased_release(&lock);
	pthread_join(owner, NULL);
	CHECK(atomic_load(&got));
}
