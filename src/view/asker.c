/* SPDX-License-Identifier: BSD-2-Clause */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "view/asker.h"

#define STEP 50000 /* events between two looks whether somebody asks for something else */

struct question {
	int fd;              /* ours; -1: nobody asks */
	uint64_t off, len, events, recorded;
	bool bytes;
};

struct asker {
	const struct contents *contents;
	pthread_t thread;
	pthread_mutex_t lock; /* guards the rest */
	pthread_cond_t more;
	bool quit;
	bool wants_map, makes_map, has_map, has_place;
	uint64_t map_asked, map_of;
	struct know_map *map; /* ours until it is taken */
	char trouble[200];
	struct question q;
	bool finds_place;
	struct spot place;
};

/* ---- on the thread ---- */

static bool other_place(struct asker *a)
{
	pthread_mutex_lock(&a->lock);
	bool other = a->quit || a->q.fd >= 0;
	pthread_mutex_unlock(&a->lock);
	return other;
}

/* The disk, read for somebody who may tell us to stop. */
struct reading {
	struct asker *asker;
	struct know_disk disk;
};

static int read_disk(void *arg, uint64_t off, uint32_t len, void *to)
{
	const struct reading *r = arg;
	return r->disk.read(r->disk.arg, off, len, to);
}

static bool stopped(void *arg)
{
	const struct reading *r = arg;
	pthread_mutex_lock(&r->asker->lock);
	bool quit = r->asker->quit;
	pthread_mutex_unlock(&r->asker->lock);
	return quit;
}

static struct know_map *make_map(struct asker *a, uint64_t recorded, struct err *e)
{
	struct reading r = { .asker = a };
	void *handle = a->contents->open(a->contents->arg, recorded, &r.disk, e);

	if (!handle)
		return NULL;
	struct know_disk d = { .size = r.disk.size, .read = read_disk, .stop = stopped, .arg = &r };
	struct know_map *k = know_disk_map(&d, e);
	a->contents->close(handle);
	return k;
}

static void read_bytes(struct asker *a, const struct question *q, struct spot *p)
{
	struct know_disk d;
	struct err ignored;
	void *handle = q->bytes ? a->contents->open(a->contents->arg, q->recorded, &d, &ignored) : NULL;

	if (!handle)
		return;
	uint32_t n = (uint32_t)MIN(q->len, (uint64_t)PLACE_BYTES);
	if (q->off < d.size && n <= d.size - q->off && !d.read(d.arg, q->off, n, p->bytes))
		p->n = n;
	a->contents->close(handle);
}

/* False: it was given up. */
static bool find_place(struct asker *a, const struct question *q, struct spot *p)
{
	struct history h;
	struct err ignored;
	int more;

	*p = (struct spot){ .off = q->off, .len = q->len, .events = q->events };
	if (history_open(&h, q->fd, q->off, q->len, UINT64_MAX, q->events, &ignored) < 0)
		return false;
	while ((more = history_walk(&h, STEP, &ignored)) > 0 && !other_place(a))
		;
	p->count = h.count;
	for (p->touches = 0; p->touches < MIN(history_kept(&h), (unsigned)PLACE_TOUCHES); p->touches++)
		p->at[p->touches] = *history_at(&h, p->touches);
	p->writer = h.writer;
	p->has_writer = h.has_writer;
	history_close(&h);
	if (more == 0)
		read_bytes(a, q, p);
	return more == 0;
}

static void answer_place(struct asker *a)
{
	struct question q = a->q;
	struct spot p;

	a->q.fd = -1;
	a->finds_place = true;
	pthread_mutex_unlock(&a->lock);
	bool found = find_place(a, &q, &p);
	close(q.fd);
	pthread_mutex_lock(&a->lock);
	a->finds_place = false;
	if (found) {
		a->place = p;
		a->has_place = true;
	}
}

