/* SPDX-License-Identifier: BSD-2-Clause */
#include "filters/recchunks.h"
#include <string.h>

enum {
	EVENTS_MAX = 8192,         /* in a chunk */
	EVENTS_BYTES = 512 << 10,
	CARRY_BYTES = 2 << 20,     /* of requests under way, at the beginning of a chunk */
};

/* e with the runs of o. */
static bool encode_open(struct recchunks *c, const struct rec_event *e, const struct rec_open *o)
{
	struct rec_event full = *e;
	uint64_t addr = c->encoder.addr;

	c->runs.len = 0;
	for (size_t i = 0; i < o->count; i++)
		if (!rec_put_run(&c->runs, &addr, &o->runs[i]))
			return false;
	full.runs = (const uint8_t *)c->runs.p;
	full.runs_len = (uint32_t)c->runs.len;
	if (!rec_encode(&c->encoder, &c->body, &full))
		return false;
	c->encoder.addr = addr;
	return true;
}

/* What is under way comes first in each chunk: it can be read without those before. */
static void begin_chunk(struct recchunks *c, uint64_t now)
{
	c->encoder = (struct rec_encoder){ .time = c->first_time = now };
	c->has = 0;
	for (size_t i = 0; i < c->flight.room; i++) {
		struct rec_open *o = &c->flight.at[i];
		struct rec_event e = o->event;
		if (!o->used)
			continue;
		e.type = REC_CARRY;
		if (c->body.len > CARRY_BYTES || !encode_open(c, &e, o)) {
			c->has = REC_CUT;
			break;
		}
	}
}

void recchunks_end(struct recchunks *c)
{
	if (!c->count)
		return;
	struct rec_head h = { .kind = REC_EVENTS, .level = c->has, .raw = (uint32_t)c->body.len, .first = c->events,
			      .count = c->count, .time = c->first_time };
	if (!recstore_flush(&c->store) || !recfile_append(c->file, &h, c->body.p, true)) {
		c->lost += c->count;
		reclevels_forget(&c->levels);
	} else {
		c->events += c->count;
		if (c->file->data == REC_DATA_YES)
			reclevels_end_chunk(&c->levels, c->events - c->count, c->events);
	}
	c->count = 0;
	c->body.len = 0;
}

/* --- what happened --- */

static bool begin_request(struct recchunks *c, const struct rec_event *e, const uint8_t *data)
{
	struct rec_open *o = rec_flight_add(&c->flight, e, c->events + c->count);
	if (!o)
		return false;
	bool ok = (!data || recstore_add(&c->store, o, data)) && encode_open(c, e, o);
	if (!ok)
		rec_flight_drop(&c->flight, o);
	return ok;
}

static bool end_request(struct recchunks *c, const struct rec_event *e)
{
	struct rec_open *o = rec_flight_find(&c->flight, e->conn, e->id);
	if (!o)
		return true; /* its beginning was lost, and that was told */
	bool ok = rec_encode(&c->encoder, &c->body, e);
	if (ok && !e->err && c->file->data == REC_DATA_YES)
		reclevels_add(&c->levels, o, c->events + c->count);
	rec_flight_drop(&c->flight, o);
	return ok;
}

bool recchunks_add(struct recchunks *c, const struct rec_event *e, const uint8_t *data)
{
	bool ok;

	if (!c->count)
		begin_chunk(c, e->time);
	if (e->type == REC_BEGIN)
		ok = begin_request(c, e, data);
	else if (e->type == REC_END)
		ok = end_request(c, e);
	else
		ok = rec_encode(&c->encoder, &c->body, e);
	c->has |= e->type == REC_MARK ? REC_HAS_MARK : e->type == REC_CONNECT ? REC_HAS_CONNECT : e->type == REC_LOSS ? REC_HAS_LOSS : 0;
	if (e->type == REC_DISCONNECT)
		rec_flight_drop_conn(&c->flight, e->conn);
	c->count += ok;
	if (c->count >= EVENTS_MAX || c->body.len > CARRY_BYTES + EVENTS_BYTES || (!c->flight.count && c->body.len > EVENTS_BYTES))
		recchunks_end(c);
	return ok;
}

int recchunks_start(struct recchunks *c, struct recfile *f, struct err *e)
{
	*c = (struct recchunks){ .file = f };
	buf_init(&c->body, REC_BODY_MAX);
	buf_init(&c->runs, REC_BODY_MAX / 2);
	reclevels_init(&c->levels, f);
	return recstore_start(&c->store, f, e);
}

void recchunks_free(struct recchunks *c)
{
	recstore_stop(&c->store);
	reclevels_free(&c->levels);
	rec_flight_free(&c->flight);
	buf_free(&c->body);
	buf_free(&c->runs);
}
