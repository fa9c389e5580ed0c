/* SPDX-License-Identifier: BSD-2-Clause */
/* recstore: where the written bytes of a recording go: each block once, many in one packed chunk.
 * A block is found again by a hash with a secret of this process, so that no client can make up two that collide; the table of
 * what was stored forgets: then a block is stored once more, which costs room and nothing else.  One thread at a time. */
#pragma once
#include "filters/recfile.h"
#include "trace/rec_flight.h"

struct recstore {
	struct recfile *file;
	struct buf raw;             /* bytes of the DATA chunk being made */
	uint64_t addr;              /* behind the last stored byte */
	uint64_t secret;
	struct recstore_block *known; /* table of what was stored; NULL: not yet */
	uint64_t written, stored;   /* bytes */
};

int recstore_start(struct recstore *s, struct recfile *f, struct err *e);
void recstore_stop(struct recstore *s);
/* What the write in o holds: with data, runs of addresses; else a hash of each block.  False: no memory, or the file gave up. */
bool recstore_add(struct recstore *s, struct rec_open *o, const uint8_t *data);
/* Write what waits, before EVENTS that name it. */
bool recstore_flush(struct recstore *s);
