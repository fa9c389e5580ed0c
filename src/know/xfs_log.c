/* SPDX-License-Identifier: BSD-2-Clause */
/* The internal log.  Records follow each other round and round; each 512 bytes begin with the number of the round, by which the end is
 * found.  The log of a file system that was unmounted ends in a record that says so. */
#include <inttypes.h>
#include "know/xfs.h"

enum {
	BASIC = 512,            /* bytes of a block of the log */
	RECORD_MAX = 600,       /* of those, in the largest record and its headers */
	R_VERSION = 8, R_LEN = 12, R_TAIL = 24, R_OPS = 40, R_SIZE = 320, HEADER_COVERS = 32 << 10,
	OP_FLAGS = 9, OP_UNMOUNT = 0x20,
};
static const uint32_t record_magic = 0xfeedbabe;

/* The round that a block was written in; 0: it cannot be read, or never was. */
static uint32_t round_of(struct xfs *x, uint64_t start, uint64_t block)
{
	const uint8_t *p = know_peek(x->b, x->volume, start + block * BASIC, 8);
	return p ? get_be32(p + 4 * (get_be32(p) == record_magic)) : 0;
}

static bool unmounted(struct xfs *x, uint64_t start, uint64_t record, uint64_t count)
{
	const uint8_t *p = know_peek(x->b, x->volume, start + record * BASIC, BASIC);
	uint64_t headers = 1;

	if (!p || get_be32(p + R_OPS) != 1)
		return false;
	if (get_be32(p + R_VERSION) & 2 && get_be32(p + R_SIZE) > HEADER_COVERS)
		headers = (get_be32(p + R_SIZE) + (uint64_t)HEADER_COVERS - 1) / HEADER_COVERS;
	p = headers < count ? know_peek(x->b, x->volume, start + (record + headers) % count * BASIC, 16) : NULL;
	return p && p[OP_FLAGS] & OP_UNMOUNT;
}

void xfs_log(struct xfs *x)
{
	uint64_t ag = x->log_start >> x->ag_log, block = x->log_start & ((1ull << x->ag_log) - 1);
	struct know_volume *v = know_volume_set(x->b, x->volume);

	if (!x->log_start)
		return;
	if (!xfs_valid(x, ag, block, x->log_blocks) || !x->log_blocks) {
		xfs_complain(x, "the log is not inside of the file system");
		return;
	}
	uint64_t start = xfs_at(x, ag, block), len = (uint64_t)x->log_blocks << x->block_log, count = len / BASIC;
	uint64_t low = 0, high = count - 1;
	know_add_plain(x->b, x->volume, KNOW_LAYER_PLAIN, KNOW_LOG, start, len, 0, 0);
	/* The newest blocks lie before the first that is of the round before, or at the end when all are of one. */
	uint32_t first = round_of(x, start, 0), last = round_of(x, start, high);
	if (first != last) {
		while (low < high) {
			uint64_t middle = low + (high - low) / 2;
			if (round_of(x, start, middle) == last)
				high = middle;
			else
				low = middle + 1;
		}
	} else {
		low = count;
	}
	for (uint64_t back = 1; back <= MIN((uint64_t)RECORD_MAX, count) && !know_stopped(x->b); back++) {
		uint64_t at = (low + count - back) % count;
		const uint8_t *p = know_peek(x->b, x->volume, start + at * BASIC, 4);
		if (p && get_be32(p) == record_magic) {
			v->dirty = !unmounted(x, start, at, count);
			return;
		}
	}
	know_note(x->b, x->volume, "the log's end is not found: it may have to be played");
	v->dirty = true;
}
