/* SPDX-License-Identifier: BSD-2-Clause */
/* Extents and export names: the lists that a request can carry. */
#include <stdlib.h>
#include <string.h>
#include "core/core.h"

enum { EXPORTS_MAX = 10000 }; /* names in one answer to LIST */

void extents_init(struct extents *x, uint64_t start, uint64_t len, size_t max)
{
	*x = (struct extents){ .start = start, .end = start + len, .at = start, .max = max };
}

void extents_free(struct extents *x)
{
	free(x->list);
	*x = (struct extents){ 0 };
}

static bool grow(struct extents *x)
{
	if (x->count < x->room)
		return true;
	size_t room = MIN(x->room ? x->room * 2 : 16, x->max);
	struct extent *list = reallocarray(x->list, room, sizeof *list);
	if (!list)
		return false;
	x->list = list;
	x->room = room;
	return true;
}

bool extents_add(struct extents *x, uint64_t len, uint32_t flags)
{
	len = MIN(len, x->end - x->at);
	if (!len)
		return x->at < x->end;
	struct extent *last = x->count ? &x->list[x->count - 1] : NULL;
	if (last && last->flags == flags) {
		last->len += len;
	} else {
		if (x->count == x->max || !grow(x))
			return false;
		x->list[x->count++] = (struct extent){ len, flags };
	}
	x->at += len;
	return x->at < x->end;
}

int exports_add(struct exports *x, const char *name, const char *description)
{
	if (x->count == EXPORTS_MAX)
		return -1;
	struct export_name *list = reallocarray(x->list, x->count + 1, sizeof *list);
	if (!list)
		return -1;
	x->list = list;
	struct export_name *n = &list[x->count];
	n->name = strdup(name);
	n->description = description ? strdup(description) : NULL;
	if (!n->name || (description && !n->description)) {
		free(n->name);
		free(n->description);
		return -1;
	}
	x->count++;
	return 0;
}

void exports_free(struct exports *x)
{
	for (size_t i = 0; i < x->count; i++) {
		free(x->list[i].name);
		free(x->list[i].description);
	}
	free(x->list);
	*x = (struct exports){ 0 };
}
