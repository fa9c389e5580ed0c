/* SPDX-License-Identifier: BSD-2-Clause */
/* flushes: which events of a log or recording answered a flush: one bit for each event.
 * Zeroed memory is an empty one.  No I/O; one thread at a time. */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct flushes {
	uint64_t *word; /* words, ours */
	size_t words;
};

/* Event number n (from 0) answered one.  Without memory that is not remembered. */
void flushes_add(struct flushes *f, uint64_t n);
/* A model has n events; how many has it when the next flush was its last event, or the one before?  0: there is none. */
uint64_t flushes_next(const struct flushes *f, uint64_t n);
uint64_t flushes_last(const struct flushes *f, uint64_t n);
void flushes_free(struct flushes *f);
