/* SPDX-License-Identifier: BSD-2-Clause */
/* turn: a lock that is given in the order in which it was asked for.  With a mutex, who works in a loop of lock and unlock would leave
 * nobody else a chance.  Any thread; not recursive. */
#pragma once
#include <pthread.h>
#include <stdint.h>

struct turn {
	pthread_mutex_t mutex;
	pthread_cond_t moved;
	uint64_t next, serving; /* numbers drawn; the one whose turn it is */
};

static inline void turn_init(struct turn *t)
{
	*t = (struct turn){ 0 };
	pthread_mutex_init(&t->mutex, NULL);
	pthread_cond_init(&t->moved, NULL);
}

static inline void turn_destroy(struct turn *t)
{
	pthread_cond_destroy(&t->moved);
	pthread_mutex_destroy(&t->mutex);
}

static inline void turn_take(struct turn *t)
{
	pthread_mutex_lock(&t->mutex);
	for (uint64_t mine = t->next++; t->serving != mine;)
		pthread_cond_wait(&t->moved, &t->mutex);
	pthread_mutex_unlock(&t->mutex);
}

static inline void turn_give(struct turn *t)
{
	pthread_mutex_lock(&t->mutex);
	t->serving++;
	pthread_cond_broadcast(&t->moved);
	pthread_mutex_unlock(&t->mutex);
}
