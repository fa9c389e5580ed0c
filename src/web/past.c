/* SPDX-License-Identifier: BSD-2-Clause */
#include "web/past.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/read_fd.h"
#include "trace/rec_at.h"

#define REST_MIN (100 * NS_PER_MS) /* between two maps */
#define REST_MAX (3 * NS_PER_S)
#define STALE_NS (5 * NS_PER_S)    /* a map of the disk as it is now is made again after that */

/* The recording once more, for one thread at a time. */
struct reel {
	int fd;            /* -1: not open */
	struct rec_file file;
	unsigned restarts; /* of the feed, when it was opened */
	struct rec_at *at; /* NULL: none */
	uint64_t events;   /* that it comes after */
};

struct past {
	struct feed *feed;
	struct know_disk now; /* read NULL: none */
	pthread_mutex_t lock; /* guards all below but for what is the thread's */
	pthread_cond_t asked;
	struct reel reel;     /* for reading bytes */
	struct known *map[PAST_MAPS]; /* the one used last is the first */
	bool wanted;          /* a map, of: */
	uint64_t events;
	struct err trouble;   /* of the last map that was not to be had, after so many events: */
	uint64_t failed;
	uint64_t made;        /* ns, monotonic: the last map; */
	uint64_t maps;        /* so many were made */
	unsigned hurry;       /* so many wait for many maps */
	bool stopping;
	pthread_t thread;
	struct reel own;      /* the thread's */
};

/* ---- the recording ---- */

static void reel_close(struct reel *r)
{
	rec_at_close(r->at);
	rec_close(&r->file);
	if (r->fd >= 0)
		close(r->fd);
	*r = (struct reel){ .fd = -1 };
}

static int reel_open(struct reel *r, int fd, uint64_t size, struct err *e)
{
	const struct rec_source source = { .read = read_fd, .owner = &r->fd, .size = size };

	r->fd = fd;
	return rec_open(&r->file, &source, e);
}

/* As far as the feed has it now. */
static int reel_follow(struct reel *r, struct feed *f, struct err *e)
{
	feed_lock(f);
	const struct tape *t = &f->ahead.tape;
	const char *why = t->is_rec ? "the recording was made without data" : "a log has none";
	bool is = t->is_rec && t->rec.info.data == REC_DATA_YES, fresh = r->fd < 0 || r->restarts != f->ahead.restarts;
	uint64_t size = is ? t->rec.source.size : 0;
	unsigned restarts = f->ahead.restarts;
	int fd = is && fresh ? fcntl(t->fd, F_DUPFD_CLOEXEC, 0) : -1;
	feed_unlock(f);

	if (!is)
		return err_set(e, "no contents: %s", why);
	if (!fresh && size == r->file.source.size)
		return 0;
	rec_at_close(r->at); /* it looks into what grows now */
	r->at = NULL;
	if (!fresh)
		return rec_more(&r->file, size, e);
	reel_close(r);
	if (fd < 0)
		return err_set(e, "%s", strerror(errno));
	r->restarts = restarts;
	if (reel_open(r, fd, size, e) == 0)
		return 0;
	reel_close(r);
	return -1;
}

/* The disk after that many events; it stays open for the next who wants the same. */
static struct rec_at *reel_at(struct reel *r, uint64_t events, struct err *e)
{
	if (r->at && r->events == events)
		return r->at;
	rec_at_close(r->at);
	r->events = events;
	return r->at = rec_at_open(&r->file, events, e);
}

static int events_at(struct reel *r, const struct moment *m, uint64_t *events, struct err *e)
{
	char text[40];

	if (m->kind == MOMENT_EVENT) {
		*events = MIN(m->at, r->file.count);
		return 0;
	}
	snprintf(text, sizeof text, "%" PRIu64 "ns", m->at > r->file.wall ? m->at - r->file.wall : 0);
	return rec_moment(&r->file, m->kind == MOMENT_LIVE ? "" : text, events, e);
}

