/* SPDX-License-Identifier: BSD-2-Clause */
/* blocks: a set of the disk's 4 KiB blocks, in bounded memory.
 * A bit each, in pages of 16 MiB of the disk, found by a hash.  When there are BLOCKS_PAGES_MAX pages (1 TiB of the disk, or 65,536
 * places in it) every other one is dropped, by its hash, and the rest stands for twice as many: from then on counts are
 * estimates.  A page for which there is no memory has the same effect.  The zeroed struct is an empty set.  One thread at a time. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BLOCKS_SIZE = 4096, BLOCKS_PAGE = 4096, BLOCKS_PAGES_MAX = 1 << 16 };

struct blocks_page;

struct blocks {
	struct blocks_page **at; /* open addressing; room of them, a power of two; ours */
	size_t room, pages;
	uint64_t n;              /* blocks in it, of the pages that are kept */
	uint32_t epoch;          /* pages of an older one are empty */
	unsigned sampled;        /* one page of 2^sampled is kept; 0: all, counts are exact */
};

void blocks_free(struct blocks *s);
/* Puts blocks [first, end) into the set; how many of them were in it already. */
uint64_t blocks_add(struct blocks *s, uint64_t first, uint64_t end);
/* Takes them out; how many of them were in it. */
uint64_t blocks_remove(struct blocks *s, uint64_t first, uint64_t end);
void blocks_clear(struct blocks *s); /* in no time, keeps its memory */
uint64_t blocks_count(const struct blocks *s);
