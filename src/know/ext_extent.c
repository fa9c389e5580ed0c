/* SPDX-License-Identifier: BSD-2-Clause */
/* Where an inode's content lies: trees of extents, or indirect blocks.  Both are at most EXT_DEPTH_MAX blocks deep, and each block that leads
 * to others is paid for. */
#include <inttypes.h>
#include "base/util.h"
#include "know/ext.h"

enum { EXTENT_MAGIC = 0xf30a, ENTRY = 12, UNWRITTEN_FROM = 32768, ROOT = 60 };

static void tell(struct ext_walk *w, uint64_t block, uint64_t len, uint64_t at, bool unwritten)
{
	const struct ext_piece p = { .block = block, .len = len, .at = at, .unwritten = unwritten };
	w->piece(w, &p);
}

static void tell_node(struct ext_walk *w, uint64_t block, uint64_t at, bool bad)
{
	const struct ext_piece p = { .block = block, .len = 1, .at = at, .node = true, .bad = bad };
	w->piece(w, &p);
}

static void wrong_range(struct ext_walk *w, uint64_t block, uint64_t len)
{
	if (!w->quiet)
		ext_say(w->x, EXT_SAY_RANGE, "inode %" PRIu32 " claims %" PRIu64 " blocks from %" PRIu64 " on, which cannot be", w->ino, len, block);
}

static void wrong_node(struct ext_walk *w, uint64_t block, const char *why)
{
	if (!w->quiet)
		ext_say(w->x, EXT_SAY_NODE, "inode %" PRIu32 ": block %" PRIu64 " of its tree %s", w->ino, block, why);
}

/* One more node to follow, read into its level's block; NULL: it cannot be, or it is one too many. */
static const uint8_t *node_read(struct ext_walk *w, uint64_t block, unsigned level)
{
	struct ext *x = w->x;

	if (!ext_inside(x, block, 1)) {
		wrong_range(w, block, 1);
		return NULL;
	}
	if (!x->purse || know_stopped(x->b)) {
		wrong_node(w, block, "is one more than the file system has blocks");
		return NULL;
	}
	x->purse--;
	const uint8_t *p = ext_peek(x, block);
	if (!p) {
		tell_node(w, block, 0, true);
		return NULL;
	}
	return memcpy(x->node[level], p, x->s.block);
}

/* --- extents --- */

/* Entries that stand in a node of so many bytes; -1: it is none, or not of this depth (-1: any). */
static int entries_of(const uint8_t *p, size_t bytes, int depth)
{
	unsigned n = get_le16(p + 2), max = get_le16(p + 4), here = get_le16(p + 6);

	if (get_le16(p) != EXTENT_MAGIC || n > max || max > bytes / ENTRY - 1 || here > EXT_DEPTH_MAX || (depth >= 0 && here != (unsigned)depth))
		return -1;
	return (int)n;
}

/* from: the first place in the file that may come now; what does not ascend is wrong.  False: so it was. */
static bool leaf(struct ext_walk *w, const uint8_t *p, unsigned n, uint64_t *from)
{
	bool ascends = true;

	for (unsigned i = 0; i < n; i++) {
		const uint8_t *e = p + ENTRY + (size_t)i * ENTRY;
		uint64_t at = get_le32(e), len = get_le16(e + 4), block = get_le32(e + 8) | (uint64_t)get_le16(e + 6) << 32;
		bool unwritten = len > UNWRITTEN_FROM;
		if (unwritten)
			len -= UNWRITTEN_FROM;
		if (!len || at < *from) {
			ascends = false;
			continue;
		}
		if (ext_inside(w->x, block, len))
			tell(w, block, len, at, unwritten);
		else
			wrong_range(w, block, len);
		*from = at + len;
	}
	return ascends;
}

static bool node(struct ext_walk *w, const uint8_t *p, unsigned n, unsigned depth, uint64_t *from);

