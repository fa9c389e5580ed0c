/* SPDX-License-Identifier: BSD-2-Clause */
/* overlay: the blocks of a disk that are no longer those of the disk below: a temporary file without a name, sparse, with
 * each block at its own offset, and a byte for each block that says where its truth is.
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
};

struct overlay {
	int fd;
	uint64_t size;              /* bytes of the disk; 0 until the first overlay_size() */
	uint64_t block;             /* bytes, a power of two */
	_Atomic uint8_t *states;    /* enum block_state, one a block, ours, mapped */
	uint64_t blocks;
};

/* The file, in $TMPDIR or /var/tmp. */
int overlay_start(struct overlay *o, uint64_t block, struct err *e);
void overlay_stop(struct overlay *o);
/* How large the disk is: always the same.  Under the caller's lock. */
int overlay_size(struct overlay *o, uint64_t size);

static inline enum block_state overlay_state(const struct overlay *o, uint64_t off)
{
	return atomic_load_explicit(&o->states[off / o->block], memory_order_acquire);
}
/* Where the run of blocks that are like the one at off ends, at most end. */
uint64_t overlay_run(const struct overlay *o, uint64_t off, uint64_t end);

/* Put what is not BASE from off on into p; what is BASE is left as it is. */
int overlay_read(const struct overlay *o, void *p, uint64_t off, uint64_t len);
/* Store whole blocks (the last of the disk may be short), or bytes of blocks that are OURS.  p NULL: zeroes. */
int overlay_write(struct overlay *o, const void *p, uint64_t off, uint64_t len);
/* Whole blocks become ZERO. */
void overlay_drop(struct overlay *o, uint64_t off, uint64_t len);
