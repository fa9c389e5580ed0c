/* SPDX-License-Identifier: BSD-2-Clause */
/* tell: a step on its way to sentences; for the files of this folder. */
#pragma once
#include "story/story.h"

struct tell {
	struct story *st;
	struct story_step *s;
	const struct facts *f;
	const struct session *ss;
	uint64_t size;              /* of the disk; 0: not known */
	const char *actor;
	unsigned said;              /* sentences that have a subject */
	uint64_t last_end;          /* ns: when what was told last was over */
	bool blank;                 /* nothing had been changed before the step */
	bool reads_told;
};

/* "mkfs ", "It ", "Then it ": who did what r tells of. */
void tell_subject(struct tell *t, struct buf *b, const struct reach *r);
/* "(62 MiB, 1 request)"; with its place, "(4 MiB at 17 MiB, 1 request)". */
void tell_amount(struct buf *b, const struct act *a, bool place);
/* What was read, once, when the first read began before event `before`. */
void tell_reads(struct tell *t, uint64_t before);
/* Why data, journal and metadata came in that order, where they did. */
void tell_order(struct tell *t);
/* Is that in an ext2, ext3 or ext4? */
bool tell_on_ext(const struct facts *f, const struct act *a);
/* That a log of XFS holds more than is told. */
void tell_log(struct tell *t);
/* That the step before had written nothing. */
void tell_waiting(struct tell *t);
