/* SPDX-License-Identifier: BSD-2-Clause */
/* arena: memory that is handed out in small and large pieces, one behind the other, and goes back all at once.
 *
 * It is mapped in blocks that grow with what was asked for, so that a million pieces take few calls of the kernel, and pieces that
 * were asked for one after the other lie together and share page tables.  Until a piece is written it costs address space only: blocks
 * are not reserved (MAP_NORESERVE).  Where limits on address space (RLIMIT_AS, strict overcommit) forbid a large block, a smaller one is
 * tried.  It is for what disks hold: core dumps leave it out, and it has huge pages only where arena_huge() was told, as one takes
 * 2 MiB for a write of 4 KiB.
 *
 * Zeroed is an empty one.  One thread at a time. */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct arena_block;

struct arena {
	struct arena_block *blocks;
	uint8_t *at;                   /* what is handed out next; */
	size_t left;                   /* and how many bytes there are from there on */
	size_t mapped;                 /* in all */
};

/* len zeroed bytes, len a multiple of 64, and at least aligned so; NULL: out of memory. */
void *arena_get(struct arena *a, size_t len);
/* Much of these bytes will be written: huge pages from now on, if the kernel has some (THP in madvise(2)).  Any thread. */
void arena_huge(uint8_t *p, size_t len);
/* Zero bytes of it, and let the kernel have its pages back where whole ones lie in them. */
void arena_drop(uint8_t *p, size_t len);
/* All of it; then it is empty. */
void arena_free(struct arena *a);
