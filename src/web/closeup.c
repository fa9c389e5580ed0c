/* SPDX-License-Identifier: BSD-2-Clause */
#include "web/closeup.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define WALK_NS (40 * NS_PER_MS)
#define WALK_EVENTS 20000u

void closeups_init(struct closeups *c)
{
	memset(c, 0, sizeof *c);
	pthread_mutex_init(&c->lock, NULL);
	for (unsigned i = 0; i < CLOSEUPS; i++)
		pthread_mutex_init(&c->at[i].lock, NULL);
}

void closeups_free(struct closeups *c)
{
	for (unsigned i = 0; i < CLOSEUPS; i++) {
		if (c->at[i].open)
			stretch_close(&c->at[i].stretch);
		pthread_mutex_destroy(&c->at[i].lock);
	}
	pthread_mutex_destroy(&c->lock);
}

/* The one that is asked for; else the last one that ends before it, which goes on from there; else the one used longest ago. */
static struct closeup *choose(struct closeups *c, uint64_t filter, uint64_t from, uint64_t to)
{
	unsigned oldest = 0, before = CLOSEUPS, best = CLOSEUPS;

	pthread_mutex_lock(&c->lock);
	for (unsigned i = 0; i < CLOSEUPS; i++) {
		bool mine = c->of[i].used && c->of[i].filter == filter;
		if (mine && c->of[i].from == from && c->of[i].to == to)
			best = i;
		if (mine && c->of[i].to <= from && (before == CLOSEUPS || c->of[i].to > c->of[before].to))
			before = i;
		if (c->of[i].used < c->of[oldest].used)
			oldest = i;
	}
	if (best == CLOSEUPS)
		best = before < CLOSEUPS ? before : oldest;
	c->of[best].used = ++c->uses;
	c->of[best].filter = filter;
	c->of[best].from = from;
	c->of[best].to = to;
	pthread_mutex_unlock(&c->lock);
	return &c->at[best];
}

/* The file as the feed has it open. */
static int open_closeup(struct closeup *at, struct feed *f, uint64_t filter, uint64_t from, uint64_t to, struct err *e)
{
	struct stretch *s = &at->stretch;

	feed_lock(f);
	unsigned restarts = f->ahead.restarts;
	uint64_t size = f->ahead.size;
	bool same = at->open && at->restarts == restarts && at->filter == filter;
	int fd = same || f->ahead.tape.fd < 0 ? -1 : fcntl(f->ahead.tape.fd, F_DUPFD_CLOEXEC, 0);
	feed_unlock(f);

	if (same && s->from == from && s->to == to && at->size == size)
		return 0;
	if (!same) {
		if (at->open)
			stretch_close(s);
		at->open = false;
		if (fd < 0)
			return err_set(e, "%s: waiting for the file", f->name);
		at->open = stretch_open(s, fd, e) == 0;
		close(fd);
		if (!at->open)
			return -1;
	}
	at->restarts = restarts;
	at->filter = filter;
	at->size = size;
	stretch_go(s, from, to, size);
	return 0;
}

struct closeup *closeups_find(struct closeups *c, struct feed *f, uint64_t filter, uint64_t from, uint64_t to, bool *ready, struct err *e)
{
	struct closeup *at = choose(c, filter, from, to);
	uint64_t began = monotonic_ns();
	int more = -1;

	pthread_mutex_lock(&at->lock);
	if (open_closeup(at, f, filter, from, to, e) == 0)
		do
			more = stretch_walk(&at->stretch, f->filter, WALK_EVENTS, e);
		while (more > 0 && monotonic_ns() - began < WALK_NS);
	*ready = more == 0;
	if (more >= 0)
		return at;
	pthread_mutex_unlock(&at->lock);
	return NULL;
}

void closeups_done(struct closeup *at)
{
	pthread_mutex_unlock(&at->lock);
}
