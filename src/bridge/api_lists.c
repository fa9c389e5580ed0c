/* SPDX-License-Identifier: BSD-2-Clause */
#include "bridge/api_lists.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "nbdkit-filter.h"

/* --- extents --- */

int nbdkit_add_extent(struct nbdkit_extents *e, uint64_t offset, uint64_t length, uint32_t type)
{
	struct extents *x = e->x;

	if (type & ~(uint32_t)(NBDKIT_EXTENT_HOLE | NBDKIT_EXTENT_ZERO)) {
		nbdkit_error("nbdkit_add_extent: unknown type %" PRIu32, type);
		errno = EINVAL;
		return -1;
	}
	if (!length)
		return 0;
	if (e->begun && offset != e->next) {
		nbdkit_error("nbdkit_add_extent: extents must follow each other: offset %" PRIu64 ", expected %" PRIu64, offset, e->next);
		errno = EINVAL;
		return -1;
	}
	bool first = !e->begun;
	e->begun = true;
	if (__builtin_add_overflow(offset, length, &e->next))
		e->next = UINT64_MAX;
	if (offset >= x->end) /* behind the disk: not wanted */
		return 0;
	if (first && offset > x->start) {
		nbdkit_error("nbdkit_add_extent: the first extent must not begin behind offset %" PRIu64 ": %" PRIu64, x->start, offset);
		errno = EINVAL;
		return -1;
	}
	if (e->next > x->at) /* what lies before the question is not wanted */
		extents_add(x, e->next - x->at, type);
	return 0;
}

uint64_t extents_room(const struct nbdkit_extents *e, uint64_t offset)
{
	return offset < e->x->end ? e->x->end - offset : 0;
}

static void *out_of_memory(const char *function)
{
	nbdkit_error("%s: out of memory", function);
	errno = ENOMEM;
	return NULL;
}

struct nbdkit_extents *nbdkit_extents_new(uint64_t start, uint64_t end)
{
	if (start >= INT64_MAX || end > INT64_MAX || start > end) {
		nbdkit_error("nbdkit_extents_new: from %" PRIu64 " to %" PRIu64 " is no range", start, end);
		errno = ERANGE;
		return NULL;
	}
	struct nbdkit_extents *e = calloc(1, sizeof *e);
	if (!e)
		return out_of_memory("nbdkit_extents_new");
	e->x = &e->own;
	extents_init(&e->own, start, end - start, EXTENTS_MAX);
	e->seen_at = start;
	return e;
}

/* Cleanup helpers of nbdkit's own plug-ins name this; lists that a plug-in is given are not its to free. */
void nbdkit_extents_free(struct nbdkit_extents *e)
{
	if (!e || e->x != &e->own)
		return;
	extents_free(&e->own);
	free(e);
}

size_t nbdkit_extents_count(const struct nbdkit_extents *e)
{
	return e->x->count;
}

struct nbdkit_extent nbdkit_get_extent(const struct nbdkit_extents *e, size_t i)
{
	struct nbdkit_extents *seen = (struct nbdkit_extents *)e;
	const struct extents *x = e->x;

	if (i >= x->count)
		return (struct nbdkit_extent){ .offset = x->at };
	if (i < seen->seen || !seen->seen) {
		seen->seen = 0;
		seen->seen_at = x->start;
	}
	for (; seen->seen < i; seen->seen++)
		seen->seen_at += x->list[seen->seen].len;
	return (struct nbdkit_extent){ .offset = seen->seen_at, .length = x->list[i].len, .type = x->list[i].flags };
}

/* --- exports --- */

int nbdkit_add_export(struct nbdkit_exports *e, const char *name, const char *description)
{
	if (!name || strlen(name) > 4096 || (description && strlen(description) > 4096)) {
		nbdkit_error("nbdkit_add_export: a name or description that is too long");
		errno = EINVAL;
		return -1;
	}
	if (exports_add(e->x, name, description) < 0) {
		nbdkit_error("nbdkit_add_export: too many exports");
		errno = ENOMEM;
		return -1;
	}
	return 0;
}

int nbdkit_use_default_export(struct nbdkit_exports *e)
{
	e->use_default = true;
	return 0;
}

struct nbdkit_exports *nbdkit_exports_new(void)
{
	struct nbdkit_exports *e = calloc(1, sizeof *e);
	if (!e)
		return out_of_memory("nbdkit_exports_new");
	e->x = &e->own;
	return e;
}

void nbdkit_exports_free(struct nbdkit_exports *e)
{
	if (!e || e->x != &e->own)
		return;
	exports_free(&e->own);
	free(e);
}

size_t nbdkit_exports_count(const struct nbdkit_exports *e)
{
	return e->x->count;
}

struct nbdkit_export nbdkit_get_export(const struct nbdkit_exports *e, size_t i)
{
	if (i >= e->x->count)
		return (struct nbdkit_export){ 0 };
	return (struct nbdkit_export){ e->x->list[i].name, e->x->list[i].description };
}
