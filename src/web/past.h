/* SPDX-License-Identifier: BSD-2-Clause */
/* past: what the bytes of a feed's disk were at a moment, and what they mean.
 *
 * Bytes come from the recording itself, when it has data; else from a disk that the person named, which is always as it is now.  A thread
 * of its own makes the maps (know/know.h), one after the other and half of the time at most; the last few stay.  Any thread. */
#pragma once
#include "know/know.h"
#include "web/feed.h"

#define PAST_MAPS 4u
#define PAST_READ_MAX 4096u

struct known {
	struct know_map *map; /* ours */
	uint64_t events;      /* of the recording, that it comes after; else how many maps there were before */
	unsigned refs;        /* guarded by the past's lock */
};

struct past;
/* now: the disk as it is, to be read from several threads; its arg lives longer; NULL: only the recording tells.  NULL with e set. */
struct past *past_start(struct feed *feed, const struct know_disk *now, struct err *e);
void past_stop(struct past *p); /* NULL is fine */
/* Is there anything to be had? */
bool past_has(struct past *p); /* takes the feed's lock */
bool past_is_now(const struct past *p); /* of the disk as it is now */
/* The map of a moment, or the nearest one there is; *ready: it is that moment's.  NULL: there is none yet, or e says why it is not to be
 * had.  To be given back.  What is not ready is being made. */
struct known *past_map(struct past *p, const struct moment *m, bool *ready, struct err *e);
void past_give_back(struct past *p, struct known *k); /* NULL is fine */
/* Somebody waits for many maps: rest no more between them, until it is told again with false.  Calls nest. */
void past_hurry(struct past *p, bool hurry);
/* len bytes, at most PAST_READ_MAX.  -1: e says why not. */
int past_read(struct past *p, const struct moment *m, uint64_t off, uint32_t len, void *to, struct err *e);
