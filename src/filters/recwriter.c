/* SPDX-License-Identifier: BSD-2-Clause */
#include "filters/recwriter.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "base/say.h"
#include "filters/recchunks.h"

enum {
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
	struct recchunks chunks;
	struct buf drain;
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
	size_t room = kept ? recstore_room(&w->chunks.store, e) : e->text_len;
	struct note n = { .event = *e, .more = e->text_len };
	struct loglane *lane;
	char *p;

	lane = loglanes_open(&w->thread.lanes, sizeof n + room, LANE_MAX, &p);
	n.event.time = lane->ns;
	if (lane->ns) {
		if (kept)
			n.more = recstore_prepare(&w->chunks.store, e, data, (uint8_t *)p + sizeof n);
		else if (n.more)
			memcpy(p + sizeof n, e->text, n.more);
		memcpy(p, &n, sizeof n);
		p += sizeof n + n.more;
	}
	enum loglane_news news = loglane_close(&w->thread.lanes, lane, p);
	lanethread_news(&w->thread, news);
	if (unlikely(news == LOGLANE_LOST))
		atomic_fetch_add(&w->lost, 1);
}

static void lose(struct recwriter *w, uint64_t events)
{
	atomic_fetch_add(&w->lost, events);
}

void recwriter_drop(struct recwriter *w, uint64_t events)
{
	if (atomic_fetch_add(&w->lost, events) == 0)
		lanethread_tell(&w->thread, false); /* the turn that would have told of it may be over */
}

static void take(struct recwriter *w, const struct note *n, const uint8_t *more)
{
	struct rec_event e = n->event;
	e.text = e.text_len ? more : NULL;
	if (!recchunks_add(&w->chunks, &e, n->more && e.type == REC_BEGIN ? more : NULL))
		lose(w, 1);
}

/* In the file, as soon as it takes something again. */
static void tell_lost(struct recwriter *w)
{
	struct rec_event e = { .type = REC_LOSS, .time = monotonic_ns() };
	e.len = atomic_exchange(&w->lost, 0);
	if (!e.len)
		return;
	if (!w->file.drop || !w->total_lost) /* those that were asked for are told once, and in the end */
		say_error("record: %s: %" PRIu64 " events were lost%s", w->file.path, e.len, w->file.drop ? ", the first of them" : "");
	w->total_lost += e.len;
	recchunks_add(&w->chunks, &e, NULL);
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
	if (w->chunks.count && (lanethread_stopping(t) || monotonic_ns() - w->chunks.first_time >= CHUNK_NS))
		recchunks_end(&w->chunks);
	pthread_mutex_lock(&t->lock);
	t->some |= more;
	t->nap = w->chunks.count ? CHUNK_NS : 0;
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
	recchunks_free(&w->chunks);
	lanethread_free(&w->thread);
	buf_free(&w->drain);
	free(w);
}

struct recwriter *recwriter_start(const char *path, enum rec_data data, bool drop, struct err *e)
{
	struct recwriter *w = aligned_alloc(_Alignof(struct recwriter), sizeof *w);
	if (!w) {
		err_set(e, "record: out of memory");
		return NULL;
	}
	memset(w, 0, sizeof *w);
	lanethread_init(&w->thread, turn);
	loglanes_init(&w->thread.lanes, false);
	buf_init(&w->drain, LOGLANES_MAX);
	if (recfile_open(&w->file, path, data, e) < 0) {
		free_all(w);
		return NULL;
	}
	w->file.drop = drop;
	w->file.give_up = give_up;
	w->file.owner = w;
	if (recfile_begin(&w->file, e) < 0 || recchunks_start(&w->chunks, &w->file, e) < 0) {
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
	recchunks_end(&w->chunks);
	w->total_lost += w->chunks.lost;
	if (w->total_lost)
		say_error("record: %s: %" PRIu64 " events are not in it", w->file.path, w->total_lost);
	if (recfile_close(&w->file, &e) < 0)
		say_error("%s", e.msg);
	free_all(w);
}
