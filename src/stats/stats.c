/* SPDX-License-Identifier: BSD-2-Clause */
#include "stats/stats.h"
#include <stdlib.h>
#include <string.h>
#include "base/util.h"

const char *const stats_op_names[REC_OPS] = {
	[REC_READ] = "read", [REC_WRITE] = "write", [REC_TRIM] = "trim", [REC_ZERO] = "zero",
	[REC_FLUSH] = "flush", [REC_CACHE] = "cache", [REC_EXTENTS] = "extents",
};
_Static_assert((int)EV_OPS == REC_OPS && (int)EV_EXTENTS == REC_EXTENTS && (int)EV_FLUSH == REC_FLUSH, "the same operations");

struct stats *stats_new(uint64_t start)
{
	struct stats *s = calloc(1, sizeof *s);
	if (!s)
		return NULL;
	s->start = start;
	s->flight.idle = FLIGHT_NONE;
	s->conn = calloc(STATS_CONNS_MAX, sizeof *s->conn);
	s->buckets = malloc(STATS_CONNS_MAX * sizeof *s->buckets);
	if (!flight_init(&s->flight) || !s->conn || !s->buckets) {
		stats_free(s);
		return NULL;
	}
	memset(s->buckets, 0xff, STATS_CONNS_MAX * sizeof *s->buckets);
	return s;
}

void stats_free(struct stats *s)
{
	if (!s)
		return;
	section_free(s->whole);
	for (unsigned i = 0; i < s->steps; i++)
		section_free(s->step[i]);
	for (unsigned i = 0; i < s->conns; i++) {
		free(s->conn[i].export);
		free(s->conn[i].client);
	}
	free(s->conn);
	free(s->buckets);
	flight_free(&s->flight);
	blocks_free(&s->dirty);
	free(s);
}

static struct section *current(const struct stats *s)
{
	return s->steps ? s->step[s->steps - 1] : NULL;
}

/* --- connections --- */

static uint32_t *bucket(const struct stats *s, uint64_t id)
{
	return &s->buckets[(id * 0x9e3779b97f4a7c15u >> 32) % STATS_CONNS_MAX];
}

/* The row of a connection; a new one when there is none, or for one that has ended and comes again. */
static struct conn_stats *row_of(struct stats *s, uint64_t id, bool connects)
{
	uint32_t *b = bucket(s, id), n = *b;
	while (n != UINT32_MAX && s->conn[n].id != id)
		n = s->conn[n].hash_next;
	if (n != UINT32_MAX && !connects)
		return &s->conn[n];
	s->connections += connects || s->conns < STATS_CONNS_MAX;
	if (s->conns == STATS_CONNS_MAX)
		return &s->conn[STATS_CONNS_MAX - 1];
	struct conn_stats *c = &s->conn[s->conns];
	*c = (struct conn_stats){ .id = id, .begin = s->now, .flying = FLIGHT_NONE, .hash_next = *b };
	*b = s->conns++; /* in front: it is found before the old one */
	return c;
}

static void abandon(struct stats *s, struct flight_req *r)
{
	struct section *step = current(s);
	s->whole->abandoned++;
	if (step)
		step->abandoned++;
	flight_drop(&s->flight, r, &s->conn[r->row].flying);
}

/* Only of this connection: many may share the last row. */
static void abandon_all(struct stats *s, struct conn_stats *c)
{
	if (c == &s->conn[STATS_CONNS_MAX - 1] && s->connections > STATS_CONNS_MAX)
		return;
	while (c->flying != FLIGHT_NONE)
		abandon(s, &s->flight.at[c->flying]);
}

static void connects(struct stats *s, const struct rec_event *e)
{
	struct conn_stats *c = row_of(s, e->conn, true);
	const char *text = (const char *)e->text;
	size_t export = text ? strnlen(text, e->text_len) : 0;

	c->size = e->len;
	if (!text || c->export)
		return;
	c->export = strndup(text, MIN(export, (size_t)STATS_TEXT_MAX));
	if (export < e->text_len)
		c->client = strndup(text + export + 1, MIN(e->text_len - export - 1, (size_t)STATS_TEXT_MAX));
	s->failed |= !c->export || (export < e->text_len && !c->client);
}

/* --- requests --- */

static bool goes_on(struct conn_stats *c, const struct rec_event *e)
{
	unsigned which = e->op == REC_WRITE;
	bool found = false;

	if (e->op != REC_READ && e->op != REC_WRITE)
		return false;
	for (unsigned i = 0; i < STREAMS && !found; i++)
		if (c->ends[which][i] == e->off && e->off) {
			c->ends[which][i] = e->off + e->len;
			found = true;
		}
	if (!found)
		c->ends[which][c->at[which]++ % STREAMS] = e->off + e->len;
	return found;
}

static void take_flush(struct stats *s)
{
	struct section *both[] = { s->whole, current(s) };
	for (unsigned i = 0; i < 2 && s->flushed; i++)
		if (both[i]) {
			hist_add(&both[i]->flush_gap, s->now - s->last_flush, 1);
			hist_add(&both[i]->flush_bytes, s->since_flush, 1);
		}
	s->flushed = true;
	s->last_flush = s->now;
	s->since_flush = 0;
	blocks_clear(&s->dirty);
}

static void begins(struct stats *s, const struct rec_event *e)
{
	struct conn_stats *c = row_of(s, e->conn, false);
	struct flight_req *r = flight_find(&s->flight, e->conn, e->id);

	if (r && e->type == REC_CARRY)
		return; /* it is known: others are not, as events are missing */
	if (r)
		abandon(s, r);
	if (!(r = flight_add(&s->flight, e->conn, e->id, &c->flying))) {
		s->untracked++;
		return;
	}
	r->time = MIN(e->time, s->now);
	r->off = e->off;
	r->len = e->len;
	r->op = e->op;
	r->flags = e->flags;
	r->row = (uint32_t)(c - s->conn);
	r->sequential = goes_on(c, e);
	if (e->op == REC_FLUSH && e->type == REC_BEGIN)
		take_flush(s);
}

