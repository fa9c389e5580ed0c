/* SPDX-License-Identifier: BSD-2-Clause */
#include "story/tell.h"
#include "story/words.h"

static uint64_t edge_of(const struct tell *t) { return MIN(MIB(1), t->size / 8); }

static bool at_the_ends(const struct tell *t, const struct act *a)
{
	uint64_t edge = edge_of(t), sum = spans_sum(&a->where);
	return edge && !a->where.more &&
	       spans_covers(&a->where, 0, edge) + spans_covers(&a->where, t->size - edge, t->size) > sum / 2;
}

void tell_reads(struct tell *t, uint64_t before)
{
	const struct act *nothing = facts_act(&t->f->whole, REC_READ, TH_NOTHING), *known = facts_act(&t->f->whole, REC_READ, TH_META);
	struct buf b = { .limit = SENTENCE_MAX };
	struct reach all = { 0 };

	reach_add(&all, nothing ? &nothing->reach : &all);
	reach_add(&all, known ? &known->reach : &all);
	if (t->reads_told || all.first >= before || !(nothing || known))
		return;
	t->reads_told = true;
	/* looking at many places, a little at each, where signatures lie: at the ends of the disk, or of what is known to be empty */
	bool ends = nothing && at_the_ends(t, nothing);
	bool probing = nothing && nothing->reqs >= 4 && nothing->bytes / nothing->reqs <= KIB(64) &&
		       (ends || (facts_known(t->f->begin) && !t->f->given));
	if (nothing) {
		tell_subject(t, &b, &nothing->reach);
		buf_printf(&b, probing ? "looked for signatures: " : "read ");
		if (!probing) {
			words_size(&b, nothing->bytes);
			buf_printf(&b, " in ");
		}
		words_count(&b, nothing->reqs, probing ? "read" : "request");
		if (!probing && nothing->places.n <= 2 && nothing->where.n <= 2) {
			buf_printf(&b, " ");
			words_places(&b, &nothing->where, t->size);
		} else {
			buf_printf(&b, nothing->places.more ? " at more than " : " at ");
			words_count(&b, nothing->places.n, "place");
		}
		if (probing) {
			buf_printf(&b, " (");
			words_size(&b, nothing->bytes);
			buf_printf(&b, ")");
		}
		if (ends) {
			buf_printf(&b, ", for the most part in the first and the last ");
			words_size(&b, edge_of(t));
		}
		if (t->blank && !t->f->reqs[REC_WRITE] && !t->f->reqs[REC_ZERO] && !t->f->reqs[REC_TRIM])
			buf_printf(&b, ", all before anything had been written");
		else if (facts_known(t->f->begin) && !t->f->given)
			buf_printf(&b, ", where there was nothing to be found");
		story_say(t->st, t->s, SAYS_READ, &nothing->reach, "%s", buf_str(&b));
	}
	if (known) {
		b.len = 0;
		tell_subject(t, &b, &known->reach);
		buf_printf(&b, t->f->given ? "read where, at the end of all, there lie " : "read ");
		words_items(&b, t->f, known);
		tell_amount(&b, known, false);
		story_say(t->st, t->s, SAYS_READ, &known->reach, "%s", buf_str(&b));
	}
	buf_free(&b);
}
