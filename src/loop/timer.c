/* SPDX-License-Identifier: BSD-2-Clause */
#include "loop/timer.h"
#include <stdlib.h>

static bool before(const struct timer *a, const struct timer *b)
{
	return a->due < b->due || (a->due == b->due && a->order < b->order);
}

static void place(struct timers *ts, size_t i, struct timer *t)
{
	ts->heap[i] = t;
	t->pos = i + 1;
}

static void sift_up(struct timers *ts, size_t i, struct timer *t)
{
	while (i > 0 && before(t, ts->heap[(i - 1) / 2])) {
		place(ts, i, ts->heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	place(ts, i, t);
}

static void sift_down(struct timers *ts, size_t i, struct timer *t)
{
	for (size_t child; (child = 2 * i + 1) < ts->count; i = child) {
		if (child + 1 < ts->count && before(ts->heap[child + 1], ts->heap[child]))
			child++;
		if (!before(ts->heap[child], t))
			break;
		place(ts, i, ts->heap[child]);
	}
	place(ts, i, t);
}

bool timers_start(struct timers *ts, struct timer *t, uint64_t due)
{
	timers_stop(ts, t);
	if (ts->count == ts->room) {
		size_t room = ts->room ? ts->room * 2 : 64;
		struct timer **heap = reallocarray(ts->heap, room, sizeof *heap);
		if (!heap)
			return false;
		ts->heap = heap;
		ts->room = room;
	}
	t->due = due;
	t->order = ts->order++;
	sift_up(ts, ts->count++, t);
	return true;
}

void timers_stop(struct timers *ts, struct timer *t)
{
	if (!t->pos)
		return;
	size_t i = t->pos - 1;
	t->pos = 0;
	struct timer *last = ts->heap[--ts->count];
	if (last == t)
		return;
	if (i > 0 && before(last, ts->heap[(i - 1) / 2]))
		sift_up(ts, i, last);
	else
		sift_down(ts, i, last);
}

uint64_t timers_next(const struct timers *ts)
{
	return ts->count ? ts->heap[0]->due : UINT64_MAX;
}

void timers_fire(struct timers *ts, uint64_t now)
{
	uint64_t until = ts->order; /* a timer that re-arms itself at `now` waits for the next turn */
	while (ts->count && ts->heap[0]->due <= now && ts->heap[0]->order < until) {
		struct timer *t = ts->heap[0];
		timers_stop(ts, t);
		t->fire(t);
	}
}

void timers_free(struct timers *ts)
{
	free(ts->heap);
	*ts = (struct timers){ 0 };
}
