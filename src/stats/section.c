/* SPDX-License-Identifier: BSD-2-Clause */
#include "stats/section.h"
#include <stdlib.h>
#include <string.h>
#include "base/util.h"

enum { FIRST_BIN_NS = 1000, FIRST_REGION = 64 << 10, COL_SHIFT = 2 };

struct section *section_new(uint64_t begin, const void *name, size_t len)
{
	struct section *s = calloc(1, sizeof *s);
	if (!s)
		return NULL;
	s->begin = s->end = begin;
	s->bin_ns = FIRST_BIN_NS;
	s->region_size = FIRST_REGION;
	if (name && !(s->name = strndup(name, len))) {
		free(s);
		return NULL;
	}
	return s;
}

void section_free(struct section *s)
{
	if (!s)
		return;
	blocks_free(&s->written);
	free(s->name);
	free(s);
}

struct section *section_copy(const struct section *s, uint64_t end)
{
	struct section *copy = malloc(sizeof *copy);
	if (!copy)
		return NULL;
	*copy = *s;
	copy->name = NULL;
	copy->end = MAX(s->begin, end);
	copy->distinct = blocks_count(&s->written);
	copy->estimate |= s->written.sampled != 0;
	copy->written = (struct blocks){ 0 };
	return copy;
}

/* --- over time --- */

static void join_bins(struct section *s)
{
	for (unsigned i = 0; i < SECTION_BINS; i++) {
		struct section_bin b = s->bin[i];
		s->bin[i] = (struct section_bin){ 0 };
		struct section_bin *to = &s->bin[i / 2];
		for (unsigned op = 0; op < REC_OPS; op++) {
			to->ops[op] = sat_add(to->ops[op], b.ops[op]);
			to->bytes[op] = sat_add(to->bytes[op], b.bytes[op]);
		}
		to->errors = sat_add(to->errors, b.errors);
		to->depth_max = MAX(to->depth_max, b.depth_max);
		to->depth_area += b.depth_area;
	}
	for (unsigned op = 0; op < REC_OPS; op++)
		for (unsigned i = 0; i < SECTION_COLS; i++)
			for (unsigned row = 0; row < SECTION_ROWS; row++) {
				uint32_t n = s->heat[op][i][row], *to = &s->heat[op][i / 2][row];
				s->heat[op][i][row] = 0;
				*to = n > UINT32_MAX - *to ? UINT32_MAX : *to + n;
			}
	s->bin_ns *= 2;
}

static unsigned bin_at(struct section *s, uint64_t now)
{
	while ((now - s->begin) / s->bin_ns >= SECTION_BINS)
		join_bins(s);
	return (unsigned)((now - s->begin) / s->bin_ns);
}

static unsigned row_of(uint64_t ns)
{
	if (ns < 1u << HEAT_FROM_SHIFT)
		return 0;
	unsigned log = 63u - (unsigned)__builtin_clzll(ns);
	/* the upper half of an octave begins at 181/128 of it, nearly the root of two */
	unsigned row = 2 * (log - HEAT_FROM_SHIFT) + (ns >> (log - 7) >= 181);
	return MIN(row, SECTION_ROWS - 1u);
}

uint64_t section_row_ns(unsigned row)
{
	uint64_t octave = 1ull << (row / 2 + HEAT_FROM_SHIFT);
	return !row ? 0 : row % 2 ? octave / 128 * 181 : octave; /* octaves are 128 or more */
}

void section_depth(struct section *s, uint64_t from, uint64_t to, uint64_t depth)
{
	if (to <= from)
		return;
	hist_add(&s->depth, depth, to - from);
	unsigned last = bin_at(s, to), i = bin_at(s, from);
	for (; i <= last && from < to; i++) {
		uint64_t stop = i == last ? to : s->begin + (i + 1ull) * s->bin_ns;
		s->bin[i].depth_area += (double)depth * (double)(stop - from);
		s->bin[i].depth_max = MAX(s->bin[i].depth_max, depth);
		from = stop;
	}
}

/* --- over the disk --- */

