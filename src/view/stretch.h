/* SPDX-License-Identifier: BSD-2-Clause */
/* stretch: what happened in a stretch of time, in finer bins than those of the whole session.
 *
 * It walks the log or recording from its beginning in steps (rewalk.h), as a history does: so what was in
 * flight when the stretch begins is known.  A later stretch goes on from where the one before it ended.
 * One thread at a time. */
#pragma once
#include "view/filter.h"
#include "view/heat.h"
#include "view/rewalk.h"

struct stretch {
	uint64_t from, to;  /* ns since 1970: events at from and up to before to */
	struct heat heat;   /* of them, as far as it has walked */

	struct rewalk walk; /* the rest is stretch.c's own */
	uint64_t taken;     /* ns since 1970: of the last event that was taken */
	struct event next;  /* the first one behind the stretch; when has_next */
	bool has_next;
};

/* Of what fd has open, borrowed for the call: a log or a recording.  s must stay where it is.  -1: e is set, and nothing is open. */
int stretch_open(struct stretch *s, int fd, struct err *e);
void stretch_close(struct stretch *s); /* twice is fine */
/* Look at that stretch, from < to, of a disk of that many bytes; 0: not known. */
void stretch_go(struct stretch *s, uint64_t from, uint64_t to, uint64_t size);
/* Take about max events more, of requests that f lets pass, NULL: all; the same f as before.  1: there are more; 0: done, with what the
 * file has now; -1: e is set. */
int stretch_walk(struct stretch *s, const struct filter *f, uint64_t max, struct err *e);
