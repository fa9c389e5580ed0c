/* SPDX-License-Identifier: BSD-2-Clause */
/* What filters ask of the server beyond what plug-ins may: contexts that they open themselves, and extents in
 * whole: nbdkit-filter(3). */
#include <errno.h>
#include <inttypes.h>
#include "bridge/api_lists.h"
#include "bridge/loaded.h"

/* An nbdkit_backend is the stage of the filter; an nbdkit_context its opened layer. */

static struct opened *opened_of(nbdkit_context *context_of_open)
{
	return (struct opened *)context_of_open;
}

nbdkit_backend *nbdkit_context_get_backend(nbdkit_context *c)
{
	struct layer *l = opened_of(c)->conn.layer;
	atomic_store(&loaded_of(l->mod)->opens, true);
	return (nbdkit_backend *)l->stage;
}

/* A next of the connection that this thread serves, or of none. */
static struct next *new_next(struct stage *stage, int shared)
{
	if (shared) {
		struct client nobody = { .peer = { .pid = -1, .uid = -1, .gid = -1 } };
		struct loop *l = common_loop_get(&loaded_of(stage->mod)->shared);
		return l ? next_new(stage + 1, l, &nobody, NULL, NULL) : NULL;
	}
	struct layer *l = context ? context->layer : NULL;
	if (!l || l->stage != stage) {
		nbdkit_error("nbdkit_next_context_open: no client is served here, and the context is not to be shared");
		return NULL;
	}
	struct opened *o = l->data;
	return next_new(stage + 1, l->stack->loop, l->client, l->stack, &o->conn.nexts);
}

nbdkit_next *nbdkit_next_context_open(nbdkit_backend *backend, int readonly, const char *exportname, int shared)
{
	struct next *n = new_next((struct stage *)backend, shared);
	int err = n ? next_open(n, readonly, exportname) : ENOMEM;

	if (!err)
		return &n->ops;
	next_free(n);
	errno = err;
	return NULL;
}

void nbdkit_next_context_close(nbdkit_next *next)
{
	if (!next)
		return;
	struct next *n = container_of(next, struct next, ops);
	next_close(n);
	if (!n->main)
		next_free(n);
}

nbdkit_next *nbdkit_context_set_next(nbdkit_context *c, nbdkit_next *next)
{
	struct next *n = next ? container_of(next, struct next, ops) : NULL;
	struct next *before = atomic_exchange(&opened_of(c)->next, n);
	return before ? &before->ops : NULL;
}

/* --- extents in whole --- */

/* Ask once more, from where all ends.  False: *err tells. */
static bool some_more(nbdkit_next *next, struct nbdkit_extents *all, uint32_t flags, int *err)
{
	uint64_t at = all->x->at, end = all->x->end;
	struct nbdkit_extents *some = nbdkit_extents_new(at, end);

	*err = some ? 0 : errno;
	if (some)
		next->extents(next, (uint32_t)(end - at), at, flags, some, err);
	for (size_t i = 0; !*err && i < nbdkit_extents_count(some); i++) {
		struct nbdkit_extent x = nbdkit_get_extent(some, i);
		if (nbdkit_add_extent(all, x.offset, x.length, x.type) < 0)
			*err = errno;
	}
	nbdkit_extents_free(some);
	if (!*err && all->x->at == at) {
		nbdkit_error("extents: nothing was told of offset %" PRIu64, at);
		*err = EINVAL;
	}
	return !*err;
}

struct nbdkit_extents *nbdkit_extents_full(nbdkit_next *next, uint32_t count, uint64_t offset, uint32_t flags, int *err)
{
	struct nbdkit_extents *all = nbdkit_extents_new(offset, offset + count);
	uint64_t end = offset + count;

	*err = all ? 0 : errno;
	while (all && all->x->at < end) {
		if (!some_more(next, all, flags & ~(uint32_t)NBDKIT_FLAG_REQ_ONE, err)) {
			nbdkit_extents_free(all);
			all = NULL;
		}
	}
	return all;
}

/* One block that begins within an extent: what all extents in it have in common.  0, or -1 with *err. */
static int mixed_block(nbdkit_next *next, uint64_t offset, uint32_t flags, uint32_t align,
		       struct nbdkit_extents *extents, int *err)
{
	struct nbdkit_extents *all = nbdkit_extents_full(next, align, offset, flags, err);
	uint32_t type = NBDKIT_EXTENT_HOLE | NBDKIT_EXTENT_ZERO;

	if (!all)
		return -1;
	for (size_t i = 0; i < nbdkit_extents_count(all); i++)
		type &= nbdkit_get_extent(all, i).type;
	nbdkit_extents_free(all);
	if (nbdkit_add_extent(extents, offset, align, type) == 0)
		return 0;
	*err = errno;
	return -1;
}

int nbdkit_extents_aligned(nbdkit_next *next, uint32_t count, uint64_t offset, uint32_t flags, uint32_t align,
			   struct nbdkit_extents *extents, int *err)
{
	struct nbdkit_extents *some;
	uint64_t at = offset, end = offset + count;
	int rc = 0;

	if (!align || align & (align - 1) || (count | offset) & (align - 1)) {
		nbdkit_error("nbdkit_extents_aligned: count and offset must be multiples of %u", align);
		*err = EINVAL;
		return -1;
	}
	some = nbdkit_extents_new(offset, end);
	if (!some) {
		*err = errno;
		return -1;
	}
	rc = next->extents(next, count, offset, flags, some, err);
	for (size_t i = 0; rc == 0 && i < nbdkit_extents_count(some); i++) {
		struct nbdkit_extent x = nbdkit_get_extent(some, i);
		uint64_t stop = MIN(x.offset + x.length, end), whole = (stop - MIN(at, stop)) & ~(uint64_t)(align - 1);
		if (at >= stop)
			continue; /* within a block that is told already */
		if (whole && nbdkit_add_extent(extents, at, whole, x.type) < 0) {
			*err = errno;
			rc = -1;
		}
		at += whole;
		if (rc == 0 && at < stop) {
			rc = mixed_block(next, at, flags, align, extents, err);
			at += align;
		}
		if (flags & NBDKIT_FLAG_REQ_ONE && at > offset)
			break;
	}
	nbdkit_extents_free(some);
	return rc;
}
