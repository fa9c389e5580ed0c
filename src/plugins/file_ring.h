/* SPDX-License-Identifier: BSD-2-Clause */
/* file_ring: io_uring, one ring a loop.
 *
 * What is asked for in a turn is handed to the kernel in one call at the end of the turn; what the kernel has done is
 * told by the ring's descriptor, a watch of the loop, and taken in one go.  Rings are for their loop's thread. */
#pragma once
#include <liburing.h>
#include <pthread.h>
#include "loop/loop.h"

enum { RING_FLYING = 512 }; /* with the kernel at once; more wait in a list */

/* One operation; embedded in its owner, which must stay where it is until done() is called. */
struct ring_op {
	struct list link;   /* ring's while it waits; list_init()ed by the caller */
	void (*prepare)(struct ring_op *, struct io_uring_sqe *); /* called when it is the kernel's turn: no way back */
	void (*done)(struct ring_op *, int res);                  /* res as in a cqe: >= 0, or -errno */
};

struct ring;

/* NULL with errno: not to be had here (ENOSYS, EPERM ...). */
struct ring *ring_new(struct loop *l);
/* Any thread; nothing may fly or wait any more, and the loop not turn again.  NULL is fine. */
void ring_free(struct ring *r);
/* Prepared at once, or when others are done. */
void ring_run(struct ring *r, struct ring_op *op);
/* True: it waited, was not prepared, and never will be. */
bool ring_take_back(struct ring_op *op);

/* The rings of all loops.  Each is made when it is first asked for, and kept until the end: only then is it sure
 * that nothing of its loop needs it any more, and an idle one costs 50 KiB and no time. */
struct rings {
	pthread_mutex_t lock; /* guards the list */
	struct list list;
};

void rings_init(struct rings *rs);
void rings_free(struct rings *rs); /* as ring_free() */
/* On l's thread: its ring, or NULL. */
struct ring *rings_here(struct rings *rs, struct loop *l);
