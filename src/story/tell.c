/* SPDX-License-Identifier: BSD-2-Clause */
/* What happened in a step. */
#include <inttypes.h>
#include <string.h>
#include "story/tell.h"
#include "story/words.h"
#include "view/fmt.h"

/* --- sentences --- */

void tell_subject(struct tell *t, struct buf *b, const struct reach *r)
{
	if (t->said++ == 0) {
		bool own = strcmp(t->actor, "the client") != 0 && strcmp(t->actor, "the kernel") != 0;
		buf_printf(b, "%s%s ", own ? t->actor : "T", own ? "" : t->actor + 1);
	} else {
		buf_printf(b, r->begin >= t->last_end ? "Then it " : "It ");
	}
	t->last_end = r->end;
}

void tell_amount(struct buf *b, const struct act *a, bool place)
{
	uint64_t once = spans_sum(&a->where);

	buf_printf(b, " (");
	words_size(b, a->bytes);
	if (place && a->where.n == 1 && !a->where.more) {
		buf_printf(b, " ");
		words_places(b, &a->where, 0);
	}
	buf_printf(b, ", ");
	words_count(b, a->reqs, "request");
	if (a->fua)
		buf_printf(b, a->fua == a->reqs ? " with FUA" : ", some with FUA");
	if (!a->where.more && a->bytes > once + once / 4) {
		buf_printf(b, ", all in the same ");
		words_size(b, once);
	}
	buf_printf(b, ")");
}

/* The widest volume of m that the act reached as good as all of, and not much else; NULL: none. */
static const struct know_volume *whole_volume(const struct know_map *m, const struct act *a, unsigned *number)
{
	const struct know_volume *best = NULL;
	uint64_t sum = spans_sum(&a->where);
	for (size_t i = 0; m && i < m->volumes && !a->where.more; i++) {
		const struct know_volume *v = &m->volume[i];
		uint64_t in = spans_covers(&a->where, v->off, v->off + v->len);
		if (in < v->len - v->len / 64 || sum - in > v->len / 64 || (best && best->len >= v->len) || !v->len)
			continue;
		best = v;
		*number = (unsigned)i;
	}
	return best;
}

static void put_errors(struct tell *t)
{
	static const char *const names[REC_OPS] = { "read", "write", "trim", "zero", "flush", "cache", "extents" };
	struct buf b = { .limit = SENTENCE_MAX };
	uint64_t kinds = 0, told = 0, all = 0;

	for (unsigned op = 0; op < REC_OPS; op++)
		kinds += t->f->failed[op] > 0;
	for (unsigned op = 0; op < REC_OPS; op++) {
		if (!t->f->failed[op])
			continue;
		char n[FMT_ROOM];
		all += t->f->failed[op];
		buf_printf(&b, "%s%s %s%s", told == 0 ? "" : told + 1 == kinds ? " and " : ", ", fmt_count(n, t->f->failed[op]), names[op],
			   t->f->failed[op] == 1 ? "" : op == REC_FLUSH ? "es" : op == REC_EXTENTS ? "" : "s");
		told++;
	}
	const char *name = t->f->err < INT32_MAX ? strerrorname_np((int)t->f->err) : NULL;
	if (told)
		story_say(t->st, t->s, SAYS_TROUBLE, &t->f->failures, "%s failed%s%s%s: what they were to do is left undone", buf_str(&b),
			  name ? all == 1 ? ", with " : ", the first with " : "", name ? name : "", "");
	buf_free(&b);
}

/* --- changes --- */

static uint64_t former_of(const struct act *a, uint64_t *files, bool *more, bool *cut)
{
	uint64_t bytes = 0;
	*files = 0;
	*more = *cut = false;
	for (unsigned i = 0; i < a->items; i++) {
		bytes += a->item[i].former_bytes;
		*files += a->item[i].former.n;
		*more |= a->item[i].former.more;
		*cut |= a->item[i].former_cut;
	}
	return bytes;
}

