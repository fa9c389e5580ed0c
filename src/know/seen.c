/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>
#include "know/seen.h"

enum { TODO_MAX = 1 << 22 };

static size_t place(const struct seen *s, uint64_t key)
{
	size_t at = (size_t)(key * 0x9e3779b97f4a7c15u >> 20);

	while (s->key[at &= s->room - 1] && s->key[at] != key)
		at++;
	return at;
}

static bool grow(struct seen *s)
{
	struct seen more = { .count = s->count, .room = s->room ? s->room * 2 : 64 };

	if (s->count >= SEEN_MAX || !(more.key = calloc(more.room, sizeof *more.key)))
		return false;
	for (size_t i = 0; i < s->room; i++)
		if (s->key[i])
			more.key[place(&more, s->key[i])] = s->key[i];
	free(s->key);
	*s = more;
	return true;
}

bool seen_add(struct seen *s, uint64_t number)
{
	if (s->count + 1 > s->room / 2 && !grow(s))
		return false;
	size_t at = place(s, number + 1);
	if (number == UINT64_MAX || s->key[at])
		return false;
	s->key[at] = number + 1;
	s->count++;
	return true;
}

void seen_free(struct seen *s)
{
	free(s->key);
	*s = (struct seen){ .key = NULL };
}

bool todo_add(struct know_todo *t, uint64_t at, unsigned level)
{
	if (t->count == t->room) {
		size_t more = t->room * 2 + 64;
		void *p = more <= TODO_MAX ? realloc(t->node, more * sizeof *t->node) : NULL;
		if (!p)
			return false;
		t->node = p;
		t->room = more;
	}
	t->node[t->count++] = (struct know_todo_node){ .at = at, .level = level };
	return true;
}

bool todo_take(struct know_todo *t, struct know_todo_node *n)
{
	if (!t->count)
		return false;
	*n = t->node[--t->count];
	return true;
}

void todo_free(struct know_todo *t)
{
	free(t->node);
	*t = (struct know_todo){ .node = NULL };
}
