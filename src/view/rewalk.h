/* SPDX-License-Identifier: BSD-2-Clause */
/* rewalk: another walk through a file that somebody has open, from its beginning, with a descriptor, a cursor and a table of open
 * requests of its own: so it may run on another thread than the player, and be given up between two steps.  One thread at a time. */
#pragma once
#include "view/cursor.h"
#include "view/inflight.h"

struct rewalk {
	struct tape tape;
	struct cursor cursor;
	struct inflight open;
	uint64_t size;        /* bytes of the file, when it was last looked at */
};

/* Of what fd has open, borrowed for the call: a log or a recording.  w must stay where it is.  -1: e is set, and nothing is open. */
int rewalk_open(struct rewalk *w, int fd, struct err *e);
void rewalk_close(struct rewalk *w); /* twice is fine */
/* How much the file has now, for rewalk_next().  -1: e is set. */
static inline int rewalk_look(struct rewalk *w, struct err *e)
{
	return tape_look(&w->tape, &w->size, e);
}
/* As cursor_next(). */
static inline int rewalk_next(struct rewalk *w, struct event *ev, struct err *e)
{
	return cursor_next(&w->cursor, &w->tape, w->size, ev, e);
}
