/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>
#include "view/keep.h"

#define EVERY_MIN 4096u /* events are walked as fast as a model is brought back */

static void drop(struct keep *k, size_t i)
{
	if (!k->at[i])
		return;
	k->bytes -= k->at[i]->model.bytes;
	model_kept_free(&k->at[i]->model);
	free(k->at[i]);
	k->at[i] = NULL;
}

void keep_forget(struct keep *k)
{
	for (size_t i = 0; i < KEEP_MAX; i++)
		drop(k, i);
	*k = (struct keep){ 0 };
}

void keep_start(struct keep *k, const struct model *m, uint64_t events)
{
	keep_forget(k);
	/* to keep one costs about as much as an event for each cell */
	uint64_t least = MAX(EVERY_MIN, m->map.cells);
	k->every = MAX(least, events / KEEP_MAX + 1);
}

static void halve(struct keep *k)
{
	for (size_t i = 0; i < KEEP_MAX; i += 2)
		drop(k, i);
	for (size_t i = 0; i < KEEP_MAX / 2; i++) {
		k->at[i] = k->at[2 * i + 1];
		k->at[2 * i + 1] = NULL;
	}
	k->every *= 2;
}

void keep_event(struct keep *k, const struct model *m, const struct cursor *c)
{
	if (likely(!k->every || m->events % k->every))
		return;
	while (k->bytes > KEEP_BYTES || m->events / k->every > KEEP_MAX)
		halve(k);
	if (m->events % k->every || k->at[m->events / k->every - 1])
		return;
	struct kept *one = calloc(1, sizeof *one);
	if (!one || !model_keep(m, &one->model)) {
		free(one);
		return;
	}
	one->place = cursor_place(c);
	k->at[m->events / k->every - 1] = one;
	k->bytes += one->model.bytes;
}

const struct kept *keep_find(const struct keep *k, uint64_t n, uint64_t t)
{
	for (size_t i = k->every ? MIN(n / k->every, (uint64_t)KEEP_MAX) : 0; i-- > 0;)
		if (k->at[i] && k->at[i]->model.m.last <= t)
			return k->at[i];
	return NULL;
}