static void join_regions(struct section *s)
{
	for (unsigned i = 0; i < SECTION_REGIONS; i++) {
		struct region r = s->region[i], *to = &s->region[i / 2];
		s->region[i] = (struct region){ 0 };
		for (unsigned k = 0; k < 2; k++) {
			to->ops[k] = sat_add(to->ops[k], r.ops[k]);
			to->bytes[k] = sat_add(to->bytes[k], r.bytes[k]);
		}
	}
	s->region_size *= 2;
}

/* The bytes go where they lie; the request is one of where it begins. */
static void count_region(struct section *s, const struct section_op *o)
{
	unsigned which = o->op == REC_WRITE;
	uint64_t off = o->off, end = o->off + o->len;

	while ((end - 1) / s->region_size >= SECTION_REGIONS)
		join_regions(s);
	struct region *r = &s->region[off / s->region_size];
	r->ops[which] = sat_add(r->ops[which], 1);
	for (; off < end; r++) {
		uint64_t n = MIN(end, (off / s->region_size + 1) * s->region_size) - off;
		r->bytes[which] = sat_add(r->bytes[which], n);
		off += n;
	}
}

/* --- an answer --- */

static unsigned align_of(uint64_t off, uint64_t len)
{
	unsigned zeroes = off | len ? (unsigned)__builtin_ctzll(off | len) : 0;
	return zeroes < 9 ? 0 : MIN(zeroes - 8, SECTION_ALIGNS - 1u);
}

static void count_place(struct section *s, const struct section_op *o)
{
	struct op_stats *st = &s->op[o->op];

	st->align[align_of(o->off, o->len)]++;
	st->size[o->len ? 63 - __builtin_clzll(o->len) : 0]++;
	st->seq_ops += o->sequential;
	st->seq_bytes = sat_add(st->seq_bytes, o->sequential ? o->len : 0);
	if (!o->len || (o->op != REC_READ && o->op != REC_WRITE))
		return;
	if (o->len > SECTION_LONGEST) {
		s->too_long++;
		return;
	}
	count_region(s, o);
	if (o->op == REC_WRITE) {
		uint64_t first = o->off / BLOCKS_SIZE, end = (o->off + o->len - 1) / BLOCKS_SIZE + 1;
		blocks_add(&s->written, first, end);
		s->touched = sat_add(s->touched, end - first);
		s->rewritten = sat_add(s->rewritten, o->rewritten);
		s->estimate |= o->estimate;
	}
}

void section_op(struct section *s, const struct section_op *o)
{
	struct op_stats *st = &s->op[o->op];
	unsigned i = bin_at(s, o->now);
	struct section_bin *b = &s->bin[i];
	uint32_t *heat = &s->heat[o->op][i >> COL_SHIFT][row_of(o->now - o->began)];

	hist_add(&st->latency, o->now - o->began, 1);
	*heat += *heat < UINT32_MAX;
	s->fua += o->flags & REC_FUA;
	if (o->failed) {
		st->errors++;
		b->errors++;
		return;
	}
	st->ops++;
	st->bytes = sat_add(st->bytes, o->len);
	b->ops[o->op]++;
	b->bytes[o->op] = sat_add(b->bytes[o->op], o->len);
	if (o->op != REC_FLUSH)
		count_place(s, o);
}

void section_end(struct section *s, uint64_t end)
{
	s->end = MAX(s->begin, end);
	s->distinct = blocks_count(&s->written);
	s->estimate |= s->written.sampled != 0;
	blocks_free(&s->written);
}

/* --- reading it --- */

unsigned section_bins(const struct section *s)
{
	uint64_t n = (s->end - s->begin) / s->bin_ns + 1;
	return (unsigned)MIN(n, (uint64_t)SECTION_BINS);
}

unsigned section_regions(const struct section *s)
{
	unsigned n = 0;
	for (unsigned i = 0; i < SECTION_REGIONS; i++)
		if (s->region[i].bytes[0] || s->region[i].bytes[1])
			n = i + 1;
	return n;
}

double section_amplification(const struct section *s)
{
	return s->distinct ? (double)s->op[REC_WRITE].bytes / ((double)s->distinct * BLOCKS_SIZE) : 0;
}

uint64_t section_sum_ops(const struct section *s)
{
	uint64_t n = 0;
	for (unsigned op = 0; op < REC_OPS; op++)
		n = sat_add(n, s->op[op].ops);
	return n;
}
