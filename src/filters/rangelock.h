/* SPDX-License-Identifier: BSD-2-Clause */
/* rangelock: parts of a disk that a request has for itself while it reads and writes back.
 * First come, first served; shared ranges may overlap each other.  The lock is a stage's, for all its loops: any thread.
 * Nobody blocks: who must wait is told by a task in its own loop. */
#pragma once
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/list.h"
#include "loop/loop.h"

struct rangelock {
	pthread_mutex_t mutex;     /* guards the lists */
	struct list held, waiting; /* struct range */
};

struct range {                     /* in a slot: it does not move */
	struct list link;
	uint64_t start, end;       /* bytes; end is behind the last */
	bool shared;
	bool waits;
	struct loop *loop;         /* whose thread takes and gives */
	struct task got;           /* task_init()ed by the caller: runs in loop when a range that waited is had */
};

void rangelock_init(struct rangelock *k);
void rangelock_free(struct rangelock *k);
bool rangelock_take(struct rangelock *k, struct range *r); /* true: had at once; false: got runs later */
bool rangelock_forget(struct rangelock *k, struct range *r); /* true: waits no more; false: got is on its way, or ran */
void rangelock_give(struct rangelock *k, struct range *r); /* one that was had */
