/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "view/play.h"

/* In a scan the model goes back to walk so many events again, so that it may ride on from there; so often, as a
 * log may tell of a larger disk in every line. */
#define BOARD_EVENTS 4096
#define BOARD_TIMES 8

/* ---- the file ---- */

static int open_log(struct play *p, bool wait, struct err *e)
{
	struct stat st;

	p->tape.fd = open(p->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (p->tape.fd < 0)
		return wait && errno == ENOENT ? 0 : err_set(e, "%s: %s", p->path, strerror(errno));
	if (fstat(p->tape.fd, &st) < 0)
		return err_set(e, "%s: %s", p->path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return err_set(e, "%s: not a regular file, and a log is read more than once", p->path);
	p->dev = st.st_dev;
	p->ino = st.st_ino;
	return 0;
}

int play_open(struct play *p, const char *path, const uint64_t *size, bool wait, struct err *e)
{
	*p = (struct play){ .path = path, .tape.fd = -1, .wait = wait };
	p->keep = &p->own_keep;
	p->size_given = p->size_known = size;
	p->size = size ? *size : 0;
	if (cursor_init(&p->scan, e) < 0 || cursor_init(&p->cur, e) < 0 || open_log(p, wait, e) < 0) {
		play_close(p);
		return -1;
	}
	return 0;
}

/* What the scan found. */
static void forget_found(struct play *p)
{
	if (p->has_asked)
		inflight_free(&p->asked);
	p->has_asked = false;
	steps_free(&p->marks);
	names_free(&p->names);
	flushes_free(&p->flushes);
	tape_forget(&p->tape);
}

void play_close(struct play *p)
{
	if (p->has_model)
		model_free(&p->model);
	p->has_model = false;
	cursor_free(&p->scan);
	cursor_free(&p->cur);
	keep_forget(&p->own_keep);
	forget_found(p);
	heat_free(&p->heat);
	if (p->tape.fd >= 0)
		close(p->tape.fd);
	p->tape.fd = -1;
}

int play_want_heat(struct play *p, struct err *e)
{
	p->wants_heat = true;
	heat_free(&p->heat);
	if (heat_init(&p->heat, e) < 0)
		return -1;
	heat_size(&p->heat, p->size);
	return 0;
}

static void drop_model(struct play *p)
{
	if (p->has_model)
		model_free(&p->model);
	p->has_model = p->has_next = false;
	cursor_rewind(&p->cur);
}

void play_rewind(struct play *p)
{
	drop_model(p);
}

void play_filter(struct play *p, const struct filter *f)
{
	p->filter = f;
	drop_model(p);
	keep_forget(p->keep);
	p->boarded = 0;
}

static void start_over(struct play *p)
{
	drop_model(p);
	keep_forget(p->keep);
	cursor_rewind(&p->scan);
	forget_found(p);
	p->events = p->start = p->end = p->boarded = 0;
	p->head_len = 0;
	p->timeline = (struct timeline){ 0 };
	if (!p->size_given)
		p->size = p->size_known = 0;
	if (p->wants_heat)
		heat_forget(&p->heat, p->size);
}

/* A log that was emptied and has outgrown us since looks longer, but its first stamps differ. */
static bool head_changed(struct play *p)
{
	char now[PLAY_HEAD];
	ssize_t n = pread(p->tape.fd, now, sizeof now, 0);

	if (n < 0)
		return false;
	if ((size_t)n < p->head_len || memcmp(now, p->head, p->head_len))
		return true;
	memcpy(p->head, now, (size_t)n);
	p->head_len = (size_t)n;
	return false;
}

static uint64_t bytes_read(const struct play *p)
{
	return p->tape.is_rec ? p->tape.rec.scanned : p->scan.pos;
}

int play_check(struct play *p, struct err *e)
{
	struct stat st, named;

	if (p->tape.fd < 0)
		return open_log(p, true, e);
	if (!stat(p->path, &named) && (named.st_ino != p->ino || named.st_dev != p->dev)) {
		close(p->tape.fd);
		if (open_log(p, true, e) < 0)
			return -1;
	} else if (fstat(p->tape.fd, &st) < 0 || ((uint64_t)st.st_size >= bytes_read(p) && !head_changed(p))) {
		return 0;
	}
	start_over(p);
	p->restarts++;
	return 1;
}

/* ---- scanning ---- */

/* The two ends of a request are brought together here, too, as the model may be elsewhere: a recording leaves it to its reader
 * which operation was answered, and heat counts how long that took.  False: it is nothing to count, as the filter does not let the
 * request pass. */
static bool pair(struct play *p, struct event *ev)
{
	struct event req = *ev, old;
	bool known = false, hidden = false;

	if (ev->kind == EV_BEGIN) {
		if (p->scan_filter && !filter_passes(p->scan_filter, ev))
			req.flags |= EVF_HIDDEN;
		inflight_add(&p->asked, &req, &old);
	} else if (ev->kind == EV_END && (known = inflight_take(&p->asked, ev->conn, ev->id, &req))) {
		ev->op = req.op;
		hidden = req.flags & EVF_HIDDEN;
	} else if (ev->kind == EV_CONNECT || ev->kind == EV_DISCONNECT || ev->kind == EV_START) {
		inflight_drop(&p->asked, ev->kind == EV_START ? 0 : ev->conn);
	}
	if (p->wants_heat)
		heat_event(&p->heat, ev, known && !hidden ? &req : NULL, p->asked.open - p->asked.hidden);
	return !hidden;
}

static void scan_event(struct play *p, struct event *ev)
{
	bool counts = !p->has_asked || pair(p, ev);

	if (ev->kind == EV_MARK)
		steps_add(&p->marks, ev->time, (const char *)p->scan.rec.text, p->scan.rec.text_len);
	if (!p->tape.is_rec && !p->events)
		p->start = ev->time;
	if (counts && ev->kind == EV_END && ev->op == EV_FLUSH && !ev->err)
		flushes_add(&p->flushes, p->events);
	p->events++;
	p->end = ev->time;
	timeline_event(&p->timeline, counts ? ev : &(struct event){ .time = ev->time, .kind = EV_NOTE });
	if (ev->kind == EV_CONNECT)
		names_add(&p->names, &p->scan, &p->tape, ev);
	if (ev->kind != EV_CONNECT || !ev->sized || p->size_given)
		return;
	if (!p->size_known || ev->len > p->size)
		p->size = MIN(ev->len, INT64_MAX);
	p->size_known = true;
	if (p->wants_heat)
		heat_size(&p->heat, p->size);
}

/* ---- the model ---- */

/* A model for the disk as it is known now. */
static int ready(struct play *p, struct err *e)
{
	if (p->has_model && p->model.map.size != p->size) {
		drop_model(p); /* a later Connect told of a larger disk */
		keep_forget(p->keep);
	}
	if (p->has_model)
		return 0;
	if (model_init(&p->model, p->size, e) < 0)
		return -1;
	p->model.filter = p->filter;
	p->has_model = true;
	return 0;
}

/* The model walks no further than the scan has. */
static int peek(struct play *p, struct err *e)
{
	if (p->has_next)
		return 1;
	if (p->model.events >= p->events)
		return 0;
	p->next_number = p->cur.rec.place.number;
	int got = cursor_next(&p->cur, &p->tape, p->scan.pos, &p->next, e);
	p->has_next = got > 0;
	return got;
}

static void apply(struct play *p, const struct event *ev)
{
	struct outcome out;

	model_event(&p->model, ev, &out);
	if (p->watch)
		p->watch(p->watch_arg, ev, &out);
}

/* The model becomes the last one kept before the moment, if that spares walking; who watches must see each event.
 * Who goes back for the first time walks from the beginning, and models are kept on the way from now on. */
static int use_kept(struct play *p, uint64_t t, uint64_t n, struct err *e)
{
	bool back = p->model.events && (p->model.last > t || p->model.events > n);
	const struct kept *k = p->watch ? NULL : keep_find(p->keep, n, t);

	if ((back || p->keep_early) && !p->keep->every)
		keep_start(p->keep, &p->model, p->events);
	if (k && (back || k->model.m.events > p->model.events)) {
		p->has_next = false;
		cursor_go(&p->cur, &k->place);
		if (model_bring_back(&p->model, &k->model))
			return 0;
		back = true;
	}
	if (back)
		drop_model(p);
	return ready(p, e);
}

static int play_until(struct play *p, uint64_t t, uint64_t n, uint64_t max, struct err *e)
{
	int got;

	if (!p->size_known || p->tape.fd < 0)
		return 0;
	if (ready(p, e) < 0 || use_kept(p, t, n, e) < 0)
		return -1;
	for (uint64_t done = 0; (got = peek(p, e)) > 0; done++) {
		if (p->next.time > t || p->model.events >= n)
			return 0;
		if (done >= max)
			return 1;
		p->has_next = false;
		apply(p, &p->next);
		keep_event(p->keep, &p->model, &p->cur);
	}
	return got;
}

int play_to(struct play *p, uint64_t t, uint64_t max, struct err *e)
{
	return play_until(p, t, PLAY_ALL, max, e);
}

int play_to_event(struct play *p, uint64_t n, uint64_t max, struct err *e)
{
	return play_until(p, UINT64_MAX, n, max, e);
}

/* ---- the model rides with the scan ---- */

/* Has the model all events that the scan found, but the last n? */
static bool lacks(const struct play *p, uint64_t n)
{
	return p->has_model && p->model.map.size == p->size && p->model.events + n == p->events;
}

/* The model takes what the scan has just found, and at the log's beginning, where the size is
 * told, what was before that.  One that is far behind stays where it is, for play_to(). */
static int ride(struct play *p, const struct event *ev, struct err *e)
{
	if (likely(lacks(p, 1))) {
		apply(p, ev);
		return 0;
	}
	uint64_t from = p->has_model && p->model.map.size == p->size ? p->model.events : 0;
	if (!p->size_known || p->events - from > BOARD_EVENTS || p->boarded == BOARD_TIMES)
		return 0;
	p->boarded++;
	return play_to_event(p, p->events, PLAY_ALL, e);
}

static int scan_to(struct play *p, uint64_t stop, struct err *e)
{
	struct event ev;

	while (cursor_work(&p->scan, &p->tape) < stop) {
		int got = cursor_next(&p->scan, &p->tape, UINT64_MAX, &ev, e);
		if (got <= 0)
			return got;
		scan_event(p, &ev);
		if (p->ride && ride(p, &ev, e) < 0)
			return -1;
	}
	return 1;
}

/* A recording: as far as it goes now.  1: its beginning is not there yet; -1: e is set. */
static int follow_recording(struct play *p, struct err *e)
{
	bool known = p->tape.is_rec;
	struct stat st;

	if (fstat(p->tape.fd, &st) < 0)
		return err_set(e, "%s: %s", p->path, strerror(errno));
	if (!known && p->wait && (uint64_t)st.st_size < REC_HEAD_SIZE + REC_INFO_SIZE)
		return 1;
	if (tape_follow(&p->tape, (uint64_t)st.st_size, e) < 0)
		return known ? -1 : err_set(e, "%s: a recording whose beginning is damaged or missing", p->path);
	if (!p->events) {
		p->start = p->end = rec_begin(&p->tape.rec);
		timeline_start(&p->timeline, p->start);
		if (p->wants_heat)
			heat_start(&p->heat, p->start);
	}
	return 0;
}

int play_scan(struct play *p, uint64_t max, struct err *e)
{
	if (p->tape.fd < 0)
		return 0;
	if (p->head_len < PLAY_HEAD)
		head_changed(p); /* remember it before we read on */
	int wait = tape_is_recording(p->head, p->head_len) ? follow_recording(p, e) : 0;
	if (wait)
		return MIN(wait, 0);
	if (!p->has_asked && (p->tape.is_rec || p->wants_heat || p->scan_filter) && !(p->has_asked = inflight_init(&p->asked)))
		return err_set(e, "no memory for the table of requests");
	int more = scan_to(p, MIN(cursor_work(&p->scan, &p->tape), UINT64_MAX - max) + max, e);
	if (p->ride && lacks(p, 0)) {
		struct place here = cursor_place(&p->scan);
		cursor_go(&p->cur, &here);
	}
	return more;
}

int play_scan_all(struct play *p, struct err *e)
{
	return play_scan(p, PLAY_ALL, e);
}

/* The same open file, and nothing known of it. */
static int take_file(struct play *p, const struct play *ahead, struct err *e)
{
	int fd = ahead->tape.fd < 0 ? -1 : fcntl(ahead->tape.fd, F_DUPFD_CLOEXEC, 0);

	if (fd < 0 && ahead->tape.fd >= 0)
		return err_set(e, "%s: %s", p->path, strerror(errno));
	start_over(p);
	if (p->tape.fd >= 0)
		close(p->tape.fd);
	p->tape.fd = fd;
	p->restarts = ahead->restarts;
	p->dev = ahead->dev;
	p->ino = ahead->ino;
	return 0;
}

int play_take_over(struct play *p, const struct play *ahead, struct err *e)
{
	struct place here = cursor_place(&ahead->scan);

	if ((p->restarts != ahead->restarts || p->tape.fd < 0) && take_file(p, ahead, e) < 0)
		return -1;
	if (ahead->tape.is_rec && tape_follow(&p->tape, ahead->tape.rec.source.size, e) < 0)
		return -1;
	cursor_go(&p->scan, &here);
	p->events = ahead->events;
	p->start = ahead->start;
	p->end = ahead->end;
	p->size = ahead->size;
	p->size_known = ahead->size_known;
	return 0;
}

const char *play_missing(const struct play *p)
{
	if (p->tape.fd < 0)
		return "waiting for the file";
	if (p->size_known)
		return "waiting for the first request";
	return p->tape.is_rec ? "waiting for a client, or give SIZE" : "waiting for a Connect line, or give SIZE";
}

bool play_torn(const struct play *p)
{
	if (p->tape.is_rec)
		return p->tape.rec.scanned < p->tape.rec.source.size;
	return p->scan.len > p->scan.at || p->scan.reader.in_overlong;
}

uint64_t play_recorded(const struct play *p)
{
	if (!p->tape.is_rec || !p->has_model)
		return 0;
	if (p->has_next)
		return p->next_number;
	return (lacks(p, 0) ? &p->scan : &p->cur)->rec.place.number;
}

uint64_t play_behind(const struct play *p)
{
	const struct cursor *c = lacks(p, 0) ? &p->scan : &p->cur;
	uint64_t taken = c->pos - (c->len - c->at);
	struct stat st;

	if (p->tape.is_rec)
		taken = rec_events_offset(&c->rec);
	if (p->tape.fd < 0 || fstat(p->tape.fd, &st) < 0 || (uint64_t)st.st_size < taken)
		return 0;
	return (uint64_t)st.st_size - taken;
}