static void answer_map(struct asker *a)
{
	uint64_t recorded = a->map_asked;
	struct err e = { 0 };

	a->wants_map = false;
	a->makes_map = true;
	pthread_mutex_unlock(&a->lock);
	struct know_map *k = make_map(a, recorded, &e);
	pthread_mutex_lock(&a->lock);
	know_free(a->map);
	a->map = k;
	a->map_of = recorded;
	a->makes_map = false;
	a->has_map = true;
	snprintf(a->trouble, sizeof a->trouble, "%.199s", k ? "" : e.msg);
}

static void *run(void *arg)
{
	struct asker *a = arg;

	pthread_mutex_lock(&a->lock);
	while (!a->quit) {
		if (a->q.fd >= 0)
			answer_place(a);
		else if (a->wants_map)
			answer_map(a);
		else
			pthread_cond_wait(&a->more, &a->lock);
	}
	pthread_mutex_unlock(&a->lock);
	return NULL;
}

/* ---- for who asks ---- */

struct asker *asker_start(const struct contents *contents, struct err *e)
{
	struct asker *a = calloc(1, sizeof *a);

	if (!a) {
		err_set(e, "out of memory");
		return NULL;
	}
	a->contents = contents;
	a->q.fd = -1;
	pthread_mutex_init(&a->lock, NULL);
	pthread_cond_init(&a->more, NULL);
	int err = pthread_create(&a->thread, NULL, run, a);
	if (err) {
		err_set(e, "cannot start a thread: %s", strerror(err));
		free(a);
		return NULL;
	}
	return a;
}

void asker_stop(struct asker *a)
{
	if (!a)
		return;
	pthread_mutex_lock(&a->lock);
	a->quit = true;
	pthread_cond_signal(&a->more);
	pthread_mutex_unlock(&a->lock);
	pthread_join(a->thread, NULL);
	pthread_mutex_destroy(&a->lock);
	pthread_cond_destroy(&a->more);
	know_free(a->map);
	if (a->q.fd >= 0)
		close(a->q.fd);
	free(a);
}

void asker_ask_map(struct asker *a, uint64_t recorded)
{
	pthread_mutex_lock(&a->lock);
	a->wants_map = a->contents != NULL;
	a->map_asked = recorded;
	pthread_cond_signal(&a->more);
	pthread_mutex_unlock(&a->lock);
}

bool asker_busy(struct asker *a)
{
	pthread_mutex_lock(&a->lock);
	bool busy = a->wants_map || a->makes_map || a->has_map;
	pthread_mutex_unlock(&a->lock);
	return busy;
}

struct know_map *asker_take_map(struct asker *a, uint64_t *recorded, char *trouble, size_t room)
{
	pthread_mutex_lock(&a->lock);
	struct know_map *k = a->map;
	*trouble = '\0';
	if (a->has_map) {
		*recorded = a->map_of;
		snprintf(trouble, room, "%s", a->trouble);
	}
	a->map = NULL;
	a->has_map = false;
	pthread_mutex_unlock(&a->lock);
	return k;
}

void asker_ask_spot(struct asker *a, int fd, uint64_t off, uint64_t len, uint64_t events, uint64_t recorded, bool bytes)
{
	int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	if (own < 0)
		return;
	pthread_mutex_lock(&a->lock);
	if (a->q.fd >= 0)
		close(a->q.fd);
	a->q = (struct question){ own, off, len, events, recorded, bytes && a->contents };
	pthread_cond_signal(&a->more);
	pthread_mutex_unlock(&a->lock);
}

bool asker_seeks(struct asker *a)
{
	pthread_mutex_lock(&a->lock);
	bool seeks = a->q.fd >= 0 || a->finds_place;
	pthread_mutex_unlock(&a->lock);
	return seeks;
}

bool asker_take_spot(struct asker *a, struct spot *p)
{
	pthread_mutex_lock(&a->lock);
	bool got = a->has_place;
	if (got)
		*p = a->place;
	a->has_place = false;
	pthread_mutex_unlock(&a->lock);
	return got;
}
