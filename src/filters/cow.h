/* SPDX-License-Identifier: BSD-2-Clause */
/* cow: what the filter's two files share: cow.c takes requests and has the stage, cow_ops.c does what they ask for. */
#pragma once
#include "core/split.h"
#include "filters/overlay.h"
#include "filters/rangelock.h"
#include "loop/pool.h"

struct cow {
	uint64_t block;             /* bytes; 0: not given */
	bool on_cache, on_read;
	const char *on_read_path;   /* on_read while this exists, borrowed */
	struct overlay overlay;
	struct rangelock lock;
	pthread_mutex_t open_lock;  /* guards the size of the overlay */
	struct pool *pool;
};

struct opened {
	struct client below;        /* the disk below is never written: whoever opens it here only reads */
	uint64_t most;              /* bytes that the disk below reads at once */
	bool can_extents, can_cache; /* it, too */
};

/* Bytes of the disk below to be had before the file is written: a block of which a part changes, or a run to copy up. */
struct piece {
	uint64_t off, len;          /* whole blocks; the last of the disk may be short */
	uint64_t from, to;          /* what changes */
	uint8_t *bytes;             /* ours; NULL: the block is in the file already */
	bool base;                  /* bytes are to be read */
};

struct slot {
	struct split split;         /* first: see split.h */
	struct range range;
	struct job job;
	bool locked, cancelled;
	bool ours;                  /* a read: some of it is not below */
	bool copying;               /* up, before a read or for a cache */
	uint64_t at;                /* where we are */
	uint64_t zeroed;            /* up to here zeroes are written; 0: not begun */
	struct piece pieces[2];
	unsigned count, piece;      /* of them; the one that is read */
	struct extents found;
	int err;                    /* of the job */
};

static inline struct slot *slot_at(struct split *s) { return container_of(s, struct slot, split); }
static inline struct cow *cow_of(const struct layer *l) { return l->stage->block; }
static inline uint64_t down(const struct cow *c, uint64_t n) { return n & ~(c->block - 1); }
static inline uint64_t end_of(const struct req *r) { return r->off + r->len; }
/* The end of the block in which the byte before n is. */
static inline uint64_t up(const struct cow *c, uint64_t n) { return MIN(down(c, n + c->block - 1), c->overlay.size); }

/* All of these end the request, sooner or later.  cow_change() and cow_copy() want its blocks locked (slot's range). */
void cow_finish(struct layer *l, struct req *r, int err);
void cow_read(struct layer *l, struct req *r);
void cow_change(struct layer *l, struct req *r);   /* a write, trim, zero */
void cow_copy(struct layer *l, struct req *r);     /* a cache, or before a read: up, what is still below */
void cow_extents(struct layer *l, struct req *r);
