/* SPDX-License-Identifier: BSD-2-Clause */
/* answers: one function for each thing that a page may ask; a->body is empty when it is called and a->status is 200. */
#pragma once
#include "view/units.h"
#include "web/session.h"

/* Plain text, one line, and a status. */
void answer_error(struct answer *a, unsigned status, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* The disk that was asked for; NULL: the answer says that there is none. */
struct feed *answer_feed(struct session *s, const struct ask *q, struct answer *a);
/* The moment that was asked for: t=, event= or live=1, else the end. */
struct moment answer_moment(struct session *s, const struct ask *q);

/* The grid and the part of it that were asked for; false: the answer says that it is too large. */
bool answer_grid(const struct query *w, const struct map *m, struct units *u, struct area *area, struct answer *a);

/* All marks of a disk; see marks_list(). */
struct mark *answer_marks_of(struct session *s, struct feed *d, uint64_t start, size_t *n);

/* "ext4 “root”" or "partition 2".  Returns to. */
char *answer_volume(const struct know_map *m, unsigned volume, char *to, size_t room);

/* A place on a disk, within a picture. */
struct spot {
	uint64_t off, len; /* bytes */
	uint32_t x, y;     /* units, when it was asked for in a grid */
	bool in_grid;
	uint64_t start;    /* ns since 1970: of the session */
	uint64_t now;      /* and of the picture */
};
/* A request as an object; what a place is for, and its bytes, as members behind a comma. */
void answer_put_touch(struct buf *b, const struct touch *t, uint64_t start);
void answer_put_region(struct buf *b, const struct know_map *m, uint64_t off); /* m NULL: not known */
void answer_put_bytes(struct past *past, const struct moment *m, const struct spot *p, struct buf *b);

typedef void answer_fn(struct session *s, const struct ask *q, struct answer *a);
answer_fn answer_session, answer_frame, answer_heat, answer_series, answer_marks, answer_mark, answer_step, answer_block, answer_filter,
	answer_files, answer_overlay, answer_structure, answer_story, answer_export;
