/* SPDX-License-Identifier: BSD-2-Clause */
/* deeds: which requests touched a place of a feed's disk.  To find out, the file is walked; so the last few places stay, and an answer
 * walks for some ms only, and says whether it is at the end.  Any thread. */
#pragma once
#include <pthread.h>
#include "view/history.h"
#include "web/feed.h"

#define DEEDS_PLACES 6u

struct deed_place {
	pthread_mutex_t lock;  /* guards what follows */
	bool open;
	unsigned restarts;     /* of the feed, when it was opened */
	struct history history;
};

struct deeds {
	pthread_mutex_t lock;  /* guards used, and who gets which place */
	uint64_t uses;
	struct {
		uint64_t used, off, len; /* used 0: never */
	} of[DEEDS_PLACES];
	struct deed_place at[DEEDS_PLACES];
};

void deeds_init(struct deeds *d);
void deeds_free(struct deeds *d);
/* All that touched [off, off + len) up to now; *ready: none is missing.  Until deeds_done(); NULL with e set. */
struct deed_place *deeds_find(struct deeds *d, struct feed *f, uint64_t off, uint64_t len, bool *ready, struct err *e);
void deeds_done(struct deed_place *at);
