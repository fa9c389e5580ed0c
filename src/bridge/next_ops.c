/* SPDX-License-Identifier: BSD-2-Clause */
/* What a filter may ask of what lies below it: nbdkit-filter(3), "nbdkit_next".  What an export can do was told when
 * it was opened, so those functions never fail; data goes down as requests.  nbdkit's server ends where a filter asks
 * for what the export cannot do; here that is an error. */
#include "bridge/next_ops.h"
#include <errno.h>
#include "bridge/api_lists.h"
#include "bridge/context.h"

static struct next *of(nbdkit_next *next)
{
	return container_of(next, struct next, ops);
}

static const struct limits *limits_of(nbdkit_next *next)
{
	return stack_limits(of(next)->stack);
}

/* Opening prepares, closing finalizes. */
static int nothing(nbdkit_next *next)
{
	return of(next)->open ? 0 : -1;
}

/* --- what it can do --- */

static int64_t get_size(nbdkit_next *next) { return (int64_t)limits_of(next)->size; }
static const char *export_description(nbdkit_next *next) { return limits_of(next)->description; }
static int can_write(nbdkit_next *next) { return limits_of(next)->can_write; }
static int can_flush(nbdkit_next *next) { return limits_of(next)->can_flush; }
static int is_rotational(nbdkit_next *next) { return limits_of(next)->rotational; }
static int can_trim(nbdkit_next *next) { return limits_of(next)->can_trim; }
static int can_zero(nbdkit_next *next) { return (int)limits_of(next)->zero; }
static int can_fast_zero(nbdkit_next *next) { return limits_of(next)->can_fast_zero; }
static int can_extents(nbdkit_next *next) { return limits_of(next)->can_extents; }
static int can_fua(nbdkit_next *next) { return (int)limits_of(next)->fua; }
static int can_multi_conn(nbdkit_next *next) { return limits_of(next)->can_multi_conn; }
static int can_cache(nbdkit_next *next) { return (int)limits_of(next)->cache; }

static int block_size(nbdkit_next *next, uint32_t *minimum, uint32_t *preferred, uint32_t *maximum)
{
	const struct limits *m = limits_of(next);
	*minimum = m->min_block;
	*preferred = m->pref_block;
	*maximum = m->max_block;
	return 0;
}

/* --- data --- */

/* 0, or -1 with the reason in *to, which some filters do not care for. */
static int tell(int err, int *to)
{
	if (to)
		*to = err;
	return err ? -1 : 0;
}

/* 0 or an errno. */
static int want(nbdkit_next *next, struct wanted *w, bool can)
{
	uint64_t size = limits_of(next)->size;

	if (!of(next)->open || !can || w->off > size || w->len > size - w->off) {
		nbdkit_error("the filter wants to %s where that cannot be", op_name(w->op));
		return EINVAL;
	}
	return w->len || w->op == OP_FLUSH ? next_want(of(next), w) : 0;
}

static uint32_t fua(const struct limits *m, uint32_t flags)
{
	return flags & NBDKIT_FLAG_FUA && m->fua != NONE ? REQ_FUA : 0;
}

/* FUA where nothing can be flushed has no meaning. */
static bool good_fua(const struct limits *m, uint32_t flags)
{
	return !(flags & NBDKIT_FLAG_FUA) || m->fua != NONE;
}

static int next_pread(nbdkit_next *next, void *buf, uint32_t count, uint64_t offset, uint32_t flags, int *err)
{
	struct wanted w = { .op = OP_READ, .flags = REQ_PLACE, .off = offset, .len = count, .data = buf };
	(void)flags;
	return tell(want(next, &w, true), err);
}

static int next_pwrite(nbdkit_next *next, const void *buf, uint32_t count, uint64_t offset, uint32_t flags, int *err)
{
	const struct limits *m = limits_of(next);
	struct wanted w = { .op = OP_WRITE, .flags = fua(m, flags), .off = offset, .len = count, .data = (void *)buf };
	return tell(want(next, &w, m->can_write && good_fua(m, flags)), err);
}

static int next_flush(nbdkit_next *next, uint32_t flags, int *err)
{
	struct wanted w = { .op = OP_FLUSH };
	(void)flags;
	return tell(want(next, &w, limits_of(next)->can_flush), err);
}

static int next_trim(nbdkit_next *next, uint32_t count, uint64_t offset, uint32_t flags, int *err)
{
	const struct limits *m = limits_of(next);
	struct wanted w = { .op = OP_TRIM, .flags = fua(m, flags), .off = offset, .len = count };
	return tell(want(next, &w, m->can_trim && good_fua(m, flags)), err);
}

static int next_zero(nbdkit_next *next, uint32_t count, uint64_t offset, uint32_t flags, int *err)
{
	const struct limits *m = limits_of(next);
	struct wanted w = { .op = OP_ZERO, .flags = fua(m, flags), .off = offset, .len = count };

	w.flags |= flags & NBDKIT_FLAG_MAY_TRIM ? 0 : REQ_NO_HOLE;
	if (flags & NBDKIT_FLAG_FAST_ZERO) {
		w.flags |= REQ_FAST;
		if (!m->can_fast_zero)
			return tell(EOPNOTSUPP, err);
	}
	return tell(want(next, &w, m->zero != NONE && good_fua(m, flags)), err);
}

static int next_cache(nbdkit_next *next, uint32_t count, uint64_t offset, uint32_t flags, int *err)
{
	struct wanted w = { .op = OP_CACHE, .off = offset, .len = count };
	(void)flags;
	return tell(want(next, &w, limits_of(next)->cache != NONE), err);
}

/* Where nothing is known of extents, all is data. */
static int next_extents(nbdkit_next *next, uint32_t count, uint64_t offset, uint32_t flags,
			struct nbdkit_extents *extents, int *err)
{
	struct extents found;
	struct wanted w = { .op = OP_EXTENTS, .flags = flags & NBDKIT_FLAG_REQ_ONE ? REQ_ONE : 0,
			    .off = offset, .len = count, .data = &found };

	if (!limits_of(next)->can_extents)
		return tell(nbdkit_add_extent(extents, offset, count, 0) < 0 ? errno : 0, err);
	extents_init(&found, offset, MAX((uint64_t)count, extents_room(extents, offset)), EXTENTS_MAX);
	if (found.end > limits_of(next)->size)
		found.end = limits_of(next)->size;
	int e = want(next, &w, true);
	for (size_t i = 0; i < found.count && !e; offset += found.list[i++].len)
		if (nbdkit_add_extent(extents, offset, found.list[i].len, found.list[i].flags) < 0)
			e = errno;
	extents_free(&found);
	return tell(e, err);
}

const struct nbdkit_next_ops next_ops = {
	.prepare = nothing,
	.finalize = nothing,
	.get_size = get_size,
	.export_description = export_description,
	.block_size = block_size,
	.can_write = can_write,
	.can_flush = can_flush,
	.is_rotational = is_rotational,
	.can_trim = can_trim,
	.can_zero = can_zero,
	.can_fast_zero = can_fast_zero,
	.can_extents = can_extents,
	.can_fua = can_fua,
	.can_multi_conn = can_multi_conn,
	.can_cache = can_cache,
	.pread = next_pread,
	.pwrite = next_pwrite,
	.flush = next_flush,
	.trim = next_trim,
	.zero = next_zero,
	.extents = next_extents,
	.cache = next_cache,
};
