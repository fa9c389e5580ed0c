/* SPDX-License-Identifier: BSD-2-Clause */
/* offset: serve a range of the disk below.  Parameters are those of nbdkit-offset-filter(1).  The stage is constant
 * after start. */
#include <errno.h>
#include <inttypes.h>
#include "base/parse.h"
#include "base/say.h"
#include "core/split.h"
#include "filters/filters.h"
#include "filters/shift.h"

struct offset {
	uint64_t offset, range; /* bytes */
	bool has_range;
};

/* The range must lie within what is there; 0 or an errno. */
static int cut(const struct offset *o, struct limits *m)
{
	if (o->offset > m->size) {
		say_error("offset: offset %" PRIu64 " lies beyond the end of the disk below, which has %" PRIu64 " bytes",
			  o->offset, m->size);
		return EINVAL;
	}
	if (o->has_range && o->range > m->size - o->offset) {
		say_error("offset: offset %" PRIu64 " and range %" PRIu64 " reach past the end of the disk below, which has %" PRIu64
			  " bytes", o->offset, o->range, m->size);
		return EINVAL;
	}
	m->size = o->has_range ? o->range : m->size - o->offset;
	return 0;
}

static void submit(struct layer *l, struct req *r)
{
	const struct offset *o = l->stage->block;
	shift_down(r, o->offset);
	req_down(l, r);
}

static void done(struct layer *l, struct req *r)
{
	const struct offset *o = l->stage->block;

	if (split_came(l, r))
		return;
	shift_up(r, o->offset);
	int err = r->op == OP_OPEN && !r->err ? cut(o, &l->limits) : 0;
	if (err)
		open_refuse(l, r, err);
	else
		req_up(l, r, r->err);
}

static int set_range(void *block, const char *key, const char *value, struct err *e)
{
	struct offset *o = block;
	o->has_range = true;
	return parse_size(key, value, &o->range, e);
}

static const struct option options[] = {
	OPT_SIZE("offset", struct offset, offset, "where the part that is served begins (default: 0)"),
	OPT_CALL("range", set_range, "SIZE", "length of the part (default: to the end)"),
	{ 0 }
};

const struct module mod_offset = {
	.name = "offset",
	.longname = "serve a range of bytes of the disk below",
	.filter = true,
	.stage_size = sizeof(struct offset),
	.options = options,
	.submit = submit,
	.done = done,
};
