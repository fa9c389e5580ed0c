/* SPDX-License-Identifier: BSD-2-Clause */
#include "web/deeds.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define WALK_NS (40 * NS_PER_MS)
#define WALK_EVENTS 20000u

void deeds_init(struct deeds *d)
{
	memset(d, 0, sizeof *d);
	pthread_mutex_init(&d->lock, NULL);
	for (unsigned i = 0; i < DEEDS_PLACES; i++)
		pthread_mutex_init(&d->at[i].lock, NULL);
}

void deeds_free(struct deeds *d)
{
	for (unsigned i = 0; i < DEEDS_PLACES; i++) {
		if (d->at[i].open)
			history_close(&d->at[i].history);
		pthread_mutex_destroy(&d->at[i].lock);
	}
	pthread_mutex_destroy(&d->lock);
}

/* The place of that range, or the one that was used longest ago. */
static struct deed_place *choose(struct deeds *d, uint64_t off, uint64_t len)
{
	unsigned best = 0;

	pthread_mutex_lock(&d->lock);
	for (unsigned i = 0; i < DEEDS_PLACES; i++) {
		bool same = d->of[i].used && d->of[i].off == off && d->of[i].len == len;
		if (same || d->of[i].used < d->of[best].used)
			best = i;
		if (same)
			break;
	}
	d->of[best].used = ++d->uses;
	d->of[best].off = off;
	d->of[best].len = len;
	pthread_mutex_unlock(&d->lock);
	return &d->at[best];
}

/* The file as the feed has it open. */
static int open_place(struct deed_place *at, struct feed *f, uint64_t off, uint64_t len, struct err *e)
{
	feed_lock(f);
	unsigned restarts = f->ahead.restarts;
	bool same = at->open && at->restarts == restarts && at->history.off == off && at->history.len == len;
	int fd = same || f->ahead.tape.fd < 0 ? -1 : fcntl(f->ahead.tape.fd, F_DUPFD_CLOEXEC, 0);
	feed_unlock(f);

	if (same)
		return 0;
	if (at->open)
		history_close(&at->history);
	at->open = false;
	if (fd < 0)
		return err_set(e, "%s: waiting for the file", f->name);
	at->restarts = restarts;
	at->open = history_open(&at->history, fd, off, len, UINT64_MAX, UINT64_MAX, e) == 0;
	close(fd);
	return at->open ? 0 : -1;
}

static int walk(struct history *h, struct err *e)
{
	uint64_t began = monotonic_ns();
	int more;

	do
		more = history_walk(h, WALK_EVENTS, e);
	while (more > 0 && monotonic_ns() - began < WALK_NS);
	return more;
}

struct deed_place *deeds_find(struct deeds *d, struct feed *f, uint64_t off, uint64_t len, bool *ready, struct err *e)
{
	struct deed_place *at = choose(d, off, len);

	pthread_mutex_lock(&at->lock);
	int more = open_place(at, f, off, len, e) < 0 ? -1 : walk(&at->history, e);
	*ready = more == 0;
	if (more >= 0)
		return at;
	pthread_mutex_unlock(&at->lock);
	return NULL;
}

void deeds_done(struct deed_place *at)
{
	pthread_mutex_unlock(&at->lock);
}
