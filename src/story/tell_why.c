/* SPDX-License-Identifier: BSD-2-Clause */
/* Reasons, only where the facts hold them. */
#include <string.h>
#include "story/tell.h"

bool tell_on_ext(const struct facts *f, const struct act *a)
{
	const struct know_map *m = f->end;
	unsigned v = a->items ? a->item[0].volume : 0;
	return m && v < m->volumes && m->volume[v].format && strncmp(m->volume[v].format, "ext", 3) == 0;
}

/* Data, then the journal, a flush, the commit, then the metadata in its place: that each was over when the next began is looked at. */
void tell_order(struct tell *t)
{
	const struct facts *f = t->f;
	const struct act *data = NULL, *commit = NULL, *meta = NULL;
	unsigned at = 0;
	bool early = false;
	static const char data_why[] = "the data was on the disk before the commit block was written, so no inode can point to data that "
				       "never came";
	static const char meta_why[] = "nothing was overwritten in its place before the journal's copy of it was committed, so a crash at "
				       "any moment leaves the old state or the new one";

	for (unsigned i = 0; i < MIN(f->phases, (unsigned)FACT_PHASES) && !commit; i++) {
		commit = facts_act(&f->phase[i], REC_WRITE, TH_COMMIT);
		const struct act *a = commit ? NULL : facts_act(&f->phase[i], REC_WRITE, TH_DATA);
		data = a ? a : data;
		early |= !commit && facts_act(&f->phase[i], REC_WRITE, TH_META);
		at = i;
	}
	if (f->phases > FACT_PHASES || !commit || !at || t->st->explained_order || !tell_on_ext(f, commit) || !f->phase[at - 1].flushed)
		return;
	for (unsigned i = at; i < f->phases && !meta; i++)
		meta = facts_act(&f->phase[i], REC_WRITE, TH_META);
	/* all of it answered, and a flush or FUA in between */
	bool data_first = data && data->reach.end <= commit->reach.begin;
	bool meta_last = meta && !early && meta->reach.begin >= commit->reach.end && (f->phase[at].flushed || commit->fua == commit->reqs);
	struct reach r = commit->reach;
	if (data_first)
		reach_add(&r, &data->reach);
	if (meta_last)
		reach_add(&r, &meta->reach);
	if (data_first && meta_last)
		story_say(t->st, t->s, SAYS_WHY, &r, "that order is no chance: %s; and %s", data_why, meta_why);
	else if (data_first || meta_last)
		story_say(t->st, t->s, SAYS_WHY, &r, "%s", data_first ? data_why : meta_why);
	t->st->explained_order = data_first && meta_last;
}

void tell_log(struct tell *t)
{
	const struct know_map *m = t->f->end;
	const struct act *a = facts_act(&t->f->whole, REC_WRITE, TH_JOURNAL);

	for (size_t i = 0; a && m && i < m->volumes && !t->st->explained_log && !t->f->given; i++)
		if (m->volume[i].dirty && m->volume[i].format && strcmp(m->volume[i].format, "xfs") == 0) {
			story_say(t->st, t->s, SAYS_WHY, &a->reach,
				  "what is in the log of an XFS alone is not told: here files come, change and go when that is written "
				  "in their places");
			t->st->explained_log = true;
		}
}

void tell_waiting(struct tell *t)
{
	const struct act *a = facts_act(&t->f->whole, REC_WRITE, TH_DATA);
	if (!a)
		a = facts_act(&t->f->whole, REC_WRITE, TH_COMMIT);
	if (!a || !t->st->silent || !t->st->silent_name || !facts_known(t->f->begin))
		return;
	story_say(t->st, t->s, SAYS_WHY, &a->reach,
		  "until now nothing of that had reached the disk: the step before, \"%s\", wrote nothing, so it had been waiting in the "
		  "client's memory", t->st->silent_name);
}
