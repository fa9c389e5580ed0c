/* SPDX-License-Identifier: BSD-2-Clause */
#include "web/sieve.h"
#include <stdlib.h>
#include <string.h>

void sieves_init(struct sieves *l)
{
	*l = (struct sieves){ 0 };
	pthread_mutex_init(&l->lock, NULL);
}

static void sieve_free(struct sieve *s)
{
	for (size_t i = 0; i < s->disks; i++) {
		feed_close(s->feed[i]);
		filter_free(&s->filter[i]);
	}
	pthread_mutex_destroy(&s->lock);
	free(s);
}

struct sieve *sieve_new(size_t disks)
{
	struct sieve *s = calloc(1, sizeof *s);

	if (!s)
		return NULL;
	s->disks = disks;
	s->refs = 1;
	pthread_mutex_init(&s->lock, NULL);
	return s;
}

void sieves_give_back(struct sieves *l, struct sieve *s)
{
	if (!s)
		return;
	pthread_mutex_lock(&l->lock);
	bool last = --s->refs == 0;
	pthread_mutex_unlock(&l->lock);
	if (last)
		sieve_free(s);
}

void sieves_free(struct sieves *l)
{
	for (unsigned i = 0; i < SIEVES_MAX; i++)
		sieves_give_back(l, l->at[i]);
	pthread_mutex_destroy(&l->lock);
}

uint64_t sieves_add(struct sieves *l, struct sieve *s)
{
	unsigned oldest = 0;

	pthread_mutex_lock(&l->lock);
	for (unsigned i = 0; i < SIEVES_MAX; i++)
		if (!l->at[i] || (l->at[oldest] && l->at[i]->used < l->at[oldest]->used))
			oldest = i;
	struct sieve *gone = l->at[oldest];
	uint64_t id = s->id = ++l->ids;
	s->used = ++l->uses;
	l->at[oldest] = s;
	pthread_mutex_unlock(&l->lock);
	sieves_give_back(l, gone);
	return id;
}

struct sieve *sieves_find(struct sieves *l, uint64_t id)
{
	struct sieve *found = NULL;

	pthread_mutex_lock(&l->lock);
	for (unsigned i = 0; i < SIEVES_MAX && !found; i++)
		if (l->at[i] && l->at[i]->id == id)
			found = l->at[i];
	if (found) {
		found->refs++;
		found->used = ++l->uses;
	}
	pthread_mutex_unlock(&l->lock);
	return found;
}

struct feed *sieve_feed(struct sieve *s, size_t disk, const struct feed *f, struct err *e)
{
	pthread_mutex_lock(&s->lock);
	if (!s->feed[disk])
		s->feed[disk] = feed_open(f->path, f->sized ? &f->size : NULL, &s->filter[disk], e);
	struct feed *found = s->feed[disk];
	pthread_mutex_unlock(&s->lock);
	return found;
}
