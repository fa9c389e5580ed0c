/* SPDX-License-Identifier: BSD-2-Clause */
#include "bridge/api_lists.h"
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include "nbdkit-plugin.h"

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
	if (e->begun ? offset != e->next : offset > x->start) {
		nbdkit_error("nbdkit_add_extent: extents must follow each other: offset %" PRIu64 ", expected %" PRIu64,
			     offset, e->begun ? e->next : x->start);
		errno = EINVAL;
		return -1;
	}
	e->begun = true;
	if (__builtin_add_overflow(offset, length, &e->next))
		e->next = UINT64_MAX;
	if (e->next > x->at) /* what lies before the question is not wanted */
		extents_add(x, e->next - x->at, type);
	return 0;
}

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

/* Cleanup helpers of nbdkit's own plug-ins name these; lists that a plug-in is given are not its to free. */
void nbdkit_extents_free(struct nbdkit_extents *e);
void nbdkit_exports_free(struct nbdkit_exports *e);

void nbdkit_extents_free(struct nbdkit_extents *e)
{
	(void)e;
}

void nbdkit_exports_free(struct nbdkit_exports *e)
{
	(void)e;
}