/* ---- bytes ---- */

static int read_recorded(struct past *p, const struct moment *m, uint64_t off, uint32_t len, void *to, struct err *e)
{
	uint64_t events;
	struct rec_at *at = NULL;

	if (reel_follow(&p->reel, p->feed, e) == 0 && events_at(&p->reel, m, &events, e) == 0)
		at = reel_at(&p->reel, events, e);
	if (!at)
		return -1;
	uint64_t size = rec_at_size(at);
	int rc = off > size || len > size - off ? EINVAL : rec_at_read(at, off, len, to);
	return rc ? err_set(e, "%s", rc == EINVAL ? "the disk was not as large at that moment" : strerror(rc)) : 0;
}

int past_read(struct past *p, const struct moment *m, uint64_t off, uint32_t len, void *to, struct err *e)
{
	if (p->now.read) {
		int err = off > p->now.size || len > p->now.size - off ? EINVAL : p->now.read(p->now.arg, off, len, to);
		return err ? err_set(e, "the disk cannot be read there: %s", strerror(err)) : 0;
	}
	pthread_mutex_lock(&p->lock);
	int rc = read_recorded(p, m, off, len, to, e);
	pthread_mutex_unlock(&p->lock);
	return rc;
}

bool past_is_now(const struct past *p)
{
	return p->now.read;
}

bool past_has(struct past *p)
{
	if (p->now.read)
		return true;
	feed_lock(p->feed);
	const struct tape *t = &p->feed->ahead.tape;
	bool has = t->is_rec && t->rec.info.data == REC_DATA_YES;
	feed_unlock(p->feed);
	return has;
}

/* ---- making maps ---- */

static int read_for_know(void *arg, uint64_t off, uint32_t len, void *to)
{
	struct past *p = arg;
	return rec_at_read(p->own.at, off, len, to);
}

static bool is_stopping(void *arg)
{
	struct past *p = arg;

	pthread_mutex_lock(&p->lock);
	bool is = p->stopping;
	pthread_mutex_unlock(&p->lock);
	return is;
}

static struct know_map *make(struct past *p, uint64_t events, struct err *e)
{
	struct know_disk d = { .read = read_for_know, .stop = is_stopping, .arg = p };

	if (p->now.read)
		return know_disk_map(&p->now, e);
	if (reel_follow(&p->own, p->feed, e) < 0 || !reel_at(&p->own, events, e))
		return NULL;
	d.size = rec_at_size(p->own.at);
	if (d.size)
		return know_disk_map(&d, e);
	err_set(e, "nobody had connected yet: the disk's size is not known");
	return NULL;
}

static void drop(struct known *k)
{
	if (k && --k->refs == 0) {
		know_free(k->map);
		free(k);
	}
}

/* With the lock. */
static void keep(struct past *p, struct know_map *map, uint64_t events)
{
	struct known *k = calloc(1, sizeof *k);

	if (!k) {
		know_free(map);
		return;
	}
	*k = (struct known){ map, p->now.read ? p->maps : events, 1 };
	drop(p->map[PAST_MAPS - 1]);
	memmove(&p->map[1], &p->map[0], (PAST_MAPS - 1) * sizeof p->map[0]);
	p->map[0] = k;
	p->maps++;
}

/* With the lock. */
static void rest(struct past *p, uint64_t took)
{
	uint64_t until = monotonic_ns() + MIN(MAX(took, REST_MIN), REST_MAX), now;

	while (!p->stopping && !p->hurry && (now = monotonic_ns()) < until) {
		struct timespec t;
		clock_gettime(CLOCK_REALTIME, &t);
		uint64_t at = timespec_ns(&t) + (until - now);
		t = (struct timespec){ .tv_sec = (time_t)(at / NS_PER_S), .tv_nsec = (long)(at % NS_PER_S) };
		pthread_cond_timedwait(&p->asked, &p->lock, &t);
	}
}