static void child(struct ext_walk *w, uint64_t block, unsigned depth, uint64_t *from)
{
	const uint8_t *p = node_read(w, block, depth);

	if (!p)
		return;
	int n = entries_of(p, w->x->s.block, (int)depth);
	bool csum_ok = !w->x->csum || (n >= 0 && ext_node_csum_ok(w->x, w->seed, p));
	if (n < 0 && w->quiet)
		return; /* of a deleted file: it has become something else */
	if (n < 0)
		wrong_node(w, block, "is no extent node");
	else if (!csum_ok)
		wrong_node(w, block, "has a wrong checksum");
	if (n > 0 && !(w->quiet && !csum_ok) && !node(w, p, (unsigned)n, depth, from) && csum_ok) {
		wrong_node(w, block, "is not in order");
		csum_ok = false;
	}
	tell_node(w, block, 0, n < 0 || !csum_ok);
}

/* Goes no deeper than EXT_DEPTH_MAX: depth falls by one each time. */
static bool node(struct ext_walk *w, const uint8_t *p, unsigned n, unsigned depth, uint64_t *from) // NOLINT(misc-no-recursion)
{
	bool ascends = true;

	if (depth == 0)
		return leaf(w, p, n, from);
	for (unsigned i = 0; i < n && !know_stopped(w->x->b); i++) {
		const uint8_t *e = p + ENTRY + (size_t)i * ENTRY;
		if (get_le32(e) < *from) {
			ascends = false;
			continue;
		}
		*from = get_le32(e);
		child(w, get_le32(e + 4) | (uint64_t)get_le16(e + 8) << 32, depth - 1, from);
	}
	return ascends;
}

static void extents(struct ext_walk *w, const uint8_t *root)
{
	uint64_t from = 0;
	int n = entries_of(root, ROOT, -1);

	if (n < 0) {
		if (!w->quiet)
			ext_say(w->x, EXT_SAY_NODE, "inode %" PRIu32 ": its tree of extents has no root", w->ino);
		return;
	}
	if (!node(w, root, (unsigned)n, get_le16(root + 6), &from) && !w->quiet)
		ext_say(w->x, EXT_SAY_NODE, "inode %" PRIu32 ": the root of its tree is not in order", w->ino);
}

/* --- indirect blocks --- */

struct run {
	uint64_t block, len, at;
};

static void run_end(struct ext_walk *w, struct run *r)
{
	if (r->len)
		tell(w, r->block, r->len, r->at, false);
	r->len = 0;
}

static void run_block(struct ext_walk *w, struct run *r, uint64_t block, uint64_t at)
{
	if (r->len && block == r->block + r->len && at == r->at + r->len) {
		r->len++;
		return;
	}
	run_end(w, r);
	if (ext_inside(w->x, block, 1))
		*r = (struct run){ .block = block, .len = 1, .at = at };
	else if (block)
		wrong_range(w, block, 1);
}

/* level 1: its entries are content. */
static void indirect(struct ext_walk *w, struct run *r, uint64_t block, unsigned level, uint64_t at) // NOLINT(misc-no-recursion)
{
	uint32_t n = w->x->s.block / 4;
	uint64_t each = 1;

	const uint8_t *p = block ? node_read(w, block, level) : NULL;
	if (!p)
		return;
	for (unsigned i = 1; i < level; i++)
		each *= n;
	for (uint32_t i = 0; i < n && !know_stopped(w->x->b); i++) {
		uint32_t to = get_le32(p + (size_t)i * 4);
		if (level == 1)
			run_block(w, r, to, at + i);
		else if (to)
			indirect(w, r, to, level - 1, at + i * each);
	}
	/* What is told may be merged with what comes next: the run goes on behind the node. */
	tell_node(w, block, 0, false);
}

static void blocks(struct ext_walk *w, const uint8_t *i_block)
{
	struct run r = { 0 };
	uint64_t at = 12, n = w->x->s.block / 4;

	for (unsigned i = 0; i < 12; i++)
		run_block(w, &r, get_le32(i_block + (size_t)i * 4), i);
	for (unsigned level = 1; level <= 3; level++, n *= w->x->s.block / 4) {
		indirect(w, &r, get_le32(i_block + 44 + (size_t)level * 4), level, at);
		at += n;
	}
	run_end(w, &r);
}

void ext_walk(struct ext_walk *w, const uint8_t *inode)
{
	if (get_le32(inode + 32) & EXT_INLINE_DATA_FL)
		return;
	if (get_le32(inode + 32) & EXT_EXTENTS_FL)
		extents(w, inode + 40);
	else
		blocks(w, inode + 40);
}
