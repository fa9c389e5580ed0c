/* SPDX-License-Identifier: BSD-2-Clause */
#include "filters/recwriter.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "base/say.h"
#include "filters/reclevels.h"
#include "filters/recstore.h"

enum {
	EVENTS_MAX = 8192,         /* in a chunk */
	EVENTS_BYTES = 512 << 10,
	CARRY_BYTES = 2 << 20,     /* of requests under way, at the beginning of a chunk */
	LANE_MAX = 192 << 20,      /* bytes in a lane: what may be noted before somebody has to wait, and a large write by each thread */
};
#define CHUNK_NS (200 * NS_PER_MS) /* what happened is in the file after that */

/* How an event lies in a lane; its text or data follow. */
struct note {
	struct rec_event event;
	uint64_t more;
};

struct recwriter {
	struct lanethread thread;
	_Atomic uint64_t lost;       /* events, not yet told */
	struct recfile file;
	struct recstore store;
	struct reclevels levels;
	struct rec_flight flight;
	/* the EVENTS chunk being made */
	struct rec_encoder encoder;
	struct buf body, drain, runs;
	uint64_t count, first_time;
	uint8_t has;                 /* REC_CUT and others */
	uint64_t events;             /* in chunks before it */
	uint64_t total_lost;
};

bool recwriter_full(struct recwriter *w)
{
	return loglanes_full(&w->thread.lanes);
}

bool recwriter_wait(struct recwriter *w, struct lanewait *wait)
{
	return lanethread_wait(&w->thread, wait);
}

void recwriter_note(struct recwriter *w, struct rec_event *e, const void *data)
{
	bool kept = data && w->file.data != REC_DATA_NO;
	struct note n = { .event = *e, .more = kept ? e->len : e->text_len };
	struct loglane *lane;
	char *p;

	lane = loglanes_open(&w->thread.lanes, sizeof n + n.more, LANE_MAX, &p);
	n.event.time = lane->ns;
	if (lane->ns) {
		memcpy(p, &n, sizeof n);
		if (n.more)
			memcpy(p + sizeof n, kept ? data : e->text, n.more);
		p += sizeof n + n.more;
	}
	enum loglane_news news = loglane_close(&w->thread.lanes, lane, p);
	lanethread_news(&w->thread, news);
	if (unlikely(news == LOGLANE_LOST))
		atomic_fetch_add(&w->lost, 1);
}

/* --- the chunk being made --- */

static void lose(struct recwriter *w, uint64_t events)
{
	atomic_fetch_add(&w->lost, events);
}

/* e with the runs of o. */
static bool encode_open(struct recwriter *w, const struct rec_event *e, const struct rec_open *o)
{
	struct rec_event full = *e;
	uint64_t addr = w->encoder.addr;

	w->runs.len = 0;
	for (size_t i = 0; i < o->count; i++)
		if (!rec_put_run(&w->runs, &addr, &o->runs[i]))
			return false;
	full.runs = (const uint8_t *)w->runs.p;
	full.runs_len = (uint32_t)w->runs.len;
	if (!rec_encode(&w->encoder, &w->body, &full))
		return false;
	w->encoder.addr = addr;
	return true;
}

/* What is under way comes first in each chunk: it can be read without those before. */
static void begin_chunk(struct recwriter *w, uint64_t now)
{
	w->encoder = (struct rec_encoder){ .time = w->first_time = now };
	w->has = 0;
	for (size_t i = 0; i < w->flight.room; i++) {
		struct rec_open *o = &w->flight.at[i];
		struct rec_event e = o->event;
		if (!o->used)
			continue;
		e.type = REC_CARRY;
		if (w->body.len > CARRY_BYTES || !encode_open(w, &e, o)) {
			w->has = REC_CUT;
			break;
		}
	}
}

static void end_chunk(struct recwriter *w)
{
	if (!w->count)
		return;
	struct rec_head h = { .kind = REC_EVENTS, .level = w->has, .raw = (uint32_t)w->body.len, .first = w->events,
			      .count = w->count, .time = w->first_time };
	if (!recstore_flush(&w->store) || !recfile_append(&w->file, &h, w->body.p, true)) {
		w->total_lost += w->count;
	} else {
		w->events += w->count;
		if (w->file.data == REC_DATA_YES)
			reclevels_end_chunk(&w->levels, w->events - w->count, w->events);
	}
	w->count = 0;
	w->body.len = 0;
}

/* --- what happened --- */

static bool begin_request(struct recwriter *w, const struct rec_event *e, const uint8_t *data)
{
	struct rec_open *o = rec_flight_add(&w->flight, e, w->events + w->count);
	if (!o)
		return false;
	bool ok = (!data || recstore_add(&w->store, o, data)) && encode_open(w, e, o);
	if (!ok)
		rec_flight_drop(&w->flight, o);
	return ok;
}

