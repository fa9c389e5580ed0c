/* SPDX-License-Identifier: BSD-2-Clause */
/* keep: the model as it was at some events, evenly spread, so that a player can go back without walking from the beginning.
 * At most KEEP_MAX of them and about KEEP_BYTES; when there are more every other one is dropped, and they are kept half as
 * often.  Zeroed memory keeps nothing.  One thread at a time. */
#pragma once
#include "view/cursor.h"
#include "view/model.h"

#define KEEP_MAX 64u
#define KEEP_BYTES (256u << 20)

struct kept {
	struct place place;       /* of the cursor, behind the last event taken */
	struct model_kept model;
};

struct keep {
	uint64_t every;           /* events; 0: nothing is kept */
	struct kept *at[KEEP_MAX]; /* at[i]: after (i + 1) * every events, ours; NULL: not kept */
	uint64_t bytes;
};

/* From now on keep models of the size of m, of a file that has so many events. */
void keep_start(struct keep *k, const struct model *m, uint64_t events);
/* The model has taken one more event, and the cursor is behind it.  Without memory it is not kept. */
void keep_event(struct keep *k, const struct model *m, const struct cursor *c);
/* The last one kept that has no more than n events, all of them at or before t; NULL: none. */
const struct kept *keep_find(const struct keep *k, uint64_t n, uint64_t t);
void keep_forget(struct keep *k);
