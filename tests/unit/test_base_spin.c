/* SPDX-License-Identifier: BSD-2-Clause */
#include <pthread.h>
#include <time.h>
#include "base/spin.h"
#include "unit/test.h"

enum { THREADS = 4, ROUNDS = 20000 };
static struct spin lock;
static unsigned long counted; /* not atomic: the lock is to be enough */

static void *count(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < ROUNDS; i++) {
		spin_lock(&lock);
		counted++;
		spin_unlock(&lock);
	}
	return NULL;
}

TEST(one_thread_at_a_time_is_in_a_spin_lock)
{
	pthread_t th[THREADS];
	counted = 0;
	for (unsigned i = 0; i < THREADS; i++)
		CHECK(pthread_create(&th[i], NULL, count, NULL) == 0);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(th[i], NULL);
	CHECK_EQ_U(counted, THREADS * ROUNDS);
}

static void *lock_it(void *arg)
{
	spin_lock(&lock);
	*(bool *)arg = true;
	spin_unlock(&lock);
	return NULL;
}

TEST(who_waits_for_a_spin_lock_gets_it_when_the_holder_was_long_away)
{
	const struct timespec away = { .tv_nsec = 5000000 };
	pthread_t th;
	bool got = false;
	spin_lock(&lock);
	CHECK(pthread_create(&th, NULL, lock_it, &got) == 0);
	nanosleep(&away, NULL); /* it sleeps between its looks by now */
	CHECK(!got);
	spin_unlock(&lock);
	pthread_join(th, NULL);
	CHECK(got);
}
