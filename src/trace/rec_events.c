/* SPDX-License-Identifier: BSD-2-Clause */
#include "trace/rec_events.h"
#include <stdlib.h>

enum { ENTER, TELL_LOST, TELL_GONE, WALK }; /* stages of a chunk */

uint64_t rec_wall(const struct rec_file *f, uint64_t time)
{
	uint64_t start = MIN(f->wall, (uint64_t)INT64_MAX);
	if (time < f->start)
		return start - MIN(f->start - time, start);
	return start + MIN(time - f->start, INT64_MAX - start);
}

/* The file is begun when there is something to write, so the first events are older. */
uint64_t rec_begin(const struct rec_file *f)
{
	return rec_wall(f, f->events.count ? MIN(f->start, f->events.at[0].time) : f->start);
}

void rec_events_start(struct rec_events *r, const struct rec_file *f)
{
	*r = (struct rec_events){ .file = f };
}

void rec_events_end(struct rec_events *r)
{
	free(r->body);
	r->body = NULL;
}

void rec_events_go(struct rec_events *r, const struct rec_place *to)
{
	rec_events_end(r);
	r->place = *to;
}

uint64_t rec_events_offset(const struct rec_events *r)
{
	const struct rec_file *f = r->file;
	return !f ? 0 : r->place.chunk < f->events.count ? f->events.at[r->place.chunk].at : f->scanned;
}

static void leave_chunk(struct rec_events *r)
{
	rec_events_end(r);
	r->place.chunk++;
	r->place.decoded = 0;
	r->place.stage = ENTER;
}

/* The events before this chunk that are in none. */
static void enter_chunk(struct rec_events *r, const struct rec_head *h)
{
	struct rec_place *at = &r->place;

	at->gap = h->first - MIN(at->number, h->first);
	at->number = h->first;
	at->lost += at->gap;
	at->stage = at->gap ? TELL_LOST : WALK;
}

/* The body of the chunk where we are, or of the next one that can be read. */
static bool load(struct rec_events *r)
{
	struct rec_place *at = &r->place;
	struct rec_event e;

	while (!r->body && at->chunk < r->file->events.count) {
		const struct rec_head *h = &r->file->events.at[at->chunk];
		const char *why = NULL;
		r->bytes += REC_HEAD_SIZE + h->raw;
		r->body = rec_body(r->file, h, &why);
		if (!r->body) {
			at->bad++;
			leave_chunk(r);
			continue;
		}
		if (at->stage == ENTER)
			enter_chunk(r, h);
		r->decoder = (struct rec_decoder){ .p = r->body, .end = r->body + h->raw, .time = h->time };
		for (uint64_t i = 0; i < at->decoded && rec_decode(&r->decoder, &e); i++)
			;
	}
	return r->body;
}

_Static_assert(REC_FUA == (int)EVF_FUA && REC_NO_HOLE == (int)EVF_NO_HOLE && REC_FAST == (int)EVF_FAST && REC_REQ_ONE == (int)EVF_REQ_ONE,
	"one set of flags");

static void tell(struct rec_events *r, const struct rec_event *e, struct event *ev)
{
	static const uint8_t kinds[] = { [REC_BEGIN] = EV_BEGIN, [REC_END] = EV_END, [REC_CONNECT] = EV_CONNECT,
		[REC_DISCONNECT] = EV_DISCONNECT, [REC_MARK] = EV_MARK, [REC_LOSS] = EV_LOST, [REC_CARRY] = EV_BEGIN };

	*ev = (struct event){ .conn = e->conn, .id = e->id, .off = e->off, .len = e->len, .kind = kinds[e->type], .op = e->op,
		.sized = e->type == REC_CONNECT, .flags = e->flags, .err = (int)e->err };
	if (e->type == REC_END)
		ev->op = EV_OPS;
	if (e->type == REC_LOSS)
		r->place.lost += e->len;
	bool told = e->type == REC_MARK || e->type == REC_CONNECT;
	r->text = told ? e->text : NULL;
	r->text_len = told ? e->text_len : 0;
	r->place.time = MAX(r->place.time, rec_wall(r->file, e->time));
}

static bool tell_gap(struct rec_events *r, struct event *ev)
{
	struct rec_place *at = &r->place;

	*ev = (struct event){ .kind = EV_LOST, .len = at->gap };
	if (at->stage == TELL_GONE)
		*ev = (struct event){ .kind = EV_START };
	at->time = MAX(at->time, rec_wall(r->file, r->file->events.at[at->chunk].time));
	at->stage++;
	return true;
}

/* The next event of the chunk that is there for us. */
static bool walk(struct rec_events *r, struct event *ev)
{
	struct rec_place *at = &r->place;
	struct rec_event e;

	while (rec_decode(&r->decoder, &e)) {
		at->decoded++;
		at->number += e.type != REC_CARRY;
		if (e.type == REC_CARRY && !at->gap)
			continue; /* we saw it begin */
		tell(r, &e, ev);
		return true;
	}
	return false;
}

bool rec_events_next(struct rec_events *r, struct event *ev)
{
	while (r->body || load(r)) {
		if (r->place.stage < WALK ? tell_gap(r, ev) : walk(r, ev)) {
			ev->time = r->place.time;
			r->place.events++;
			return true;
		}
		r->place.bad += r->decoder.bad != NULL;
		leave_chunk(r);
	}
	return false;
}
