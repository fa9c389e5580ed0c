/* SPDX-License-Identifier: BSD-2-Clause */
/* overlay: the blocks of a disk that are no longer those of the disk below: a temporary file without a name, sparse, with
 * each block at its own offset, and a byte for each block that says where its truth is.  Who drops a large part of a large disk
 * changes a byte for each OVERLAY_SPAN blocks, or for each OVERLAY_SPAN of those: no request takes memory as its length says.
 *
 * States may be read by any thread at any time; they leave BASE once and never return.  Whoever changes a block has it for
 * himself (rangelock) until his call has returned.  The calls that read or write the file block: not for a loop's thread.
 * They return 0 or an errno. */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"

enum block_state {
	BLOCK_BASE,      /* as the disk below has it */
	BLOCK_OURS,      /* in the file */
	BLOCK_ZERO,      /* zeroes, nowhere */
	BLOCK_STATE = 3, /* of a byte that says: one of these */
	BLOCK_SOME = 4,  /* ... in a level above: some below say what they are themselves */
};

enum { OVERLAY_LEVELS = 3, OVERLAY_SPAN_SHIFT = 12, OVERLAY_SPAN = 1 << OVERLAY_SPAN_SHIFT };

struct overlay {
	int fd;
	uint64_t size;              /* bytes of the disk; 0 until the first overlay_size() */
	uint64_t block;             /* bytes, a power of two */
	/* enum block_state: [0] one a block, [1] of OVERLAY_SPAN of those, for blocks that are BASE in [0], and so on */
	struct { _Atomic uint8_t *at; uint64_t count; } level[OVERLAY_LEVELS]; /* ours, mapped */
};

/* The file, in $TMPDIR or /var/tmp. */
int overlay_start(struct overlay *o, uint64_t block, struct err *e);
void overlay_stop(struct overlay *o);
/* How large the disk is: always the same.  Under the caller's lock. */
int overlay_size(struct overlay *o, uint64_t size);

static inline enum block_state overlay_state(const struct overlay *o, uint64_t off)
{
	uint64_t i = off / o->block;
	unsigned state = BLOCK_BASE;
	for (unsigned n = 0; n < OVERLAY_LEVELS && state == BLOCK_BASE; n++, i >>= OVERLAY_SPAN_SHIFT)
		state = atomic_load_explicit(&o->level[n].at[i], memory_order_acquire) & BLOCK_STATE;
	return (enum block_state)state;
}
/* Where the run of blocks that are like the one at off ends, at most end. */
uint64_t overlay_run(const struct overlay *o, uint64_t off, uint64_t end);

/* Put what is not BASE from off on into p; what is BASE is left as it is. */
int overlay_read(const struct overlay *o, void *p, uint64_t off, uint64_t len);
/* Store whole blocks (the last of the disk may be short), or bytes of blocks that are OURS.  p NULL: zeroes. */
int overlay_write(struct overlay *o, const void *p, uint64_t off, uint64_t len);
/* Whole blocks become ZERO. */
void overlay_drop(struct overlay *o, uint64_t off, uint64_t len);
