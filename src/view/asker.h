/* SPDX-License-Identifier: BSD-2-Clause */
/* asker: finds out what takes time, on a thread of its own, so that a window stays alive: what the parts of the disk are, and what
 * happened to a place of it.  The newest question counts; an older one is given up.
 * Called by one thread. */
#pragma once
#include "view/contents.h"
#include "view/history.h"

#define PLACE_TOUCHES 6
#define PLACE_BYTES 64

/* What is known of the bytes [off, off + len). */
struct spot {
	uint64_t off, len;
	uint64_t events;     /* of the model: the moment */
	uint64_t count;      /* requests that touched it until then */
	struct touch at[PLACE_TOUCHES]; /* touches of them, the newest first */
	unsigned touches;
	struct touch writer; /* when has_writer */
	bool has_writer;
	uint8_t bytes[PLACE_BYTES]; /* its first ones, n of them */
	unsigned n;
};

struct asker;

/* contents: NULL: nobody knows the bytes; borrowed.  NULL with e set. */
struct asker *asker_start(const struct contents *contents, struct err *e);
void asker_stop(struct asker *a); /* NULL is fine */

/* What are the parts of the disk after so many events of the recording? */
void asker_ask_map(struct asker *a, uint64_t recorded);
bool asker_busy(struct asker *a); /* with a map */
/* NULL: none that is new; else the caller's, and *recorded is what was asked for.  Why there is none is put to trouble, or it is empty. */
struct know_map *asker_take_map(struct asker *a, uint64_t *recorded, char *trouble, size_t room);

/* What happened to [off, off + len) of the disk, in the file that fd has open (borrowed for the call), within the first events of a
 * model; recorded: what they are in the recording; bytes: are its bytes wanted as well? */
void asker_ask_spot(struct asker *a, int fd, uint64_t off, uint64_t len, uint64_t events, uint64_t recorded, bool bytes);
bool asker_seeks(struct asker *a); /* what happened to a place */
/* False: nothing new. */
bool asker_take_spot(struct asker *a, struct spot *p);
