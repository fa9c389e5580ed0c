/* SPDX-License-Identifier: BSD-2-Clause */
/* spans: two small sets of bounded size: ranges of numbers (bytes of a disk, groups of a file system), and single numbers (files).
 * When one is full it says so (more) and keeps what it has.  No memory counts as full.  The zeroed struct is empty.  One thread. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SPANS_MAX = 512, KEYS_MAX = 1 << 16, KEYS_FIRST = 4 };

struct span {
	uint64_t from, to;   /* to is behind the last; to > from */
};

struct spans {
	struct span *at;     /* n, sorted, with gaps between them; ours */
	uint32_t n, room;
	bool more;           /* there was more than has been kept */
};

void spans_add(struct spans *s, uint64_t from, uint64_t to); /* to <= from: nothing */
/* How much of [from, to) is in it. */
uint64_t spans_covers(const struct spans *s, uint64_t from, uint64_t to);
uint64_t spans_sum(const struct spans *s);
bool spans_same(const struct spans *a, const struct spans *b);
void spans_free(struct spans *s);

struct keys {
	uint64_t *at;                  /* open addressing, room of them, a power of two; key + 1, 0: free; ours */
	uint32_t n, room;
	uint64_t first[KEYS_FIRST];    /* the first of them, in the order they came */
	bool more;
};

void keys_add(struct keys *k, uint64_t key); /* key < UINT64_MAX */
void keys_free(struct keys *k);
