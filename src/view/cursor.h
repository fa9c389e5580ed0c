/* SPDX-License-Identifier: BSD-2-Clause */
/* cursor: walks a log or a recording, which may still be growing, and gives its events.
 * What the file is, its first bytes tell; any number of cursors may walk one.  One thread. */
#pragma once
#include "trace/read_log.h"
#include "trace/rec_events.h"

/* The file. */
struct tape {
	int fd;             /* -1: not there yet */
	bool is_rec;        /* a recording, and rec is open; else a log */
	struct rec_file rec;
};

/* Does a file that begins so hold a recording? */
bool tape_is_recording(const void *head, size_t n);
/* Find the chunks of a recording up to size; t must stay where it is.  -1: e is set. */
int tape_follow(struct tape *t, uint64_t size, struct err *e);
/* Find out what the file is and how far it goes now: *size.  -1: e is set. */
int tape_look(struct tape *t, uint64_t *size, struct err *e);
/* It is another file now: forget what was found. */
void tape_forget(struct tape *t);

struct cursor {
	char *buf;      /* of a log; CURSOR_ROOM, ours */
	size_t at, len; /* not yet understood: [at, len) */
	uint64_t pos;   /* file offset behind len */
	struct log_reader reader; /* of a recording: lines are events, bad ones are chunks that cannot be read */
	struct rec_events rec;
};

/* Where a cursor is; to come back to. */
struct place {
	uint64_t pos;
	struct log_reader reader;
	struct rec_place rec;
};

int cursor_init(struct cursor *c, struct err *e);
void cursor_free(struct cursor *c);
void cursor_rewind(struct cursor *c);
struct place cursor_place(const struct cursor *c);
void cursor_go(struct cursor *c, const struct place *to);
/* Bytes that were read so far, or as much work. */
uint64_t cursor_work(const struct cursor *c, const struct tape *t);
/* 1: *ev is the next event; 0: none before file offset stop (of a log) for now; -1: e is set. */
int cursor_next(struct cursor *c, const struct tape *t, uint64_t stop, struct event *ev, struct err *e);
