/* SPDX-License-Identifier: BSD-2-Clause */
/* The journal: where it lies, and what each of its blocks is.
 *
 * No block of data begins with the journal's magic number (such blocks are escaped), so every block that does is a header, however old; a
 * look at all of them finds old transactions as well as new ones.  The log goes round: where two descriptors claim one block, what is newer
 * has it. */
#include <inttypes.h>
#include <stdlib.h>
#include "know/ext_journal.h"

enum { BLOCKS_MAX = 4 << 20, PIECES_MAX = 1 << 20, TAGS_MAX = 8 << 20, QUIET = 4 << 20, FC_HEAD = 9 };

/* --- where it lies --- */

static void collect(struct ext_walk *w, const struct ext_piece *p)
{
	struct ext_journal *j = w->arg;

	if (!p->node && ext_room(w->x, &j->piece, &j->pieces_room, j->pieces, PIECES_MAX, sizeof *j->piece))
		j->piece[j->pieces++] = *p;
}

/* Where block i of the journal is, and how many follow it there; 0: nowhere. */
uint64_t ext_journal_where(const struct ext_journal *j, uint32_t i, uint64_t *n)
{
	size_t low = 0, high = j->pieces;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (j->piece[mid].at + j->piece[mid].len <= i)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == j->pieces || j->piece[low].at > i) {
		*n = low == j->pieces ? UINT32_MAX : j->piece[low].at - i;
		return 0;
	}
	*n = j->piece[low].len - (i - j->piece[low].at);
	return j->piece[low].block + (i - j->piece[low].at);
}

static bool read_blocks(struct ext_journal *j, uint64_t at, uint64_t n, uint8_t *to)
{
	size_t size = j->x->s.block;
	return know_read(j->x->b, j->x->volume, at * size, n * size, to) == 0;
}

const uint8_t *ext_journal_peek(struct ext_journal *j, uint32_t i)
{
	uint64_t n, at = ext_journal_where(j, i, &n), size = j->x->s.block;
	return at ? know_peek(j->x->b, j->x->volume, at * size, size) : NULL;
}

/* --- what its blocks are --- */

uint32_t ext_journal_behind(const struct ext_journal *j, uint32_t i)
{
	return i + 1 < j->s.end ? i + 1 : j->s.first;
}

static void claim(struct ext_journal *j, uint32_t i, uint32_t tag, uint32_t seq)
{
	j->block[i] = (struct ext_jblock){ .seq = seq, .tag = tag, .type = JBD_DATA };
}

/* A block that was passed already, which the end of a log that goes round claims. */
static bool claim_passed(struct ext_journal *j, uint32_t i, uint32_t tag, uint32_t seq)
{
	const struct ext_jblock *b = &j->block[i];

	if (b->type != JBD_NONE && (b->type != JBD_DATA || !jbd_newer(seq, b->seq)))
		return false; /* written since */
	const uint8_t *p = ext_journal_peek(j, i);
	if (!p)
		return false;
	claim(j, i, tag, seq);
	j->block[i].bad = !jbd_data_csum_ok(&j->s, p, &j->tag[tag], seq);
	return true;
}

static void descriptor(struct ext_journal *j, uint32_t i, const uint8_t *p, uint32_t seq)
{
	unsigned n = jbd_tags(&j->s, p, j->some, j->s.block / 8);
	uint32_t at = i;

	j->block[i].tag = (uint32_t)j->tags;
	for (unsigned k = 0; k < n; k++) {
		if (!ext_room(j->x, &j->tag, &j->tags_room, j->tags, TAGS_MAX, sizeof *j->tag))
			return;
		uint32_t tag = (uint32_t)j->tags++;
		j->tag[tag] = j->some[k];
		j->block[i].tags++;
		at = ext_journal_behind(j, at);
		if (at >= j->blocks || at == i)
			return;
		if (at > i)
			claim(j, at, tag, seq);
		else if (!claim_passed(j, at, tag, seq))
			return;
	}
}

