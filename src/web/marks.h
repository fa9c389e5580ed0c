/* SPDX-License-Identifier: BSD-2-Clause */
/* marks: what a person said of moments: of the recordings themselves, of the list that --steps names, and set in this session.
 * Any thread. */
#pragma once
#include <pthread.h>
#include <sys/stat.h>
#include "view/steps.h"

struct marks {
	pthread_mutex_t lock;
	const char *file;   /* of steps; NULL: none.  Marks that are set are added to it */
	struct stat read;   /* the file, when it was read last */
	struct steps steps; /* what it says */
	struct steps own;   /* set in this session, kept in no file; in order of setting */
};

/* file: borrowed, NULL: none; it is read now, and again when it has changed. */
int marks_init(struct marks *m, const char *file, struct err *e);
void marks_free(struct marks *m);
/* One at a moment, ns since 1970.  text: len bytes; what is not printable becomes a blank.  0, or -1 with e set. */
int marks_set(struct marks *m, uint64_t at, const char *text, size_t len, struct err *e);

struct mark {
	uint64_t at;        /* ns since 1970 */
	char *text;         /* ours */
	bool own;
};
/* All of them and those of p, in order of time; malloc'd, to be given to marks_give_back(); NULL with *n 0: none, or no memory. */
struct mark *marks_list(struct marks *m, const struct steps *p, uint64_t start, size_t *n);
void marks_give_back(struct mark *mark, size_t n);
