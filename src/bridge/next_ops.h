/* SPDX-License-Identifier: BSD-2-Clause */
/* next_ops: the functions of an nbdkit_next, and what they have in common with next.c.
 * Any thread but that of the next's loop. */
#pragma once
#include <semaphore.h>
#include "bridge/next.h"

/* A request that a thread wants done and waits for; on its stack. */
struct wanted {
	enum op op;
	uint32_t flags;         /* of core: REQ_FUA ... */
	uint64_t off, len;
	void *data;
	int err;
	/* next.c's */
	struct next *next;
	struct task task;
	sem_t done;
};

/* Have w done below n and wait; its err. */
int next_want(struct next *n, struct wanted *w);

extern const struct nbdkit_next_ops next_ops;