/* What stands in block i. */
static void look_at(struct ext_journal *j, uint32_t i, const uint8_t *p)
{
	struct ext_jblock *b = &j->block[i];
	uint32_t seq = 0, type = jbd_type(p, &seq);

	if (type == JBD_DESC || type == JBD_COMMIT || type == JBD_REVOKE) {
		*b = (struct ext_jblock){ .seq = seq, .type = (uint8_t)type, .bad = !jbd_csum_ok(&j->s, p, type) };
		if (type == JBD_DESC)
			descriptor(j, i, p, seq);
	} else if (b->type == JBD_DATA) {
		b->bad = !jbd_data_csum_ok(&j->s, p, &j->tag[b->tag], b->seq);
	}
}

static bool zero(const uint8_t *p, size_t n)
{
	return p[0] == 0 && memcmp(p, p + 1, n - 1) == 0;
}

/* n blocks of the log that follow each other on the disk; how many of them at the end are zeroes, those before included. */
static uint64_t look_at_some(struct ext_journal *j, uint32_t i, uint64_t at, uint64_t n, uint64_t quiet)
{
	uint32_t size = j->x->s.block;

	if (!read_blocks(j, at, n, j->x->piece))
		return quiet;
	for (uint64_t k = 0; k < n; k++) {
		const uint8_t *p = j->x->piece + k * size;
		quiet = zero(p, size) ? quiet + 1 : 0;
		look_at(j, i + (uint32_t)k, p);
	}
	return quiet;
}

static bool zero_at(struct ext_journal *j, uint32_t i)
{
	const uint8_t *p = ext_journal_peek(j, i);
	return p && zero(p, j->x->s.block);
}

/* All blocks of the log.  Behind so many zeroes that no transaction has them, it was never written: then leaps of growing width, back to
 * where the last one began when there is something after all. */
static void look_at_log(struct ext_journal *j)
{
	uint32_t i = j->s.first, end = MIN(j->s.end, j->blocks), most = EXT_PIECE / j->x->s.block;
	uint64_t n, quiet = 0;

	while (i < end && !know_stopped(j->x->b)) {
		for (uint64_t leap = most; quiet >= QUIET / j->x->s.block && i < end; leap *= 2) {
			uint32_t to = (uint32_t)MIN(i + leap, (uint64_t)end - 1);
			if (!zero_at(j, to))
				quiet = 0;
			else
				i = to + 1;
		}
		uint64_t at = i < end ? ext_journal_where(j, i, &n) : 0;
		n = i < end ? MIN(n, (uint64_t)(end - i)) : 0;
		if (at) {
			n = MIN(n, (uint64_t)most);
			quiet = look_at_some(j, i, at, n, quiet);
		}
		i += (uint32_t)n;
	}
}

/* --- telling --- */

static void add_one(struct ext_journal *j, uint32_t i, uint64_t at)
{
	static const uint8_t kinds[] = { [JBD_DESC] = KNOW_JOURNAL_DESC, [JBD_COMMIT] = KNOW_JOURNAL_COMMIT,
		[JBD_REVOKE] = KNOW_JOURNAL_REVOKE, [JBD_DATA] = KNOW_JOURNAL_DATA };
	const struct ext_jblock *b = &j->block[i];
	const struct ext *x = j->x;
	struct know_region r = { .off = at * x->s.block, .len = x->s.block, .number = b->seq, .home = KNOW_NOWHERE, .file = KNOW_NO_FILE,
		.kind = kinds[b->type] };

	if (b->type == JBD_DATA && b->bad && b->state == EXT_J_OLD)
		return; /* what the descriptor spoke of was overwritten: the rest */
	if (b->type == JBD_DATA && !(x->s.incompat & EXT_INCOMPAT_JOURNAL_DEV) && j->tag[b->tag].home < x->s.blocks)
		r.home = x->off + j->tag[b->tag].home * x->s.block;
	if (b->state == EXT_J_OPEN) /* what its descriptor speaks of may be still to come */
		r.flags = (uint8_t)(KNOW_UNCOMMITTED | (!b->bad ? 0 : b->type == JBD_DATA ? KNOW_UNWRITTEN : KNOW_BAD));
	else
		r.flags = (uint8_t)((b->state == EXT_J_COMMITTED ? 0 : KNOW_OLD) | (b->state == EXT_J_DAMAGED || b->bad ? KNOW_BAD : 0));
	know_add(x->b, x->volume, KNOW_LAYER_INSIDE, &r);
}