static bool end_request(struct recwriter *w, const struct rec_event *e)
{
	struct rec_open *o = rec_flight_find(&w->flight, e->conn, e->id);
	if (!o)
		return true; /* its beginning was lost, and that was told */
	bool ok = rec_encode(&w->encoder, &w->body, e);
	if (ok && !e->err && w->file.data == REC_DATA_YES)
		reclevels_add(&w->levels, o, w->events + w->count);
	rec_flight_drop(&w->flight, o);
	return ok;
}

static void take(struct recwriter *w, const struct note *n, const uint8_t *more)
{
	struct rec_event e = n->event;
	bool ok;

	if (!w->count)
		begin_chunk(w, e.time);
	e.text = e.text_len ? more : NULL;
	if (e.type == REC_BEGIN)
		ok = begin_request(w, &e, n->more ? more : NULL);
	else if (e.type == REC_END)
		ok = end_request(w, &e);
	else
		ok = rec_encode(&w->encoder, &w->body, &e);
	w->has |= e.type == REC_MARK ? REC_HAS_MARK : e.type == REC_CONNECT ? REC_HAS_CONNECT : 0;
	if (e.type == REC_DISCONNECT)
		rec_flight_drop_conn(&w->flight, e.conn);
	if (!ok)
		lose(w, 1);
	w->count += ok;
	if (w->count >= EVENTS_MAX || w->body.len > CARRY_BYTES + EVENTS_BYTES || (!w->flight.count && w->body.len > EVENTS_BYTES))
		end_chunk(w);
}

/* In the file, as soon as it takes something again. */
static void tell_lost(struct recwriter *w)
{
	struct rec_event e = { .type = REC_LOSS, .time = monotonic_ns() };
	e.len = atomic_exchange(&w->lost, 0);
	if (!e.len)
		return;
	w->total_lost += e.len;
	say_error("record: %s: %" PRIu64 " events were lost", w->file.path, e.len);
	if (!w->count)
		begin_chunk(w, e.time);
	w->count += rec_encode(&w->encoder, &w->body, &e);
}

static void turn(struct lanethread *t)
{
	struct recwriter *w = container_of(t, struct recwriter, thread);
	uint64_t lost;
	struct note n;

	bool more = loglanes_take(&t->lanes, !t->has_thread, &w->drain, &lost);
	for (size_t at = 0; at < w->drain.len; at += sizeof n + n.more) {
		memcpy(&n, w->drain.p + at, sizeof n);
		take(w, &n, (const uint8_t *)w->drain.p + at + sizeof n);
	}
	w->drain.len = 0;
	lose(w, lost);
	tell_lost(w);
	if (w->count && (lanethread_stopping(t) || monotonic_ns() - w->first_time >= CHUNK_NS))
		end_chunk(w);
	pthread_mutex_lock(&t->lock);
	t->some |= more;
	t->nap = w->count ? CHUNK_NS : 0;
	pthread_mutex_unlock(&t->lock);
	lanethread_let_go(t);
}

/* --- start and stop --- */

static bool give_up(void *owner)
{
	struct recwriter *w = owner;
	return !w->thread.has_thread || lanethread_stopping(&w->thread);
}

static void free_all(struct recwriter *w)
{
	recstore_stop(&w->store);
	reclevels_free(&w->levels);
	rec_flight_free(&w->flight);
	lanethread_free(&w->thread);
	buf_free(&w->body);
	buf_free(&w->drain);
	buf_free(&w->runs);
	free(w);
}

struct recwriter *recwriter_start(const char *path, enum rec_data data, struct err *e)
{
	struct recwriter *w = aligned_alloc(_Alignof(struct recwriter), sizeof *w);
	if (!w) {
		err_set(e, "record: out of memory");
		return NULL;
	}
	memset(w, 0, sizeof *w);
	lanethread_init(&w->thread, turn);
	loglanes_init(&w->thread.lanes, false);
	buf_init(&w->body, REC_BODY_MAX);
	buf_init(&w->drain, LOGLANES_MAX);
	buf_init(&w->runs, REC_BODY_MAX / 2);
	if (recfile_open(&w->file, path, data, e) < 0) {
		free_all(w);
		return NULL;
	}
	w->file.give_up = give_up;
	w->file.owner = w;
	reclevels_init(&w->levels, &w->file);
	if (recfile_begin(&w->file, e) < 0 || recstore_start(&w->store, &w->file, e) < 0) {
		struct err ignored;
		recfile_close(&w->file, &ignored);
		free_all(w);
		return NULL;
	}
	return w;
}

int recwriter_forked(struct recwriter *w, struct err *e)
{
	return lanethread_start(&w->thread, e);
}

void recwriter_stop(struct recwriter *w)
{
	struct err e;
	if (!w)
		return;
	lanethread_stop(&w->thread);
	turn(&w->thread);
	end_chunk(w);
	if (w->total_lost)
		say_error("record: %s: %" PRIu64 " events are not in it", w->file.path, w->total_lost);
	if (recfile_close(&w->file, &e) < 0)
		say_error("%s", e.msg);
	free_all(w);
}
