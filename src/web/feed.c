/* SPDX-License-Identifier: BSD-2-Clause */
#include "web/feed.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "trace/recorder.h"

#define SLICE_BYTES (1u << 20) /* of the file, scanned at once: some ms */
#define SLICE_EVENTS 20000u
#define SEEK_NS (25 * NS_PER_MS) /* an answer walks no longer */
#define CHECK_NS (100 * NS_PER_MS) /* between two looks whether the file was replaced */
#define LIVE_NS (10 * NS_PER_S)
#define QUIET_NS (5 * NS_PER_S) /* a silent disk: time goes on until every flash has faded, no longer */
#define NEAR_NS NS_PER_S

/* ---- following ---- */

static void scan_slice(struct feed *d, bool check)
{
	struct err e = { 0 };
	uint64_t before = d->ahead.events;

	int got = check ? play_check(&d->ahead, &e) : 0;
	if (got > 0) {
		d->whole = d->growing = false;
		before = 0;
	}
	if (got >= 0)
		got = play_scan(&d->ahead, SLICE_BYTES, &e);
	if (got < 0)
		snprintf(d->trouble, sizeof d->trouble, "%.*s", (int)sizeof d->trouble - 1, e.msg);
	else
		d->trouble[0] = '\0';
	if (d->ahead.events != before) {
		d->changed = monotonic_ns();
		d->growing = d->whole;
	}
	d->whole |= got == 0;
}

/* With the lock. */
static void look_for_recorder(struct feed *d)
{
	struct recorder r;
	struct stat st;

	d->recorded = d->ahead.tape.is_rec && fstat(d->ahead.tape.fd, &st) == 0 && recorder_find(&st, &r);
}

static void *follow(void *arg)
{
	struct feed *d = arg;
	uint64_t checked = 0, looked = 0;

	while (!atomic_load(&d->stopping)) {
		uint64_t now = monotonic_ns();
		bool check = now - checked > CHECK_NS;
		feed_lock(d);
		uint64_t before = d->ahead.events;
		scan_slice(d, check);
		if (now - looked > NS_PER_S) {
			look_for_recorder(d);
			looked = now;
		}
		bool more = d->ahead.events != before;
		feed_unlock(d);
		checked = check ? now : checked;
		if (!more)
			usleep(5000);
	}
	return NULL;
}

/* ---- life ---- */

struct feed *feed_open(const char *path, const uint64_t *size, const struct filter *filter, struct err *e)
{
	struct feed *d = calloc(1, sizeof *d);
	struct stat st;

	if (!d || !(d->path = strdup(path))) {
		err_set(e, "%s: out of memory", path);
		free(d);
		return NULL;
	}
	const char *slash = strrchr(d->path, '/');
	d->name = slash ? slash + 1 : d->path;
	d->sized = size;
	d->size = size ? *size : 0;
	d->filter = filter;
	turn_init(&d->turn);
	if (play_open(&d->ahead, d->path, size, true, e) < 0 || play_want_heat(&d->ahead, e) < 0) {
		feed_close(d);
		return NULL;
	}
	d->ahead.ride = true;
	d->ahead.scan_filter = filter;
	play_filter(&d->ahead, filter);
	scan_slice(d, false); /* so that the session's beginning is known */
	/* a file that is being written */
	if (stat(path, &st) == 0 && (uint64_t)time(NULL) - (uint64_t)st.st_mtim.tv_sec < LIVE_NS / NS_PER_S)
		d->growing = true;
	if (pthread_create(&d->thread, NULL, follow, d)) {
		err_set(e, "%s: cannot start a thread", path);
		feed_close(d);
		return NULL;
	}
	d->has_thread = true;
	return d;
}

void feed_close(struct feed *d)
{
	if (!d)
		return;
	atomic_store(&d->stopping, true);
	if (d->has_thread)
		pthread_join(d->thread, NULL);
	for (unsigned i = 0; i < FEED_SEEKERS; i++)
		if (d->seeker[i].open)
			play_close(&d->seeker[i].play);
	keep_forget(&d->keep);
	play_close(&d->ahead);
	turn_destroy(&d->turn);
	free((char *)d->path);
	free(d);
}

