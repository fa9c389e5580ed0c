/* SPDX-License-Identifier: BSD-2-Clause */
/* tale: what happened to a disk, in sentences: what `blkscope story --json` prints, which runs as a program of its own, below the
 * priority of pictures.  One runs at a time, whatever is asked of how many disks; the last that was told of each disk stays.
 * Any thread; nobody waits. */
#pragma once
#include <pthread.h>
#include <sys/types.h>
#include "web/feed.h"

#define TALE_MAX (8u << 20)      /* bytes of a story */
#define TALE_SECONDS 120u        /* of a processor's time for one */
#define TALE_REST (3 * NS_PER_S) /* between two of a disk that is being used */

struct tale {
	char *text; /* len bytes of JSON, ours; NULL: none was told */
	size_t len;
	const char *why; /* text NULL: none can be told; static; NULL: not tried yet */
	uint64_t events; /* of the feed when it was begun */
	unsigned restarts;
	uint64_t ended, took; /* ns: monotonic; a time */
};

struct tales {
	pthread_mutex_t lock;
	const char *program; /* borrowed; NULL: there is none */
	const char *steps;   /* --steps, borrowed; NULL */
	pid_t pid;           /* 0: none runs */
	int fd;              /* what it writes to */
	struct tale *runs;   /* whose it is */
	struct tale next;    /* what is known of it */
	uint64_t began;
};

void tales_init(struct tales *t, const char *program, const char *steps);
/* Ends the program when it runs. */
void tales_free(struct tales *t);

/* What is told of the feed now; a newer one is begun when there is something new.  disk: --disk, NULL: none.  *ready: what there is, is of
 * this file; *current: and of all of it.  The tale is locked until tales_done(). */
void tales_ask(struct tales *t, struct tale *of, struct feed *d, const char *disk, bool *ready, bool *current);
void tales_done(struct tales *t);
void tale_free(struct tale *of);
