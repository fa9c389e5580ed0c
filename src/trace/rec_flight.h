/* SPDX-License-Identifier: BSD-2-Clause */
/* rec_flight: the requests that have begun and not ended, by connection and id.
 * Owned by one thread.  Bounded by what the caller lets in. */
#pragma once
#include "trace/rec.h"

struct rec_open {
	struct rec_event event;  /* as it began; runs and text NULL */
	uint64_t number;         /* of the event */
	struct rec_run *runs;    /* count of them, ours: what a write holds; without hashes */
	size_t count;
	uint8_t *hashes;         /* or its hashes, ours */
	bool used;
};

struct rec_flight {
	struct rec_open *at;     /* open addressing, room of them, a power of two; ours */
	size_t room, count;
};

/* The zeroed struct is a valid empty one. */
void rec_flight_free(struct rec_flight *f);
/* A new one for e's connection and id, or NULL: no memory, or there is one already.  Its event is e without runs and text. */
struct rec_open *rec_flight_add(struct rec_flight *f, const struct rec_event *e, uint64_t number);
struct rec_open *rec_flight_find(struct rec_flight *f, uint64_t conn, uint64_t id);
/* o is gone, with what it owns. */
void rec_flight_drop(struct rec_flight *f, struct rec_open *o);
/* All of a connection's; returns how many. */
size_t rec_flight_drop_conn(struct rec_flight *f, uint64_t conn);
