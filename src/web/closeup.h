/* SPDX-License-Identifier: BSD-2-Clause */
/* closeups: stretches of a feed's time in fine bins.  For one, the file is walked; so the last few stay, and an answer walks for
 * some ms only, and says whether it is at the end.  Any thread. */
#pragma once
#include <pthread.h>
#include "view/stretch.h"
#include "web/feed.h"

#define CLOSEUPS 3u

struct closeup {
	pthread_mutex_t lock;  /* guards what follows */
	bool open;
	unsigned restarts;     /* of the feed, when it was opened */
	uint64_t filter, size; /* as it was gone to */
	struct stretch stretch;
};

struct closeups {
	pthread_mutex_t lock;  /* guards used, and who gets which */
	uint64_t uses;
	struct {
		uint64_t used, from, to, filter; /* used 0: never */
	} of[CLOSEUPS];
	struct closeup at[CLOSEUPS];
};

void closeups_init(struct closeups *c);
void closeups_free(struct closeups *c);
/* What happened from from to to, ns since 1970, from < to, on the disk of f, which is seen through the filter of that number (0: none);
 * *ready: nothing is missing.  Until closeups_done(); NULL with e set. */
struct closeup *closeups_find(struct closeups *c, struct feed *f, uint64_t filter, uint64_t from, uint64_t to, bool *ready, struct err *e);
void closeups_done(struct closeup *at);
