/* SPDX-License-Identifier: BSD-2-Clause */
/* rec_table: what the ranges of a disk hold: a sorted list of extents that do not overlap, made of writes that may.
 * The body of a TABLE chunk is such a list, REC_EXTENT_SIZE bytes each, little-endian.  Pure functions on memory; any thread. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/buf.h"

enum { REC_EXTENT_SIZE = 32 };

struct rec_extent {
	uint64_t off, len; /* bytes of the disk; off + len <= INT64_MAX */
	uint64_t addr;     /* of the data, or REC_ZEROES */
	uint64_t event;    /* number of the event that made it so */
};

/* Cover: the extents of in (n of them, in any order) laid over each other, the one with the greater event on top.
 * Appended to out (struct rec_extent), sorted.  in is sorted by offset on return.  False: no memory, out as it was. */
bool rec_cover(struct rec_extent *in, size_t n, struct buf *out);
/* To and from the bytes of a TABLE. */
void rec_put_extents(uint8_t *p, const struct rec_extent *x, size_t n);
/* False: they are not sorted, overlap, or are too long. */
bool rec_get_extents(const uint8_t *p, size_t n, struct rec_extent *x);
/* The first of n sorted extents that ends behind off; n: none does. */
size_t rec_find_extent(const struct rec_extent *x, size_t n, uint64_t off);
