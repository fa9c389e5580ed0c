/* SPDX-License-Identifier: BSD-2-Clause */
#include "story/spans.h"
#include <stdlib.h>
#include <string.h>
#include "base/util.h"

enum { ROOM_MIN = 4, KEYS_MIN = 16 };

/* The first that ends at at or behind it. */
static uint32_t find(const struct spans *s, uint64_t at)
{
	uint32_t low = 0, high = s->n;
	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		if (s->at[mid].to < at)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static bool make_room(struct spans *s)
{
	if (s->n < s->room)
		return true;
	uint32_t room = s->room ? 2 * s->room : ROOM_MIN;
	struct span *at = room <= SPANS_MAX ? reallocarray(s->at, room, sizeof *at) : NULL;
	if (!at)
		return false;
	s->at = at;
	s->room = room;
	return true;
}

void spans_add(struct spans *s, uint64_t from, uint64_t to)
{
	if (to <= from)
		return;
	uint32_t i = find(s, from), end = i;
	while (end < s->n && s->at[end].from <= to)
		end++;
	if (end == i) {
		if (!make_room(s)) {
			s->more = true;
			return;
		}
		memmove(s->at + i + 1, s->at + i, (s->n - i) * sizeof *s->at);
		s->at[i] = (struct span){ from, to };
		s->n++;
		return;
	}
	s->at[i].from = MIN(s->at[i].from, from);
	s->at[i].to = MAX(s->at[end - 1].to, to);
	if (end - i > 1)
		memmove(s->at + i + 1, s->at + end, (s->n - end) * sizeof *s->at);
	s->n -= end - i - 1;
}

uint64_t spans_covers(const struct spans *s, uint64_t from, uint64_t to)
{
	uint64_t sum = 0;
	for (uint32_t i = find(s, from); i < s->n && s->at[i].from < to; i++) {
		uint64_t a = MAX(from, s->at[i].from), b = MIN(to, s->at[i].to);
		sum += b > a ? b - a : 0;
	}
	return sum;
}

uint64_t spans_sum(const struct spans *s)
{
	uint64_t sum = 0;
	for (uint32_t i = 0; i < s->n; i++)
		sum += s->at[i].to - s->at[i].from;
	return sum;
}

bool spans_same(const struct spans *a, const struct spans *b)
{
	return a->n == b->n && a->more == b->more && (!a->n || memcmp(a->at, b->at, a->n * sizeof *a->at) == 0);
}

void spans_free(struct spans *s)
{
	free(s->at);
	*s = (struct spans){ 0 };
}

static uint32_t slot(const struct keys *k, uint64_t key)
{
	return (uint32_t)((key + 1) * 0x9e3779b97f4a7c15u >> 32) & (k->room - 1);
}

/* Where it is, or would be. */
static uint64_t *place(const struct keys *k, uint64_t key)
{
	uint32_t i = slot(k, key);
	while (k->at[i] && k->at[i] != key + 1)
		i = (i + 1) & (k->room - 1);
	return &k->at[i];
}

static bool grow(struct keys *k)
{
	struct keys more = { .room = k->room ? 2 * k->room : KEYS_MIN };
	if (more.room > 2 * KEYS_MAX || !(more.at = calloc(more.room, sizeof *more.at)))
		return false;
	for (uint32_t i = 0; i < k->room; i++)
		if (k->at[i])
			*place(&more, k->at[i] - 1) = k->at[i];
	free(k->at);
	k->at = more.at;
	k->room = more.room;
	return true;
}

void keys_add(struct keys *k, uint64_t key)
{
	uint64_t *p = k->room ? place(k, key) : NULL;
	if (p && *p)
		return;
	if (2 * k->n >= k->room) {
		if (!grow(k)) {
			k->more = true;
			return;
		}
		p = place(k, key);
	}
	*p = key + 1;
	if (k->n < KEYS_FIRST)
		k->first[k->n] = key;
	k->n++;
}

void keys_free(struct keys *k)
{
	free(k->at);
	*k = (struct keys){ 0 };
}
