/* SPDX-License-Identifier: BSD-2-Clause */
/* null: what is written is forgotten, what is read is zeroes.  Nothing is shared, nothing waits. */
#include <string.h>
#include "plugins/plugins.h"

struct null {
	uint64_t size; /* bytes */
};

static void read_zeroes(struct req *r)
{
	if (r->holes)
		extents_add(r->holes, r->len, EXTENT_HOLE | EXTENT_ZERO);
	else
		memset(r->data, 0, r->len);
}

static int direct(struct layer *l, struct req *r)
{
	const struct null *n = l->stage->block;

	if (r->op == OP_READ)
		read_zeroes(r);
	else if (r->op == OP_EXTENTS)
		extents_add(r->data, n->size - r->off, EXTENT_HOLE | EXTENT_ZERO);
	return 0;
}

static void submit(struct layer *l, struct req *r)
{
	const struct null *n = l->stage->block;

	if (plugin_common(l, r))
		return;
	if (r->op == OP_OPEN)
		l->limits = (struct limits){
			.size = n->size, .can_write = true, .can_flush = true, .can_trim = true, .can_extents = true,
			.can_multi_conn = true, .can_fast_zero = true, .zero = NATIVE, .fua = NATIVE, .cache = NATIVE,
		};
	else
		direct(l, r);
	req_up(l, r, 0);
}

static const struct option options[] = {
	{ .key = "size", .type = OPTION_SIZE, .offset = offsetof(struct null, size), .arg = "SIZE",
	  .help = "size of the disk (default: 0)", .magic = true },
	{ 0 }
};

const struct module mod_null = {
	.name = "null",
	.longname = "nothing: writes are forgotten, reads are zeroes",
	.stage_size = sizeof(struct null),
	.options = options,
	.submit = submit,
	.direct = direct,
};