static void add_all(struct ext_journal *j)
{
	uint64_t n = 0, at = ext_journal_where(j, j->super, &n);
	struct ext *x = j->x;

	ext_add(x, KNOW_LAYER_INSIDE, KNOW_JOURNAL_SUPER, at, 1, 0, j->s.csum_bad ? KNOW_BAD : 0);
	for (uint32_t i = 1; i < j->blocks; i++)
		if (j->block[i].type != JBD_NONE && (at = ext_journal_where(j, i, &n)) != 0)
			add_one(j, i, at);
}

static void say(struct ext_journal *j)
{
	struct ext *x = j->x;
	uint32_t n = j->next - j->s.seq;
	bool open = false, damaged = false;
	const uint8_t *p = j->s.end < j->blocks ? ext_journal_peek(j, j->s.end) : NULL;

	for (uint32_t i = 0; i < j->blocks; i++) {
		open |= j->block[i].state == EXT_J_OPEN;
		damaged |= j->block[i].state == EXT_J_DAMAGED;
	}
	if (j->s.csum_bad)
		know_note(x->b, x->volume, "the journal's superblock has a wrong checksum");
	if (n && x->redos)
		know_note(x->b, x->volume,
			"the journal is to be played, %" PRIu32 " transaction%s from %" PRIu32 " on: all is told as after that "
			"(%zu block%s)",
			n, n == 1 ? "" : "s", j->s.seq, x->redos, x->redos == 1 ? "" : "s");
	else if (n)
		know_note(x->b, x->volume, "the journal holds %" PRIu32 " transaction%s from %" PRIu32 " on", n,
			n == 1 ? "" : "s", j->s.seq);
	if (damaged)
		know_note(x->b, x->volume, "transaction %" PRIu32 " of the journal is damaged: it will not be played", j->next);
	else if (open)
		know_note(x->b, x->volume, "transaction %" PRIu32 " of the journal has no commit block: it would not be played", j->next);
	if (p && get_le16(p) == FC_HEAD && get_le16(p + 2) >= 8 && get_le32(p + 8) == j->next)
		know_note(x->b, x->volume, "the journal has fast commits to be played, which are not taken into account");
}

/* --- all --- */

/* False: there is no journal in these pieces. */
static bool journal(struct ext_journal *j)
{
	struct ext *x = j->x;
	const uint8_t *p = ext_journal_peek(j, j->super);
	const struct ext_piece *last = j->pieces ? &j->piece[j->pieces - 1] : NULL;

	if (!p || !last || !jbd_super_parse(&j->s, p) || j->s.block != x->s.block)
		return false;
	uint64_t there = MIN(last->at + last->len, (uint64_t)BLOCKS_MAX);
	j->blocks = (uint32_t)MIN(there, (uint64_t)j->s.blocks);
	if (j->blocks < j->s.blocks)
		know_note(x->b, x->volume, "the journal says that it has %" PRIu32 " blocks: %" PRIu32 " are looked at", j->s.blocks,
			j->blocks);
	j->block = calloc(j->blocks, sizeof *j->block);
	j->some = malloc((size_t)j->s.block / 8 * sizeof *j->some);
	if (j->block && j->some) {
		look_at_log(j);
		ext_replay_follow(j);
		if (!(x->s.incompat & EXT_INCOMPAT_JOURNAL_DEV) && (x->s.incompat & EXT_INCOMPAT_RECOVER || x->from_copy))
			ext_replay_take(j);
		add_all(j);
		say(j);
	}
	free(j->block);
	free(j->some);
	return true;
}

static void let_go(struct ext_journal *j)
{
	free(j->piece);
	free(j->tag);
	free(j->revoke);
}

