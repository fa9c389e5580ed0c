/* SPDX-License-Identifier: BSD-2-Clause */
/* recstore: where the written bytes of a recording go: each block once, many in one packed chunk.
 *
 * A write is cut into pieces at the multiples of REC_BLOCK of the disk.  Whoever is about to write them prepares them, on its own
 * thread and while they are in its cache: it hashes each whole block and looks whether one like it is stored.  Then it is told by its
 * address, and only pieces that are new travel to the thread that stores them.  A block is found again by a hash with a secret of this
 * process, so that no client can make up two that collide; the table of what was stored forgets: then a block is stored once more, which
 * costs room and nothing else.
 *
 * One thread at a time, but recstore_room() and recstore_prepare(): any, between start and stop. */
#pragma once
#include <stdatomic.h>
#include "filters/recfile.h"
#include "trace/rec_flight.h"

struct recstore {
	struct recfile *file;
	struct buf raw;             /* bytes of the DATA chunk being made */
	uint64_t addr;              /* behind the last stored byte */
	uint64_t secret;
	const struct rechash *hash;
	struct recstore_block *known; /* table of what was stored; NULL: no data is kept */
};

int recstore_start(struct recstore *s, struct recfile *f, struct err *e);
void recstore_stop(struct recstore *s);
/* Bytes that recstore_prepare() may need for the write e. */
size_t recstore_room(const struct recstore *s, const struct rec_event *e);
/* What the write e holds, e->len bytes of data, in the form that recstore_add() wants; bytes used of to.  Of any alignment. */
size_t recstore_prepare(const struct recstore *s, const struct rec_event *e, const uint8_t *data, uint8_t *to);
/* What the write in o holds, prepared: with data, runs of addresses; else a hash of each piece.  False: no memory, or the file gave up. */
bool recstore_add(struct recstore *s, struct rec_open *o, const uint8_t *prepared);
/* Write what waits, before EVENTS that name it. */
bool recstore_flush(struct recstore *s);
