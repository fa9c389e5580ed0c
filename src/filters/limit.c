/* SPDX-License-Identifier: BSD-2-Clause */
/* limit: no more than a number of clients at a time, as nbdkit-limit-filter(1) has it.
 * Counted is who has the export open.  Who comes when there are enough is sent away at once; who was let in before and
 * opens too late, then.  The stage's count is atomic, all else is constant after start. */
#include <errno.h>
#include <inttypes.h>
#include "base/parse.h"
#include "base/say.h"
#include "filters/filters.h"

struct limit {
	unsigned max;          /* clients; 0: any number */
	bool given;            /* limit=; else 1 */
	atomic_uint open;
};

/* Kept for the connection, so that none stays counted whatever became of its CLOSE. */
struct kept {
	bool counted;
};

static int start(struct stage *s, struct err *e)
{
	(void)e;
	struct limit *m = s->block;
	if (!m->given)
		m->max = 1;
	atomic_init(&m->open, 0);
	return 0;
}

/* False: there are enough already. */
static bool count(struct limit *m, struct kept *k)
{
	unsigned n = atomic_load(&m->open);
	do
		if (n >= m->max)
			return false;
	while (!atomic_compare_exchange_weak(&m->open, &n, n + 1));
	k->counted = true;
	return true;
}

static void uncount(struct limit *m, struct kept *k)
{
	if (k->counted)
		atomic_fetch_sub(&m->open, 1);
	k->counted = false;
}

static void refuse(struct layer *l, struct req *r)
{
	const struct limit *m = l->stage->block;
	say_error("connection=%" PRIu64 " refused by the limit filter: %u clients have the disk open", l->client->id, m->max);
	req_up(l, r, EBUSY);
}

static void submit(struct layer *l, struct req *r)
{
	struct limit *m = l->stage->block;
	struct kept *k = l->data;

	if (m->max && r->op == OP_PRECONNECT && atomic_load(&m->open) >= m->max)
		refuse(l, r);
	else if (m->max && r->op == OP_OPEN && !k->counted && !count(m, k))
		refuse(l, r);
	else
		req_down(l, r);
}

static void done(struct layer *l, struct req *r)
{
	if (r->op == OP_CLOSE || (r->op == OP_OPEN && r->err))
		uncount(l->stage->block, l->data);
	req_up(l, r, r->err);
}

static void gone(struct layer *l)
{
	uncount(l->stage->block, l->data);
}

static int set_limit(void *block, const char *key, const char *value, struct err *e)
{
	struct limit *m = block;
	m->given = true;
	return parse_unsigned(key, value, 0, UINT32_MAX, &m->max, e);
}

static const struct option options[] = {
	OPT_CALL("limit", set_limit, "N", "clients that may have the disk open at a time (default: 1); 0: any number"),
	{ 0 }
};

const struct module mod_limit = {
	.name = "limit",
	.longname = "let in a number of clients at a time",
	.filter = true,
	.watches = true,
	.stage_size = sizeof(struct limit),
	.layer_size = sizeof(struct kept),
	.kept_size = sizeof(struct kept),
	.options = options,
	.start = start,
	.submit = submit,
	.done = done,
	.gone = gone,
};