static void *make_maps(void *arg)
{
	struct past *p = arg;

	pthread_mutex_lock(&p->lock);
	while (!p->stopping) {
		if (!p->wanted) {
			pthread_cond_wait(&p->asked, &p->lock);
			continue;
		}
		uint64_t events = p->events, began = monotonic_ns();
		struct err e = { 0 };
		p->wanted = false;
		pthread_mutex_unlock(&p->lock);
		struct know_map *map = make(p, events, &e);
		pthread_mutex_lock(&p->lock);
		p->made = monotonic_ns();
		if (map) {
			keep(p, map, events);
			p->trouble.msg[0] = '\0';
		} else {
			p->trouble = e;
			p->failed = events;
		}
		rest(p, p->made - began);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

/* ---- life ---- */

struct past *past_start(struct feed *feed, const struct know_disk *now, struct err *e)
{
	struct past *p = calloc(1, sizeof *p);

	if (!p) {
		err_set(e, "out of memory");
		return NULL;
	}
	p->feed = feed;
	p->reel.fd = p->own.fd = -1;
	if (now)
		p->now = *now;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->asked, NULL);
	int rc = pthread_create(&p->thread, NULL, make_maps, p);
	if (!rc)
		return p;
	err_set(e, "cannot start a thread: %s", strerror(rc));
	free(p);
	return NULL;
}

void past_stop(struct past *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->stopping = true;
	pthread_cond_signal(&p->asked);
	pthread_mutex_unlock(&p->lock);
	pthread_join(p->thread, NULL);
	for (unsigned i = 0; i < PAST_MAPS; i++)
		drop(p->map[i]);
	reel_close(&p->reel);
	reel_close(&p->own);
	pthread_cond_destroy(&p->asked);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

/* ---- maps ---- */

/* Which one is wanted; of the disk as it is now, the next one when the last is old. */
static int find_wanted(struct past *p, const struct moment *m, uint64_t *events, struct err *e)
{
	if (!p->now.read)
		return reel_follow(&p->reel, p->feed, e) < 0 ? -1 : events_at(&p->reel, m, events, e);
	*events = p->maps && monotonic_ns() - p->made < STALE_NS ? p->maps - 1 : p->maps;
	return 0;
}

/* The nearest one becomes the first. */
static struct known *choose(struct past *p, uint64_t events)
{
	unsigned best = 0;
	uint64_t best_away = UINT64_MAX;

	for (unsigned i = 0; i < PAST_MAPS && p->map[i]; i++) {
		uint64_t has = p->map[i]->events, away = has > events ? has - events : events - has;
		if (away < best_away) {
			best = i;
			best_away = away;
		}
	}
	struct known *k = p->map[best];
	memmove(&p->map[1], &p->map[0], best * sizeof p->map[0]);
	p->map[0] = k;
	return k;
}

struct known *past_map(struct past *p, const struct moment *m, bool *ready, struct err *e)
{
	struct known *k = NULL;
	uint64_t events;

	*ready = false;
	pthread_mutex_lock(&p->lock);
	if (find_wanted(p, m, &events, e) == 0 && p->trouble.msg[0] && p->failed == events) {
		*e = p->trouble;
	} else if (!e->msg[0]) {
		k = choose(p, events);
		*ready = k && k->events == events;
		if (k)
			k->refs++;
		if (!*ready) {
			p->wanted = true;
			p->events = events;
			pthread_cond_signal(&p->asked);
		}
	}
	pthread_mutex_unlock(&p->lock);
	return k;
}

void past_hurry(struct past *p, bool hurry)
{
	pthread_mutex_lock(&p->lock);
	p->hurry += hurry ? 1 : -1u;
	pthread_cond_signal(&p->asked);
	pthread_mutex_unlock(&p->lock);
}

void past_give_back(struct past *p, struct known *k)
{
	if (!k)
		return;
	pthread_mutex_lock(&p->lock);
	drop(k);
	pthread_mutex_unlock(&p->lock);
}