bool feed_live(const struct feed *d)
{
	return !d->whole || d->recorded || (d->growing && monotonic_ns() - d->changed < LIVE_NS);
}

uint64_t feed_start(const struct feed *d)
{
	return d->ahead.events || d->ahead.tape.is_rec ? d->ahead.start : 0;
}

/* ---- the past ---- */

/* The player that is already near the moment, else the one that was used longest ago. */
static struct seeker *choose_seeker(struct feed *d, uint64_t time)
{
	struct seeker *oldest = &d->seeker[0], *nearest = NULL;

	for (unsigned i = 0; i < FEED_SEEKERS; i++) {
		struct seeker *s = &d->seeker[i];
		uint64_t away = s->time > time ? s->time - time : time - s->time;
		if (s->used < oldest->used)
			oldest = s;
		if (s->open && away <= NEAR_NS && (!nearest || s->used > nearest->used))
			nearest = s;
	}
	return nearest ? nearest : oldest;
}

static struct play *seek_player(struct feed *d, uint64_t time, struct err *e)
{
	struct seeker *s = choose_seeker(d, time);

	if (!s->open && play_open(&s->play, d->path, d->sized ? &d->size : NULL, true, e) < 0)
		return NULL;
	if (!s->open) {
		s->play.restarts = d->ahead.restarts - 1; /* the file that it opened may be another one by now: it takes over ours */
		play_filter(&s->play, d->filter);
		s->open = true;
	}
	s->used = ++d->uses;
	s->time = time;
	if (play_take_over(&s->play, &d->ahead, e) < 0)
		return NULL;
	s->play.keep = &d->keep;
	s->play.keep_early = true;
	return &s->play;
}

static int walk(struct play *p, const struct moment *m, struct err *e)
{
	uint64_t began = monotonic_ns();
	int more;

	do
		more = m->kind == MOMENT_TIME ? play_to(p, m->at, SLICE_EVENTS, e) : play_to_event(p, m->at, SLICE_EVENTS, e);
	while (more > 0 && monotonic_ns() - began < SEEK_NS);
	return more;
}

/* When the n-th event was is not known before the model was there: players are told apart by what share of the file that is. */
static uint64_t about(const struct feed *d, const struct moment *m)
{
	const struct play *p = &d->ahead;
	double share = p->events ? (double)MIN(m->at, p->events) / (double)p->events : 0;
	return m->kind == MOMENT_TIME ? m->at : p->start + (uint64_t)(share * (double)(p->end - p->start));
}

static int see_live(struct feed *d, struct sight *s, struct err *e)
{
	struct play *p = &d->ahead;
	struct moment end = { MOMENT_EVENT, p->events };

	scan_slice(d, false);
	end.at = p->events;
	int more = p->size_known ? walk(p, &end, e) : 0;
	if (more < 0)
		return -1;
	s->model = p->has_model ? &p->model : NULL;
	s->not_yet = more > 0 || !d->whole;
	s->now = p->end;
	if (d->whole && d->changed)
		s->now += MIN(monotonic_ns() - d->changed, QUIET_NS);
	return 0;
}

int feed_see(struct feed *d, const struct moment *m, struct sight *s, struct err *e)
{
	*s = (struct sight){ 0 };
	if (d->trouble[0])
		return err_set(e, "%s", d->trouble);
	if (m->kind == MOMENT_LIVE) {
		if (see_live(d, s, e) < 0)
			return -1;
	} else {
		struct play *p = seek_player(d, about(d, m), e);
		int more = p ? walk(p, m, e) : -1;
		if (more < 0)
			return -1;
		s->model = p->has_model ? &p->model : NULL;
		s->not_yet = more > 0 || (!d->whole && (m->kind == MOMENT_TIME ? m->at > p->end : m->at > p->events));
		s->now = s->not_yet || m->kind == MOMENT_EVENT ? (p->has_model ? p->model.last : 0) : m->at;
	}
	return s->model ? 0 : err_set(e, "%s: %s", d->name, play_missing(&d->ahead));
}
