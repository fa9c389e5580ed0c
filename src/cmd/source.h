/* SPDX-License-Identifier: BSD-2-Clause */
/* source: a session as report and diff read it: a recording, or a text log of either age.  Which one it is, its first bytes tell.
 * What is damaged is passed over and told in notes, with its place in the file.  One thread. */
#pragma once
#include <stdbool.h>
#include "base/buf.h"
#include "base/err.h"
#include "trace/event.h"
#include "trace/rec_read.h"

struct source {
	const char *path;      /* borrowed */
	int fd;
	bool recording;
	struct rec_file file;  /* of a recording */
	uint64_t start, wall;  /* ns, the recording's clock, and since 1970: when the session began; 0 in a log before it was walked */
	uint64_t bytes;        /* of the file that were read */
	uint64_t number;       /* of the event that see() is told, from 0; of a recording as rec_walk counts */
	struct buf notes;      /* lines for a person, each ends in a newline */
};

/* An event of the recording, or of the log: the other is NULL.  False: no more, please. */
typedef bool source_see(void *arg, const struct rec_event *rec, const struct event *log);

int source_open(struct source *s, const char *path, struct err *e);
int source_walk(struct source *s, source_see *see, void *arg, struct err *e);
void source_close(struct source *s); /* zeroed is fine */
