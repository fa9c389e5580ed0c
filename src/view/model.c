/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>
#include <string.h>
#include "view/model.h"

const char *const op_names[EV_OPS] = { "read", "write", "trim", "zero", "flush", "cache", "extents" };

int model_init(struct model *m, uint64_t size, struct err *e)
{
	memset(m, 0, sizeof *m);
	if (map_init(&m->map, size, e) < 0)
		return -1;
	if (!inflight_init(&m->open)) {
		map_free(&m->map);
		return err_set(e, "no memory for the table of requests");
	}
	return 0;
}

void model_free(struct model *m)
{
	inflight_free(&m->open);
	map_free(&m->map);
}

/* ---- set aside ---- */

bool model_keep(const struct model *m, struct model_kept *k)
{
	*k = (struct model_kept){ .m = *m, .open = malloc(MAX(m->open.open, 1u) * sizeof *k->open) };
	k->m.map = (struct map){ 0 };
	k->m.open = (struct inflight){ 0 };
	if (!k->open || !map_keep(&m->map, &k->map)) {
		model_kept_free(k);
		return false;
	}
	list_for_each_safe(&m->open.by_age, p, n)
		k->open[k->opens++] = list_entry(p, struct open_request, age)->ev;
	k->bytes = sizeof *k + k->map.bytes + k->opens * sizeof *k->open;
	return true;
}

bool model_bring_back(struct model *m, const struct model_kept *k)
{
	struct event ignored;

	if (!map_bring_back(&m->map, &k->map))
		return false;
	m->total = k->m.total;
	m->events = k->m.events;
	m->last = k->m.last;
	m->last_flush = k->m.last_flush;
	m->last_error = k->m.last_error;
	m->rate_at = k->m.rate_at;
	memcpy(m->rate, k->m.rate, sizeof m->rate);
	inflight_drop(&m->open, 0);
	for (uint32_t i = 0; i < k->opens; i++)
		inflight_add(&m->open, &k->open[i], &ignored);
	return true;
}

void model_kept_free(struct model_kept *k)
{
	map_kept_free(&k->map);
	free(k->open);
	k->open = NULL;
}

/* ---- the last second ---- */

static void rate_advance(struct model *m, uint64_t now)
{
	uint64_t slot = now / RATE_SLOT_NS;

	if (slot - m->rate_at >= RATE_SLOTS) {
		memset(m->rate, 0, sizeof m->rate);
		m->rate_at = slot;
	}
	while (m->rate_at < slot)
		memset(m->rate[++m->rate_at % RATE_SLOTS], 0, sizeof m->rate[0]);
}

struct count model_rate(const struct model *m, enum ev_op op, uint64_t now)
{
	uint64_t slot = now / RATE_SLOT_NS;
	struct count sum = { 0 };

	for (uint64_t age = slot - m->rate_at; age < RATE_SLOTS; age++) {
		const struct count *c = &m->rate[(slot - age) % RATE_SLOTS][op];
		sum.ops += c->ops;
		sum.bytes += c->bytes;
	}
	return sum;
}

/* ---- requests ---- */

static void add(struct count *c, uint64_t bytes)
{
	c->ops++;
	c->bytes += MIN(bytes, UINT64_MAX - c->bytes);
}

static void forget(struct model *m, const struct event *req)
{
	if (req->flags & EVF_HIDDEN)
		return;
	m->total.abandoned++;
	if (req->op == EV_READ)
		map_read_end(&m->map, req->off, req->len);
}

static void forget_all(struct model *m, uint64_t conn)
{
	struct event req;
	while (inflight_take_any(&m->open, conn, &req))
		forget(m, &req);
}

static void begin(struct model *m, const struct event *ev)
{
	struct event req = *ev, old;

	if (m->filter && !filter_passes(m->filter, ev)) {
		req.flags |= EVF_HIDDEN;
		if (inflight_add(&m->open, &req, &old))
			forget(m, &old);
		return;
	}
	uint64_t beyond = map_clip(&m->map, req.off, &req.len);

	if (beyond) {
		m->total.clipped++;
		m->total.clipped_bytes += MIN(beyond, UINT64_MAX - m->total.clipped_bytes);
	}
	if (inflight_add(&m->open, &req, &old))
		forget(m, &old);
	if (req.op == EV_READ)
		map_read_begin(&m->map, req.off, req.len);
	else
		map_expect(&m->map, req.off);
}

static void succeed(struct model *m, const struct event *req, uint64_t now)
{
	add(&m->total.op[req->op], req->len);
	add(&m->rate[m->rate_at % RATE_SLOTS][req->op], req->len);
	switch ((enum ev_op)req->op) {
	case EV_READ:
		map_touch(&m->map, req->off, req->len, CL_READ, now);
		break;
	case EV_WRITE:
		map_suffer(&m->map, req->off, req->len, ST_WRITE);
		map_touch(&m->map, req->off, req->len, CL_WRITE, now);
		break;
	case EV_TRIM:
		map_suffer(&m->map, req->off, req->len, ST_TRIM);
		map_touch(&m->map, req->off, req->len, CL_TRIM, now);
		break;
	case EV_ZERO:
		map_suffer(&m->map, req->off, req->len, ST_ZERO);
		map_touch(&m->map, req->off, req->len, CL_ZERO, now);
		break;
	case EV_FLUSH:
		m->last_flush = now;
		break;
	case EV_CACHE:
	case EV_EXTENTS:
	case EV_OPS:
		break;
	}
}

static void end(struct model *m, const struct event *ev, struct outcome *out)
{
	struct event req;

	if (!inflight_take(&m->open, ev->conn, ev->id, &req)) {
		m->total.unmatched++;
		return;
	}
	if (req.flags & EVF_HIDDEN)
		return;
	if (req.op == EV_READ)
		map_read_end(&m->map, req.off, req.len);
	if (ev->err) {
		m->total.errors++;
		m->last_error = ev->time;
		map_touch(&m->map, req.off, req.len, CL_ERROR, ev->time);
	} else {
		succeed(m, &req, ev->time);
	}
	*out = (struct outcome){ .ended = true, .req = req, .err = ev->err };
}

void model_event(struct model *m, const struct event *ev, struct outcome *out)
{
	struct outcome ignored;

	if (!out)
		out = &ignored;
	out->ended = false;
	m->events++;
	m->last = ev->time;
	rate_advance(m, ev->time);
	switch ((enum ev_kind)ev->kind) {
	case EV_BEGIN:
		begin(m, ev);
		break;
	case EV_END:
		end(m, ev, out);
		break;
	case EV_CONNECT:
	case EV_DISCONNECT:
		forget_all(m, ev->conn);
		break;
	case EV_START:
		forget_all(m, 0);
		break;
	case EV_LOST:
		m->total.lost += MIN(ev->len, UINT64_MAX - m->total.lost);
		break;
	case EV_MARK:
	case EV_NOTE:
		break;
	}
}
