/* SPDX-License-Identifier: BSD-2-Clause */
/* section: the numbers of a stretch of a session: of the whole of it, or of one step, from a mark to the next.
 * Of one size however much happened (700 KiB, of which what was never touched takes no memory).  A request belongs where it was
 * answered; its bytes count when that was a success.  Series over time and over the disk have a fixed number of bins that
 * become twice as wide when they would not reach.  Counts and sums stop at their largest value.  One thread at a time. */
#pragma once
#include <stdbool.h>
#include "stats/blocks.h"
#include "stats/hist.h"
#include "trace/rec.h"

enum {
	SECTION_BINS = 480,      /* over time */
	SECTION_COLS = 120,      /* of the heat map: bins / 4 */
	SECTION_ROWS = 62,       /* half octaves of latency from 2^HEAT_FROM_SHIFT ns on */
	SECTION_REGIONS = 2048,  /* over the disk */
	SECTION_ALIGNS = 12,     /* 1, 512, 1 KiB ... 512 KiB, and 1 MiB: the largest that divides offset and length */
	SECTION_SIZES = 64,      /* powers of two */
};
#define HEAT_FROM_SHIFT 7        /* the first row: less than 181 ns */
#define SECTION_LONGEST (128ull << 20) /* bytes; no server takes more at once, so longer ones are left out of what is counted by place */

struct op_stats {
	uint64_t ops, bytes;     /* answered with success */
	uint64_t errors;         /* answered with a failure */
	uint64_t seq_ops, seq_bytes; /* of ops: began where an earlier one of its kind and connection ended.  Reads and writes */
	uint64_t align[SECTION_ALIGNS], size[SECTION_SIZES]; /* ops */
	struct hist latency;     /* ns; successes and failures */
};

struct section_bin {
	uint64_t ops[REC_OPS], bytes[REC_OPS], errors;
	uint64_t depth_max;
	double depth_area;       /* ns times requests in flight */
};

struct region {
	uint64_t ops[2], bytes[2]; /* reads, writes */
};

struct section {
	char *name;              /* the mark, one NUL behind it; NULL: there is none.  Ours */
	uint64_t begin, end;     /* ns, the recording's clock */
	uint64_t events;
	struct op_stats op[REC_OPS];
	uint64_t fua;            /* requests */
	uint64_t unmatched;      /* answers to what we never saw begin */
	uint64_t abandoned;      /* never answered: the connection went, or the id was used again */
	uint64_t too_long;       /* requests longer than SECTION_LONGEST */
	struct hist depth;       /* requests in flight, weighted by ns */
	struct hist flush_gap;   /* ns from the begin of a flush to that of the next */
	struct hist flush_bytes; /* written, answered between these two */
	struct blocks written;   /* emptied by section_end(): distinct says how many there were */
	uint64_t distinct;
	bool estimate;           /* distinct or rewritten is one */
	uint64_t touched;        /* blocks that writes touched, each time */
	uint64_t rewritten;      /* of these: had been written since the last flush already */
	uint64_t bin_ns;         /* width of a bin; that of a column is four times that */
	struct section_bin bin[SECTION_BINS];
	uint32_t heat[REC_OPS][SECTION_COLS][SECTION_ROWS];
	uint64_t region_size;    /* bytes, a power of two */
	struct region region[SECTION_REGIONS];
};

/* A request that was answered at now. */
struct section_op {
	uint64_t now, began, off, len;
	uint8_t op, flags;
	bool failed, sequential;
	uint64_t rewritten;      /* blocks; what the caller's set of dirty blocks says */
	bool estimate;           /* it is one */
};

struct section *section_new(uint64_t begin, const void *name, size_t len); /* NULL: no memory; name NULL: none */
/* As s is, ended at end, with no set of blocks of its own. */
struct section *section_copy(const struct section *s, uint64_t end);
void section_free(struct section *s);
void section_op(struct section *s, const struct section_op *o);
/* From one moment to a later one there were depth requests in flight. */
void section_depth(struct section *s, uint64_t from, uint64_t to, uint64_t depth);
void section_end(struct section *s, uint64_t end);

/* The bins in use, and what a row, a place of align, and of size stands for. */
unsigned section_bins(const struct section *s);
unsigned section_regions(const struct section *s);
uint64_t section_row_ns(unsigned row);            /* the least latency in it */
static inline uint64_t section_align(unsigned i) { return i ? 256ull << i : 1; }
double section_amplification(const struct section *s); /* bytes written for each byte of the distinct blocks; 0: none */
uint64_t section_sum_ops(const struct section *s);
