/* SPDX-License-Identifier: BSD-2-Clause */
/* map: what every block of a disk last suffered, and what is happening to it now.
 *
 * The disk is cut into blocks (4 KiB up to 16 TiB, then a larger power of two), the picture
 * into cells: one cell is one pixel before it is scaled up, and holds one block while that
 * fits, else a power of two of them.  Two layers:
 *   state     per block, the last write, trim or zero that was acknowledged;
 *   activity  per cell, when each class of request last ended and how many reads are in
 *             flight; fading is the painter's, in recording time.
 * Counters of a cell are exact.  Blocks live in pages of 4096; a page in one state costs
 * nothing, a mixed one 1 KiB.  When MAP_MIXED_MAX pages are mixed, further ones only
 * count (map.coarse tells how many), so memory is bounded for every disk and every log.
 * No I/O; one thread at a time. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"

#define MAP_BLOCK 4096u
#define MAP_BLOCKS_MAX (1ull << 32)
#define MAP_CELLS_MAX (1u << 19)
#define MAP_COLS_MAX 1024u /* the picture's room, in cells */
#define MAP_ROWS_MAX 768u
#define MAP_MIXED_MAX (1u << 18)

enum state { ST_NONE, ST_WRITE, ST_TRIM, ST_ZERO, STATES };
enum class { CL_READ, CL_WRITE, CL_TRIM, CL_ZERO, CL_ERROR, CLASSES };

struct cell {
	uint32_t state[STATES]; /* blocks in each state; their sum is the cell's blocks */
	uint32_t ops[CLASSES];  /* requests that touched the cell, ended; CL_ERROR: failed ones */
	uint32_t reading;       /* reads in flight */
	uint64_t last[CLASSES]; /* ns: when one last ended; 0: never */
};

struct page;

struct map {
	uint64_t size;       /* bytes */
	uint64_t blocks;     /* blocks, the last one maybe partial */
	uint64_t block;      /* bytes in a block, a power of two */
	uint64_t per_cell;   /* blocks in a cell, a power of two */
	unsigned cell_shift; /* log2 of bytes in a cell */
	uint32_t cells;      /* 0 for a disk of 0 bytes */
	unsigned cols, rows;
	struct cell *cell; /* cells, ours */
	struct page *page; /* ours */
	uint32_t pages;
	uint32_t mixed, mixed_max; /* pages that own memory; how many may */
	uint64_t coarse; /* times a page had to do without */
};

int map_init(struct map *m, uint64_t size, struct err *e);
void map_free(struct map *m);

/* Cells in a row: the whole disk must fit in MAP_ROWS_MAX rows.  Clamped; returns what it is now. */
unsigned map_set_cols(struct map *m, unsigned cols);
unsigned map_min_cols(const struct map *m);
unsigned map_max_cols(const struct map *m);

/* Cut [off, off + *len) to the disk.  Returns the bytes that lie beyond its end. */
uint64_t map_clip(const struct map *m, uint64_t off, uint64_t *len);

/* A request for what is at off has begun: when it ends, what is kept of that place should be in the cache. */
void map_expect(const struct map *m, uint64_t off);

/* These take a range that is inside the disk (see map_clip); an empty one touches nothing. */
void map_read_begin(struct map *m, uint64_t off, uint64_t len);
void map_read_end(struct map *m, uint64_t off, uint64_t len); /* also when it never ended */
void map_touch(struct map *m, uint64_t off, uint64_t len, enum class c, uint64_t now);
void map_suffer(struct map *m, uint64_t off, uint64_t len, enum state s);

enum state map_block_state(const struct map *m, uint64_t block); /* ST_NONE in a coarse page */
/* How many of the blocks [first, first + n) are in each state; n <= blocks - first.  Of a coarse page its shares. */
void map_count(const struct map *m, uint64_t first, uint64_t n, uint64_t count[STATES]);
/* Most blocks of the cell that are not untouched are this; ST_NONE: all are untouched. */
enum state cell_state(const struct cell *c);
uint64_t map_cell_blocks(const struct map *m, uint32_t cell); /* blocks the cell holds */

/* A map set aside: only what was touched. */
struct map_kept {
	struct map m;        /* owns nothing */
	struct kept_cell *cell; /* cells of them, ours */
	uint32_t cells;
	uint8_t *bits;       /* of the mixed pages in turn, ours */
	struct page *page;   /* all of them, ours; bits not NULL: mixed */
	uint64_t bytes;      /* of memory, about */
};
bool map_keep(const struct map *m, struct map_kept *k); /* false: no memory, and nothing is kept */
/* m, of the same size, becomes what it was, but for its rows.  False: no memory, and states are missing. */
bool map_bring_back(struct map *m, const struct map_kept *k);
void map_kept_free(struct map_kept *k);

extern const char *const state_names[STATES];
extern const char *const class_names[CLASSES];