static bool journal_of(struct ext *x, const uint8_t *inode)
{
	struct ext_journal j = { .x = x };
	struct ext_walk w = { .x = x, .ino = x->s.journal_inum, .quiet = true, .piece = collect, .arg = &j,
		.seed = x->csum ? ext_ino_seed(x, x->s.journal_inum, inode) : 0 };
	bool found;

	ext_walk(&w, inode);
	found = journal(&j);
	for (size_t i = 0; i < j.pieces && found; i++)
		ext_add(x, KNOW_LAYER_PLAIN, KNOW_JOURNAL_REST, j.piece[i].block, j.piece[i].len, 0, 0);
	let_go(&j);
	return found;
}

/* The superblock keeps a copy of where the journal lies, for when its inode is gone. */
static bool journal_by_copy(struct ext *x)
{
	const uint32_t *copy = x->s.journal_blocks;
	uint8_t inode[1024] = { 0 };

	if (!copy[0] || x->s.inode_size > sizeof inode)
		return false;
	for (unsigned i = 0; i < 15; i++)
		put_le32(inode + 40 + (size_t)i * 4, copy[i]);
	if ((copy[0] & 0xffff) == 0xf30a)
		put_le32(inode + 32, EXT_EXTENTS_FL);
	if (!journal_of(x, inode))
		return false;
	know_note(x->b, x->volume, "the journal's inode is wrong: the superblock's copy of it tells where it lies");
	return true;
}

/* So that all that was measured still holds. */
static bool same_shape(const struct ext_super *a, const struct ext_super *b)
{
	return a->block == b->block && a->blocks == b->blocks && a->first_data_block == b->first_data_block && a->ratio == b->ratio &&
		a->blocks_per_group == b->blocks_per_group && a->inodes_per_group == b->inodes_per_group &&
		a->inode_size == b->inode_size && a->desc_size == b->desc_size && a->seed == b->seed && a->ro_compat == b->ro_compat &&
		a->first_meta_bg == b->first_meta_bg;
}

/* What is said of the whole may stand in the journal, too. */
static void read_again(struct ext *x)
{
	uint64_t at = x->s.block == 1024 ? 1 : 0;
	const uint8_t *p = ext_peek(x, at);
	struct ext_super s;

	if (p && ext_super_parse(&s, p + (at ? 0 : 1024)) && !s.csum_bad && !x->from_copy && same_shape(&s, &x->s))
		x->s = s;
	ext_groups_load(x);
}

void ext_journal(struct ext *x)
{
	struct know_volume *v = know_volume_set(x->b, x->volume);
	char id[40];

	if (!(x->s.compat & EXT_COMPAT_JOURNAL))
		return;
	v->dirty = x->s.incompat & EXT_INCOMPAT_RECOVER;
	if (!x->s.journal_inum) {
		know_uuid(id, x->s.journal_uuid, false);
		know_note(x->b, x->volume, "its journal is on another device, %s%s", id, v->dirty ? ", and to be played" : "");
		return;
	}
	uint8_t *raw = malloc(x->s.inode_size);
	bool found = raw && ext_inode_read(x, x->s.journal_inum, raw) && get_le16(raw) >> 12 == 8 && journal_of(x, raw);
	free(raw);
	if (!found && !journal_by_copy(x))
		know_note(x->b, x->volume, "its journal (inode %" PRIu32 ") was not found", x->s.journal_inum);
	v->dirty |= x->redos != 0;
	if (x->redos)
		read_again(x);
}

void ext_journal_device(struct ext *x)
{
	uint64_t start = x->s.block == 1024 ? 2 : 1;
	struct ext_journal j = { .x = x, .super = (uint32_t)start };
	struct ext_walk w = { .x = x, .arg = &j };

	know_add_plain(x->b, x->volume, KNOW_LAYER_PLAIN, KNOW_BOOT, 0, 1024, 0, 0);
	know_add_plain(x->b, x->volume, KNOW_LAYER_PLAIN, KNOW_SUPERBLOCK, 1024, start * x->s.block - 1024, 0,
		x->s.csum_bad ? KNOW_BAD : 0);
	if (x->have <= start)
		return;
	collect(&w, &(struct ext_piece){ .block = start, .len = x->have - start, .at = start });
	ext_add(x, KNOW_LAYER_PLAIN, KNOW_JOURNAL_REST, start, x->have - start, 0, 0);
	journal(&j);
	let_go(&j);
}
