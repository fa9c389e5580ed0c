/* SPDX-License-Identifier: BSD-2-Clause */
/* story: a session in sentences, each with the events it tells of.
 *
 * It says what the facts of a step (facts.h) say and no more: what was touched, in which order, how much, what a flush made durable,
 * and what is different on the disk at the step's end.  A reason is given only where the facts hold it.
 * No I/O.  One thread.  Bounded: SENTENCES_MAX in a step, STORY_STEPS_MAX steps. */
#pragma once
#include "base/buf.h"
#include "story/facts.h"

enum { STORY_STEPS_MAX = 1000, SENTENCES_MAX = 200, SENTENCE_MAX = 4000 };

enum story_kind { SAYS_READ, SAYS_WRITE, SAYS_ZERO, SAYS_TRIM, SAYS_FLUSH, SAYS_WHY, SAYS_STATE, SAYS_TROUBLE, SAYS_NOTHING, STORY_KINDS };
extern const char *const story_kind_names[STORY_KINDS];

struct sentence {
	char *text;            /* UTF-8, one line, ours */
	enum story_kind kind;
	struct reach reach;
};

struct story_step {
	char *name;            /* ours; NULL: has none */
	struct reach reach;    /* end == 0 and last == 0: without events */
	struct sentence *at;   /* n, ours */
	unsigned n;
};

struct story {
	struct story_step *step; /* steps, ours; the last one may be the end: what was left */
	unsigned steps;
	bool explained_flush, explained_backups, explained_lazy, explained_order, explained_log; /* said once is enough */
	unsigned silent;       /* steps before this one in which nothing was changed, in a row; */
	const char *silent_name; /* and the name of the latest; borrowed from its step */
	bool no_memory;
};

/* The next step; name may be NULL.  NULL: no memory, or too many. */
struct story_step *story_add(struct story *st, const char *name, size_t len);
/* What happened in it, to its sentences.  s->reach, set by the caller, stays where nothing happened. */
void story_tell(struct story *st, struct story_step *s, const struct facts *f, const struct session *ss, uint64_t changes_before);
/* What was left at the end.  m: the disk then; NULL: not known. */
void story_end(struct story *st, struct story_step *s, const struct know_map *m, const struct session *ss, const struct reach *all);
/* One sentence more; the full stop is put behind it. */
void story_say(struct story *st, struct story_step *s, enum story_kind kind, const struct reach *reach, const char *fmt, ...)
	PRINTF_LIKE(5, 6);
void story_free(struct story *st);

/* For tell.c and state.c: what is different on the disk. */
void story_state(struct story *st, struct story_step *s, const struct facts *f);
