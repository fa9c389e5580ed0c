/* SPDX-License-Identifier: BSD-2-Clause */
/* Which transactions of a journal are to be played: from where its superblock points, the chain of those that are whole is followed as a
 * mount would follow it; a block that is revoked later is not written. */
#include <stdlib.h>
#include "know/ext_journal.h"

enum { REDO_MAX = 4 << 20, REVOKES_MAX = 4 << 20 };

static void take_revokes(struct ext_journal *j, uint32_t i, uint32_t seq)
{
	const uint8_t *p = ext_journal_peek(j, i);
	uint64_t *home = (uint64_t *)(void *)j->some;
	unsigned n = p ? jbd_revoked(&j->s, p, home, j->s.block / 4) : 0;

	for (unsigned k = 0; k < n; k++)
		if (ext_room(j->x, &j->revoke, &j->revokes_room, j->revokes, REVOKES_MAX, sizeof *j->revoke))
			j->revoke[j->revokes++] = (struct ext_revoke){ home[k], seq };
}

/* The blocks of the transaction that begins at i are all of this state, up to where it ends or is torn; behind it, or 0: it has no end. */
static uint32_t transaction(struct ext_journal *j, uint32_t i, uint32_t seq, unsigned state)
{
	for (uint32_t steps = 0; steps < j->blocks && i < j->blocks; steps++) {
		struct ext_jblock *b = &j->block[i];
		bool header = b->type == JBD_DESC || b->type == JBD_REVOKE || b->type == JBD_COMMIT;
		if (!header || b->seq != seq || (b->bad && state < EXT_J_OPEN))
			return 0;
		b->state = state & 15;
		unsigned data = b->type == JBD_DESC ? b->tags : 0, type = b->type;
		if (type == JBD_REVOKE && state == EXT_J_COMMITTED)
			take_revokes(j, i, seq);
		for (i = ext_journal_behind(j, i); data && i < j->blocks; i = ext_journal_behind(j, i), data--)
			if (j->block[i].type == JBD_DATA && j->block[i].seq == seq)
				j->block[i].state = state & 15;
		if (type == JBD_COMMIT)
			return i;
	}
	return 0;
}

void ext_replay_follow(struct ext_journal *j)
{
	uint32_t i = j->s.start, n = 0, next;

	for (j->next = j->s.seq; i && n < j->blocks; i = next, n++, j->next++) {
		if (!(next = transaction(j, i, j->next, EXT_J_OLD)))
			break;
		transaction(j, i, j->next, EXT_J_COMMITTED);
	}
	if (i && i < j->blocks && j->block[i].type != JBD_NONE && j->block[i].seq == j->next && n < j->blocks)
		if (transaction(j, i, j->next, EXT_J_OPEN))
			transaction(j, i, j->next, EXT_J_DAMAGED);
}

static int revoke_order(const void *a, const void *b)
{
	const struct ext_revoke *p = a, *q = b;
	if (p->home != q->home)
		return p->home < q->home ? -1 : 1;
	return p->seq == q->seq ? 0 : jbd_newer(p->seq, q->seq) ? 1 : -1;
}

static int redo_order(const void *a, const void *b)
{
	const struct ext_redo *p = a, *q = b;
	if (p->home != q->home)
		return p->home < q->home ? -1 : 1;
	return p->seq == q->seq ? (p->at > q->at) - (p->at < q->at) : jbd_newer(p->seq, q->seq) ? 1 : -1;
}

/* Was it revoked by its own transaction or a later one? */
static bool revoked(const struct ext_journal *j, const struct ext_redo *r)
{
	size_t low = 0, high = j->revokes;

	while (low < high) { /* the first one of a later block */
		size_t mid = low + (high - low) / 2;
		if (j->revoke[mid].home <= r->home)
			low = mid + 1;
		else
			high = mid;
	}
	return low && j->revoke[low - 1].home == r->home && !jbd_newer(r->seq, j->revoke[low - 1].seq);
}

void ext_replay_take(struct ext_journal *j)
{
	struct ext *x = j->x;
	size_t room = 0, kept = 0;
	uint64_t n;

	if (j->revokes)
		qsort(j->revoke, j->revokes, sizeof *j->revoke, revoke_order);
	for (uint32_t i = 0; i < j->blocks; i++) {
		const struct ext_jblock *b = &j->block[i];
		if (b->type != JBD_DATA || b->state != EXT_J_COMMITTED || b->bad)
			continue;
		const struct ext_redo r = { .home = j->tag[b->tag].home, .at = ext_journal_where(j, i, &n), .seq = b->seq,
			.escaped = j->tag[b->tag].escaped };
		if (r.home < x->s.blocks && !revoked(j, &r) && ext_room(x, &x->redo, &room, x->redos, REDO_MAX, sizeof *x->redo))
			x->redo[x->redos++] = r;
	}
	if (x->redos)
		qsort(x->redo, x->redos, sizeof *x->redo, redo_order);
	for (size_t i = 0; i < x->redos; i++)
		if (i + 1 == x->redos || x->redo[i + 1].home != x->redo[i].home)
			x->redo[kept++] = x->redo[i];
	x->redos = kept;
}
