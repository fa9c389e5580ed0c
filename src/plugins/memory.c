/* SPDX-License-Identifier: BSD-2-Clause */
/* memory: a disk in memory, that all clients share.  See base/sparse.h for what it costs and how threads meet.
 *
 * A read that lies together is not copied: the reply is sent from the disk's own memory.  A write
 * meanwhile may be seen or not, whole or in part: the two requests are in flight together, and the
 * protocol promises nothing else. */
#include <errno.h>
#include <string.h>
#include "base/sparse.h"
#include "plugins/plugins.h"

enum { LOOK_MAX = 64 << 20 }; /* bytes looked at for zeroes in one extents request */

struct memory {
	uint64_t size;         /* bytes */
	bool sized;
	struct sparse *bytes;
};

static const uint32_t flags_of[] = {
	[SPARSE_HOLE] = EXTENT_HOLE | EXTENT_ZERO, [SPARSE_ZERO] = EXTENT_ZERO, [SPARSE_DATA] = 0,
};

/* False: more of them than a reply may carry. */
static bool find_holes(const struct memory *m, const struct req *r)
{
	enum sparse_state state;
	uint64_t none = 0;
	for (uint64_t off = r->off, end = off + r->len, n; off < end; off += n) {
		n = sparse_run(m->bytes, off, end, &none, &state);
		if (!extents_add(r->holes, n, flags_of[state]))
			break;
	}
	return r->holes->at == r->holes->end;
}

/* ThreadSanitizer would take the clients' race for ours. */
static const void *lend(const struct memory *m, uint64_t off, uint64_t len)
{
	return UNDER_TSAN ? NULL : sparse_lend(m->bytes, off, len);
}

static void read_disk(const struct memory *m, struct req *r)
{
	bool told = r->holes && find_holes(m, r);
	uint64_t off = r->off;

	if (r->flags & REQ_LENT)
		return;
	const void *lent = r->flags & REQ_PLACE ? NULL : lend(m, r->off, r->len);
	if (lent) {
		r->data = (void *)lent;
		return;
	}
	if (!told) {
		sparse_read(m->bytes, r->off, r->len, r->data);
		return;
	}
	for (size_t i = 0; i < r->holes->count; off += r->holes->list[i++].len)
		if (!r->holes->list[i].flags)
			sparse_read(m->bytes, off, r->holes->list[i].len, (uint8_t *)r->data + (off - r->off));
}

static void map_disk(const struct memory *m, const struct req *r, struct extents *x)
{
	/* To the end of the last page: what is known costs nothing to tell. */
	uint64_t end = MIN(x->end, (r->off + r->len + SPARSE_PAGE - 1) & ~(SPARSE_PAGE - 1)), look = LOOK_MAX;
	enum sparse_state state;

	for (uint64_t off = r->off, n; off < end; off += n) {
		n = sparse_run(m->bytes, off, end, &look, &state);
		if (!extents_add(x, n, flags_of[state]))
			break;
	}
}

static int direct(struct layer *l, struct req *r)
{
	const struct memory *m = l->stage->block;
	int err = 0;

	switch (r->op) {
	case OP_READ:
		read_disk(m, r);
		break;
	case OP_WRITE:
		if (r->flags & REQ_IN_PLACE)
			sparse_placed(m->bytes, r->off, r->len);
		else
			err = sparse_write(m->bytes, r->off, r->len, r->data);
		break;
	case OP_TRIM:
	case OP_ZERO:
		sparse_zero(m->bytes, r->off, r->len);
		break;
	case OP_EXTENTS:
		map_disk(m, r, r->data);
		break;
	default: /* FLUSH and CACHE: it is all in memory */
		break;
	}
	return err;
}

static void *place(struct layer *l, uint64_t off, uint64_t len)
{
	const struct memory *m = l->stage->block;
	return UNDER_TSAN ? NULL : sparse_place(m->bytes, off, len); /* as for what is lent */
}

static const void *lend_layer(struct layer *l, uint64_t off, uint64_t len)
{
	return lend(l->stage->block, off, len);
}

static void submit(struct layer *l, struct req *r)
{
	const struct memory *m = l->stage->block;
	int err = 0;

	if (plugin_common(l, r))
		return;
	if (r->op == OP_OPEN)
		l->limits = (struct limits){
			.size = m->size, .can_write = true, .can_flush = true, .can_trim = true, .can_extents = true,
			.can_multi_conn = true, .can_fast_zero = true, .zero = NATIVE, .fua = NATIVE, .cache = NATIVE,
		};
	else
		err = direct(l, r);
	req_up(l, r, err);
}

/* --- start and stop --- */

static int set_size(void *block, const char *key, const char *value, struct err *e)
{
	struct memory *m = block;
	static const struct option size = OPT_SIZE("size", struct memory, size, "");
	(void)key;
	m->sized = true;
	return option_set(&size, m, value, e);
}

static int set_allocator(void *block, const char *key, const char *value, struct err *e)
{
	(void)block;
	if (strcmp(value, "sparse") == 0 || strcmp(value, "malloc") == 0)
		return 0; /* one allocator here: sparse and fast */
	return err_set(e, "%s: unknown allocator \"%s\": expected sparse", key, value);
}

static int start(struct stage *s, struct err *e)
{
	struct memory *m = s->block;
	if (!m->sized)
		return err_set(e, "you must specify size=<SIZE> on the command line");
	m->bytes = sparse_new(m->size);
	return m->bytes ? 0 : err_set(e, "memory: out of memory");
}

static void stop(struct stage *s)
{
	struct memory *m = s->block;
	sparse_free(m->bytes);
}

static const struct option options[] = {
	{ .key = "size", .type = OPTION_CALL, .set = set_size, .arg = "SIZE", .help = "size of the disk (required)", .magic = true },
	OPT_CALL("allocator", set_allocator, "sparse", "how memory is had; accepted for compatibility"),
	{ 0 }
};

const struct module mod_memory = {
	.name = "memory",
	.longname = "a disk in memory, sparse and shared by all clients",
	.stage_size = sizeof(struct memory),
	.options = options,
	.start = start,
	.stop = stop,
	.submit = submit,
	.direct = direct,
	.place = place,
	.lend = lend_layer,
};