/* The blocks of a write: how many were dirty.  They are dirty now, but for those of a write that is on the disk already. */
static uint64_t soil(struct stats *s, const struct flight_req *r)
{
	uint64_t first = r->off / BLOCKS_SIZE, end = (r->off + r->len - 1) / BLOCKS_SIZE + 1;
	if (!r->len || r->len > SECTION_LONGEST)
		return 0;
	return r->flags & REC_FUA ? blocks_remove(&s->dirty, first, end) : blocks_add(&s->dirty, first, end);
}

static void ends(struct stats *s, const struct rec_event *e)
{
	struct section *step = current(s);
	struct flight_req *r = flight_find(&s->flight, e->conn, e->id);

	if (!r) {
		s->whole->unmatched++;
		if (step)
			step->unmatched++;
		return;
	}
	struct conn_stats *c = &s->conn[r->row];
	struct section_op o = { .now = s->now, .began = r->time, .off = r->off, .len = r->len, .op = r->op, .flags = r->flags,
				.failed = e->err, .sequential = r->sequential };
	if (!e->err && r->op == REC_WRITE) {
		o.rewritten = soil(s, r);
		o.estimate = s->dirty.sampled;
		s->since_flush = sat_add(s->since_flush, r->len);
	}
	c->errors += e->err != 0;
	c->ops[r->op] += !e->err;
	c->bytes[r->op] = sat_add(c->bytes[r->op], e->err ? 0 : r->len);
	section_op(s->whole, &o);
	if (step)
		section_op(step, &o);
	flight_drop(&s->flight, r, &c->flying);
}

/* --- steps --- */

static void add_step(struct stats *s, struct section *step)
{
	if (step)
		s->step[s->steps++] = step;
	else
		s->failed = true;
}

static void take_mark(struct stats *s, const struct rec_event *e)
{
	/* what came before the first mark is a step, too, when something did */
	if (!s->marks++ && s->whole->events > 1 && section_sum_ops(s->whole))
		add_step(s, section_copy(s->whole, s->now));
	else if (s->steps && s->steps < STATS_STEPS_MAX)
		section_end(s->step[s->steps - 1], s->now);
	if (s->steps < STATS_STEPS_MAX)
		add_step(s, section_new(s->now, e->text, e->text_len));
}

/* --- events --- */

static void pass_time(struct stats *s, uint64_t time)
{
	struct section *step = current(s);
	if (time < s->now) {
		s->backwards++;
		return;
	}
	section_depth(s->whole, s->now, time, s->flight.count);
	if (step)
		section_depth(step, s->now, time, s->flight.count);
	s->now = time;
}

void stats_event(struct stats *s, const struct rec_event *e)
{
	struct section *step;

	if (!s->whole) {
		if (s->start == STATS_FIRST)
			s->start = e->time;
		s->now = s->start;
		if (!(s->whole = section_new(s->start, NULL, 0))) {
			s->failed = true;
			return;
		}
	}
	if (e->type != REC_CARRY) { /* that is older */
		pass_time(s, e->time);
		s->events++;
		s->whole->events++;
	}
	if (e->type == REC_MARK)
		take_mark(s, e);
	if ((step = current(s)))
		step->events++;
	switch (e->type) {
	case REC_BEGIN:
	case REC_CARRY:
		begins(s, e);
		break;
	case REC_END:
		ends(s, e);
		break;
	case REC_CONNECT:
		connects(s, e);
		break;
	case REC_DISCONNECT:
		abandon_all(s, row_of(s, e->conn, false));
		row_of(s, e->conn, false)->end = s->now;
		break;
	case REC_LOSS:
		s->lost = sat_add(s->lost, e->len);
		break;
	default:
		break;
	}
}

static void restart(struct stats *s)
{
	for (unsigned i = 0; i < s->conns; i++) {
		while (s->conn[i].flying != FLIGHT_NONE)
			abandon(s, &s->flight.at[s->conn[i].flying]);
		if (!s->conn[i].end)
			s->conn[i].end = s->now;
	}
}

void stats_log_event(struct stats *s, const struct event *ev)
{
	static const uint8_t types[] = {
		[EV_BEGIN] = REC_BEGIN, [EV_END] = REC_END, [EV_CONNECT] = REC_CONNECT,
		[EV_DISCONNECT] = REC_DISCONNECT, [EV_LOST] = REC_LOSS, [EV_NOTE] = 0,
	};
	struct rec_event e = { .time = ev->time, .conn = ev->conn, .id = ev->id, .op = ev->op, .err = (uint32_t)ev->err };

	if (ev->kind == EV_START) {
		restart(s);
		return;
	}
	e.type = types[ev->kind];
	if (!e.type)
		return;
	/* a log's numbers are unchecked text: no request reaches beyond what an offset can be */
	e.off = MIN(ev->off, (uint64_t)INT64_MAX);
	e.len = e.type == REC_BEGIN ? MIN(ev->len, INT64_MAX - e.off) : ev->len;
	stats_event(s, &e);
}

void stats_end(struct stats *s)
{
	if (!s->whole) /* there was no event */
		s->now = s->start = s->start == STATS_FIRST ? 0 : s->start;
	if (!s->whole && !(s->whole = section_new(s->start, NULL, 0))) {
		s->failed = true;
		return;
	}
	restart(s); /* what is still under way will get no answer here */
	section_end(s->whole, s->now);
	if (s->steps)
		section_end(s->step[s->steps - 1], s->now);
	blocks_free(&s->dirty);
}
