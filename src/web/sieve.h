/* SPDX-License-Identifier: BSD-2-Clause */
/* sieve: a session of which only some requests are seen.  Each disk that is looked at through one is a feed of its own, which reads
 * the file once more; so only the last few stay.  Any thread. */
#pragma once
#include <pthread.h>
#include "web/feed.h"

#define SIEVES_MAX 4u
#define SIEVE_DISKS_MAX 64u

struct sieve {
	uint64_t id;           /* from 1 */
	uint64_t used;
	unsigned refs;         /* guarded by the list's lock */
	char words[600];       /* for a person */
	pthread_mutex_t lock;  /* guards feed */
	size_t disks;
	struct filter filter[SIEVE_DISKS_MAX];
	struct feed *feed[SIEVE_DISKS_MAX]; /* NULL: not looked at yet */
};

struct sieves {
	pthread_mutex_t lock;
	uint64_t ids, uses;
	struct sieve *at[SIEVES_MAX];
};

void sieves_init(struct sieves *l);
void sieves_free(struct sieves *l);
/* NULL: no memory. */
struct sieve *sieve_new(size_t disks);
/* Its filters are ready: it gets an id, and the one used longest ago goes. */
uint64_t sieves_add(struct sieves *l, struct sieve *s);
/* NULL: there is none of that id (any more).  To be given back. */
struct sieve *sieves_find(struct sieves *l, uint64_t id);
void sieves_give_back(struct sieves *l, struct sieve *s); /* NULL is fine */
/* The disk of f, as it is seen through it.  NULL with e set. */
struct feed *sieve_feed(struct sieve *s, size_t disk, const struct feed *f, struct err *e);