/* Is it in an XFS whose log has what the map does not show? */
static bool log_unplayed(const struct know_map *m, const struct act *a)
{
	const struct know_volume *v = m && a->item[0].volume < m->volumes ? &m->volume[a->item[0].volume] : NULL;
	return v && v->format && strcmp(v->format, "xfs") == 0 && v->dirty;
}

/* Of a trim, or of a zero or write to where nothing is: how it lies. */
static void put_area(struct tell *t, struct buf *b, const struct act *a)
{
	unsigned number = 0;
	const struct know_map *m = t->f->end;
	const struct know_volume *v = whole_volume(m, a, &number);

	if (!v)
		v = whole_volume(m = t->f->begin, a, &number);
	if (v || (t->size && !a->where.more && spans_sum(&a->where) == t->size)) {
		buf_printf(b, "the whole of ");
		words_volume(b, m, v ? number : 0);
		tell_amount(b, a, false);
		return;
	}
	words_size(b, a->bytes);
	if (a->items == 1 && (a->item[0].kind == KNOW_FREE || a->item[0].kind == KNOW_GAP))
		buf_printf(b, a->item[0].kind != KNOW_FREE ? " outside of all partitions" :
			   a->op != REC_WRITE ? " of free space" :
			   log_unplayed(t->f->end, a) ? ", in space that is free as long as the log is not played" :
			   t->f->given ? " that nothing uses at the end of all" : " that nothing uses at the end of the step");
	if (a->where.n == 1 || a->where.more) {
		buf_printf(b, " ");
		words_places(b, &a->where, t->size);
	}
	buf_printf(b, " (");
	words_count(b, a->reqs, "request");
	uint64_t once = spans_sum(&a->where), percent = t->size && once < UINT64_MAX / 100 ? (once * 100 + t->size / 2) / t->size : 0;
	if (t->size && once <= t->size && !a->where.more && percent >= 10)
		buf_printf(b, ", %" PRIu64 " %% of the disk", percent);
	buf_printf(b, ")");
	if (a->where.n > 1 && !a->where.more) {
		buf_printf(b, ": ");
		words_places(b, &a->where, t->size);
	}
	if (a->items > 1 && a->op == REC_TRIM) {
		buf_printf(b, " (");
		words_items(b, t->f, a);
		buf_printf(b, ")");
	}
}

/* 1, and the powers of 3, 5 and 7 below end: where sparse_super puts backups. */
static bool is_sparse_super(const struct spans *s)
{
	for (uint32_t i = 0; i < s->n; i++)
		for (uint64_t n = s->at[i].from; n < s->at[i].to; n++) {
			uint64_t rest = n;
			for (unsigned k = 3; k <= 7 && n > 1; k += 2)
				if (rest == n)
					while (rest > 1 && rest % k == 0)
						rest /= k;
			if (!n || (n > 1 && rest != 1))
				return false;
		}
	return s->n && !s->more;
}

static void put_lazy(struct tell *t, struct buf *b, const struct act *a)
{
	uint64_t unwritten = 0;
	for (unsigned i = 0; i < a->items; i++)
		unwritten += a->item[i].kind == KNOW_INODE_TABLE ? a->item[i].unwritten : 0;
	if (a->op != REC_ZERO || unwritten < a->bytes / 2 || !unwritten || t->st->explained_lazy)
		return;
	buf_printf(b, ", which had been left for later when the file system was made (lazy initialisation)");
	t->st->explained_lazy = true;
}

static const char *verb(const struct act *a)
{
	uint64_t before = 0;
	if (a->op != REC_WRITE)
		return a->op == REC_ZERO ? "zeroed" : "discarded";
	for (unsigned i = 0; i < a->items; i++)
		before += a->item[i].before;
	return (a->theme == TH_META || a->theme == TH_TABLE || a->theme == TH_BACKUP) && before == a->bytes ? "updated" : "wrote";
}

