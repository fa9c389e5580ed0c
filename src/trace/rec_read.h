/* SPDX-License-Identifier: BSD-2-Clause */
/* rec_read: finds what is in a recording, whole or torn, finished or still growing.
 *
 * Bytes come in through a small interface, so a test or a fuzzer can be the file.  Whatever cannot be read is passed over: a torn
 * end, a bad checksum, a stretch of rubbish; trouble says what the first was and where, skipped counts the bytes.
 * One thread at a time. */
#pragma once
#include "base/err.h"
#include "trace/rec.h"

struct rec_source {
	/* Exactly n bytes at at; 0, or an errno (EIO: there are fewer). */
	int (*read)(void *owner, void *to, size_t n, uint64_t at);
	void *owner;
	uint64_t size;         /* bytes, now */
};

struct rec_heads {
	struct rec_head *at;   /* count of them, in the order of the file; ours */
	size_t count, room;
};

struct rec_file {
	struct rec_source source;
	struct rec_heads events, tables, data;
	struct rec_info info;
	uint64_t start;        /* ns, CLOCK_MONOTONIC: when it was begun */
	uint64_t wall;         /* ns since 1970: the same moment */
	uint64_t count;        /* events */
	uint64_t scanned;      /* bytes of the file that were looked at */
	uint64_t next;         /* where they end, or, when no further chunk fits into the segment, where the next one begins */
	const char *trouble;   /* NULL: none */
	uint64_t trouble_at, skipped; /* bytes */
};

/* Find all chunks.  -1: it is no recording, or no memory; f is empty then. */
int rec_open(struct rec_file *f, const struct rec_source *s, struct err *e);
/* It has grown to size: find the new ones.  -1: no memory. */
int rec_more(struct rec_file *f, uint64_t size, struct err *e);
void rec_close(struct rec_file *f);
/* What cannot be read of it, in words, as for rec_open(): "... at byte N: ...".  goes_on: its past is wanted, and is there but for that;
 * else events are, and some are left out.  NULL: nothing; else text, into which REC_DAMAGE_ROOM bytes were put at most. */
enum { REC_DAMAGE_ROOM = 256 };
const char *rec_damage(const struct rec_file *f, bool goes_on, char *text);
/* The body of a chunk, checked and unpacked, h->raw bytes, malloc'd.  NULL: *why says what is wrong. */
void *rec_body(const struct rec_file *f, const struct rec_head *h, const char **why);

/* The number of the EVENTS chunk that holds event number n, or has the last event not later than time; SIZE_MAX: none. */
size_t rec_chunk_of_event(const struct rec_file *f, uint64_t n);
size_t rec_chunk_of_time(const struct rec_file *f, uint64_t time);
