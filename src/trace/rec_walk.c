/* SPDX-License-Identifier: BSD-2-Clause */
#include "trace/rec_walk.h"
#include <stdlib.h>

/* The body of the next chunk, or false. */
static bool next_chunk(struct rec_walk *w)
{
	free(w->body);
	w->body = NULL;
	while (!w->body && w->chunk < w->file->events.count) {
		const struct rec_head *h = &w->file->events.at[w->chunk++];
		const char *why = NULL;
		w->body = rec_body(w->file, h, &why);
		w->bad += !w->body;
		if (!w->body)
			continue;
		w->decoder = (struct rec_decoder){ .p = w->body, .end = w->body + h->raw, .time = h->time };
		w->carries = !w->begun || h->first != w->number;
		w->begun = true;
		w->number = h->first;
	}
	return w->body;
}

void rec_walk_start(struct rec_walk *w, const struct rec_file *f, uint64_t first)
{
	struct rec_event e;
	size_t chunk = rec_chunk_of_event(f, first);

	*w = (struct rec_walk){ .file = f, .chunk = chunk == SIZE_MAX ? 0 : chunk };
	if (!first || !next_chunk(w))
		return;
	w->carries = false;
	while (w->number < first && rec_decode(&w->decoder, &e))
		w->number += e.type != REC_CARRY;
}

bool rec_walk_next(struct rec_walk *w, struct rec_event *e, uint64_t *number)
{
	for (;;) {
		while (w->body && rec_decode(&w->decoder, e)) {
			if (number)
				*number = w->number;
			w->number += e->type != REC_CARRY;
			if (e->type != REC_CARRY || w->carries)
				return true;
		}
		w->bad += w->body && w->decoder.bad;
		if (!next_chunk(w))
			return false;
	}
}

void rec_walk_end(struct rec_walk *w)
{
	free(w->body);
	w->body = NULL;
}