static void put_act(struct tell *t, struct buf *b, const struct act *a)
{
	uint64_t files;
	bool more, cut;

	buf_printf(b, "%s ", verb(a));
	if (a->theme == TH_NOTHING) {
		put_area(t, b, a);
	} else {
		words_items(b, t->f, a);
		tell_amount(b, a, a->op == REC_ZERO || a->theme == TH_DATA || a->theme == TH_DATABASE);
	}
	uint64_t was = former_of(a, &files, &more, &cut);
	if (a->op == REC_TRIM && was) {
		buf_printf(b, "; ");
		words_size(b, was);
		buf_printf(b, " of that had held the data of %s", more ? "more than " : "");
		words_count(b, files, "file");
		buf_printf(b, files == 1 ? cut ? " that was cut" : " that is gone" : cut ? " that are gone or were cut" : " that are gone");
	}
	put_lazy(t, b, a);
	if (a->theme == TH_BACKUP && !t->st->explained_backups && tell_on_ext(t->f, a) && is_sparse_super(&a->item[0].numbers)) {
		buf_printf(b, ": 1 and the powers of 3, 5 and 7 have them");
		t->st->explained_backups = true;
	}
}

static void put_flush(struct tell *t, struct buf *b, const struct phase *p)
{
	if (!p->flushes)
		return;
	if (!p->flushed) {
		buf_printf(b, "; it asked for a flush then, and got none");
		return;
	}
	if (p->flushes > 1) {
		buf_printf(b, "; then came ");
		words_count(b, p->flushes, "flush");
	} else {
		buf_printf(b, "; then came a flush");
	}
	if (!t->st->explained_flush)
		buf_printf(b, ", which made that durable");
	t->st->explained_flush = true;
}

static enum story_kind kind_of(const struct act *a)
{
	return a->op == REC_WRITE ? SAYS_WRITE : a->op == REC_ZERO ? SAYS_ZERO : SAYS_TRIM;
}

static unsigned changes_in(const struct phase *p)
{
	unsigned n = 0;
	for (unsigned i = 0; i < p->acts; i++)
		n += p->act[i].op != REC_READ;
	return n;
}

/* In a log nobody knows a journal; but how one commits is to be seen: alone between two flushes, right behind what was written before. */
static bool looks_like_commit(const struct tell *t, unsigned i)
{
	const struct phase *p = &t->f->phase[i], *before = &t->f->phase[i - 1];
	if (facts_known(t->f->end) || changes_in(p) != 1 || !p->flushed || !before->flushed)
		return false;
	const struct act *a = &p->act[0], *b = facts_act(before, REC_WRITE, TH_NOTHING);
	if (a->op != REC_WRITE || a->reqs != 1 || !b || a->bytes > KIB(4))
		return false;
	for (uint32_t k = 0; k < b->where.n; k++)
		if (b->where.at[k].to == a->where.at[0].from)
			return true;
	return false;
}

/* The same one thing again and again: how many phases from i on. */
static unsigned alike(const struct facts *f, unsigned i)
{
	unsigned j = i + 1;
	if (changes_in(&f->phase[i]) != 1 || f->phase[i].acts != 1 || !f->phase[i].flushes)
		return 1;
	const struct act *a = &f->phase[i].act[0];
	for (; j < MIN(f->phases, (unsigned)FACT_PHASES); j++) {
		const struct phase *p = &f->phase[j];
		if (p->acts != 1 || p->act[0].op != a->op || p->act[0].theme != a->theme || !spans_same(&p->act[0].where, &a->where) ||
		    p->flushes == 0 || p->flushed != p->flushes)
			break;
	}
	return j - i;
}

