/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/arena.h"
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "base/hidden.h"
#include "base/util.h"

enum {
	BLOCK_MIN = 64 << 10,
	BLOCK_MAX = 128 << 20, /* with --swap all of a block is locked in memory when it is mapped */
};

struct arena_block {
	struct arena_block *next;
	uint8_t *at;
	size_t len;
};

static bool map_block(struct arena *a, size_t len)
{
	struct arena_block *b = malloc(sizeof *b);
	if (!b)
		return false;
	uint8_t *at = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (at == MAP_FAILED) {
		free(b);
		return false;
	}
	madvise(at, len, MADV_NOHUGEPAGE);
	hidden_hide(at, len);
	*b = (struct arena_block){ a->blocks, at, len };
	a->blocks = b;
	a->at = at;
	a->left = len;
	a->mapped += len;
	return true;
}

/* A block with room for len bytes; what was left of the last one stays unused. */
static bool more(struct arena *a, size_t len)
{
	size_t size = MAX(len, (size_t)BLOCK_MIN);
	while (size * 2 <= a->mapped && size < BLOCK_MAX)
		size *= 2;
	for (; size >= len; size /= 2)
		if (map_block(a, size))
			return true;
	return false;
}

void *arena_get(struct arena *a, size_t len)
{
	if (a->left < len && !more(a, len))
		return NULL;
	uint8_t *p = a->at;
	a->at += len;
	a->left -= len;
	return p;
}

void arena_huge(uint8_t *p, size_t len)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), before = -(uintptr_t)p % page;
	if (len >= before + page)
		madvise(p + before, (len - before) / page * page, MADV_HUGEPAGE);
}

void arena_drop(uint8_t *p, size_t len)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE); /* the kernel takes a part for the whole */
	if ((uintptr_t)p % page || len % page || madvise(p, len, MADV_DONTNEED) < 0)
		memset(p, 0, len);
}

void arena_free(struct arena *a)
{
	for (struct arena_block *b = a->blocks, *next; b; b = next) {
		next = b->next;
		munmap(b->at, b->len);
		free(b);
	}
	*a = (struct arena){ 0 };
}
