/* SPDX-License-Identifier: BSD-2-Clause */
/* story: the forms of the story: text for a terminal, JSON, Markdown, one HTML page.
 * Each appends to a buffer whose limit the caller sets, and returns false when that is full or memory is out.  No I/O. */
#pragma once
#include "base/buf.h"
#include "story/story.h"

struct telling {
	const char *name;      /* of the file */
	const char *notes;     /* lines: what was damaged, what could not be told; "" */
	const char *how;       /* how the session was cut into steps: words for a person */
	const char *cut;       /* for a program: "marks", "steps", "pauses" */
	bool recording;        /* else a log */
	uint64_t wall;         /* ns since 1970 when the session's clock was 0 */
	uint64_t length;       /* ns */
	uint64_t events, size; /* bytes of the disk; 0: not known */
	unsigned columns;      /* of text */
	const struct story *story;
};

bool story_text(struct buf *b, const struct telling *t);
bool story_json(struct buf *b, const struct telling *t);
bool story_markdown(struct buf *b, const struct telling *t);
bool story_html(struct buf *b, const struct telling *t);