static void tell_phase(struct tell *t, const struct phase *p, bool commit, unsigned times)
{
	struct buf b = { .limit = SENTENCE_MAX };
	unsigned n = changes_in(p), told = 0;

	for (unsigned i = 0; i < p->acts; i++) {
		const struct act *a = &p->act[i];
		struct act all = *a;
		struct reach r = a->reach;
		if (a->op == REC_READ)
			continue;
		tell_reads(t, r.first);
		b.len = 0;
		for (unsigned k = 1; k < times; k++) {
			all.reqs += p[k].act[0].reqs;
			all.bytes += p[k].act[0].bytes;
			all.fua += p[k].act[0].fua;
			reach_add(&r, &p[k].act[0].reach);
			reach_add(&r, &p[k].flush);
		}
		tell_subject(t, &b, &r);
		put_act(t, &b, &all);
		if (times > 1)
			buf_printf(&b, ", in %u rounds with a flush after each", times);
		if (commit)
			buf_printf(&b, ", right behind what came before and alone between two flushes: so a journal commits");
		if (++told == n && p->flushes && times == 1) {
			put_flush(t, &b, p);
			reach_add(&r, &p->flush);
		}
		story_say(t->st, t->s, kind_of(a), &r, "%s", buf_str(&b));
	}
	buf_free(&b);
}

static void tell_whole(struct tell *t)
{
	const struct facts *f = t->f;
	struct buf b = { .limit = SENTENCE_MAX };

	for (unsigned i = 0; i < f->whole.acts; i++) {
		const struct act *a = &f->whole.act[i];
		if (a->op == REC_READ)
			continue;
		tell_reads(t, a->reach.first);
		b.len = 0;
		tell_subject(t, &b, &a->reach);
		put_act(t, &b, a);
		story_say(t->st, t->s, kind_of(a), &a->reach, "%s", buf_str(&b));
	}
	b.len = 0;
	words_count(&b, f->whole.flushes, "time");
	buf_printf(&b, ", on average after each ");
	words_size(&b, (f->bytes[REC_WRITE] + f->bytes[REC_ZERO]) / f->whole.flushes);
	story_say(t->st, t->s, SAYS_FLUSH, &t->s->reach, "in between it asked for a flush %s%s", buf_str(&b),
		  f->whole.flushed < f->whole.flushes ? "; not all of them were answered with success" : "");
	buf_free(&b);
}

/* --- a step --- */

static void tell_changes(struct tell *t)
{
	const struct facts *f = t->f;

	if (f->phases > FACT_PHASES) {
		tell_whole(t);
		return;
	}
	for (unsigned i = 0, times; i < f->phases; i += times) {
		times = alike(f, i);
		tell_phase(t, &f->phase[i], i > 0 && times == 1 && looks_like_commit(t, i), times);
	}
	if (f->whole.flushed && !changes_in(&f->whole)) {
		struct buf b = { .limit = SENTENCE_MAX };
		tell_reads(t, f->phase[0].flush.first);
		if (f->whole.flushed > 1) {
			buf_printf(&b, " ");
			words_count(&b, f->whole.flushed, "time");
		}
		story_say(t->st, t->s, SAYS_FLUSH, &f->phase[0].flush, "a flush was asked for%s", buf_str(&b));
		buf_free(&b);
	}
}

void story_tell(struct story *st, struct story_step *s, const struct facts *f, const struct session *ss, uint64_t changes_before)
{
	char actor[64];
	struct tell t = { .st = st, .s = s, .f = f, .ss = ss, .blank = changes_before == 0,
			  .size = f->end ? f->end->size : ss->size, .actor = words_actor(s->name, actor, sizeof actor) };
	uint64_t changes = f->reqs[REC_WRITE] + f->reqs[REC_ZERO] + f->reqs[REC_TRIM];

	if (f->reach.last || f->reach.end)
		s->reach = f->reach;
	st->no_memory |= f->no_memory;
	tell_changes(&t);
	tell_reads(&t, UINT64_MAX);
	tell_order(&t);
	tell_log(&t);
	tell_waiting(&t);
	put_errors(&t);
	if (!changes && !f->reqs[REC_READ] && !f->whole.flushes && !s->n)
		story_say(st, s, SAYS_NOTHING, &s->reach, "nothing reached the disk");
	else if (!changes && s->name && f->reqs[REC_READ] && !f->failures.last)
		story_say(st, s, SAYS_NOTHING, &s->reach, "nothing was written");
	story_state(st, s, f);
	st->silent = changes ? 0 : st->silent + 1;
	st->silent_name = changes ? NULL : s->name;
}
