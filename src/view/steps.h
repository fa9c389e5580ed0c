/* SPDX-License-Identifier: BSD-2-Clause */
/* steps: what the person did, and when: the captions of a session.
 * One line of text each: `TIME caption` with TIME since the log's first line (12.5, 500ms,
 * 2m), or `@SECONDS caption` with seconds since 1970 as date +@%s.%N writes them.  Empty
 * lines and lines that begin with # mean nothing.  Parsing does no I/O. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

#define STEPS_MAX 10000
#define STEPS_FILE_MAX (1u << 20) /* bytes */

struct step {
	uint64_t at; /* ns, since 1970 when absolute, else since the log's start */
	bool absolute;
	char *text; /* ours */
};

struct steps {
	struct step *step; /* n, in order of time, ours */
	size_t n;
};

int steps_parse(struct steps *s, const char *name, const char *text, size_t len, struct err *e);
int steps_load(struct steps *s, const char *path, struct err *e);
/* One more, at a time since 1970 that is not before the others'.  False: there are STEPS_MAX, or no memory. */
bool steps_add(struct steps *s, uint64_t at, const char *text, size_t len);
void steps_free(struct steps *s);
/* When step i begins, ns since 1970, in a log that starts at start. */
uint64_t steps_begin(const struct steps *s, size_t i, uint64_t start);
/* The step that t lies in, or -1: before the first. */
int steps_at(const struct steps *s, uint64_t t, uint64_t start);
/* Put steps in order once the log's start is known: absolute and relative ones may be mixed. */
void steps_sort(struct steps *s, uint64_t start);
