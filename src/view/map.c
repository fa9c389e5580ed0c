/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>
#include <string.h>
#include "view/map.h"

#define PAGE_SHIFT 12
#define PAGE_BLOCKS (1u << PAGE_SHIFT)
#define PAGE_BYTES (PAGE_BLOCKS / 4) /* two bits a block */

struct page {
	uint16_t n[STATES]; /* blocks in each state; their sum is the page's blocks */
	uint8_t *bits;      /* ours; NULL: all in one state, or only counted */
};

const char *const state_names[STATES] = { "none", "write", "trim", "zero" };
const char *const class_names[CLASSES] = { "read", "write", "trim", "zero", "error" };

static uint64_t div_up(uint64_t a, uint64_t b) { return a / b + (a % b != 0); }

/* ---- shape ---- */

unsigned map_min_cols(const struct map *m)
{
	return (unsigned)MAX(div_up(m->cells, MAP_ROWS_MAX), 1);
}

unsigned map_max_cols(const struct map *m)
{
	return MAX(MIN(m->cells, MAP_COLS_MAX), 1);
}

unsigned map_set_cols(struct map *m, unsigned cols)
{
	m->cols = MIN(MAX(cols, map_min_cols(m)), map_max_cols(m));
	m->rows = (unsigned)MAX(div_up(m->cells, m->cols), 1);
	return m->cols;
}

static unsigned scale_of(const struct map *m)
{
	return MIN(MAP_COLS_MAX / m->cols, MAP_ROWS_MAX / m->rows);
}

/* The power of two that gives the largest pixels, and among equals the squarest picture. */
static unsigned best_cols(struct map *m)
{
	unsigned best = 0, best_scale = 0, best_skew = 0;

	for (unsigned cols = 1; cols <= MAP_COLS_MAX; cols *= 2) {
		if (map_set_cols(m, cols) != cols)
			continue;
		unsigned scale = scale_of(m), skew = MAX(m->cols, m->rows) - MIN(m->cols, m->rows);
		if (!best || scale > best_scale || (scale == best_scale && skew < best_skew)) {
			best = cols;
			best_scale = scale;
			best_skew = skew;
		}
	}
	return best ? best : map_min_cols(m);
}

static void find_shape(struct map *m)
{
	m->block = MAP_BLOCK;
	while (div_up(m->size, m->block) > MAP_BLOCKS_MAX)
		m->block *= 2;
	m->blocks = div_up(m->size, m->block);
	m->per_cell = 1;
	while (div_up(m->blocks, m->per_cell) > MAP_CELLS_MAX)
		m->per_cell *= 2;
	m->cells = (uint32_t)div_up(m->blocks, m->per_cell);
	m->cell_shift = (unsigned)__builtin_ctzll(m->block * m->per_cell);
	map_set_cols(m, best_cols(m));
}

uint64_t map_cell_blocks(const struct map *m, uint32_t cell)
{
	uint64_t first = cell * m->per_cell;
	return MIN(m->per_cell, m->blocks - first);
}

static unsigned page_blocks(const struct map *m, uint32_t page)
{
	return (unsigned)MIN(PAGE_BLOCKS, m->blocks - (uint64_t)page * PAGE_BLOCKS);
}

int map_init(struct map *m, uint64_t size, struct err *e)
{
	*m = (struct map){ .size = size, .mixed_max = MAP_MIXED_MAX };
	find_shape(m);
	m->pages = (uint32_t)div_up(m->blocks, PAGE_BLOCKS);
	m->cell = calloc(MAX(m->cells, 1), sizeof *m->cell);
	m->page = calloc(MAX(m->pages, 1), sizeof *m->page);
	if (!m->cell || !m->page) {
		map_free(m);
		return err_set(e, "no memory for the map of a disk");
	}
	for (uint32_t i = 0; i < m->pages; i++)
		m->page[i].n[ST_NONE] = (uint16_t)page_blocks(m, i);
	for (uint32_t i = 0; i < m->cells; i++)
		m->cell[i].state[ST_NONE] = (uint32_t)map_cell_blocks(m, i);
	return 0;
}

void map_free(struct map *m)
{
	for (uint32_t i = 0; m->page && i < m->pages; i++)
		free(m->page[i].bits);
	free(m->page);
	free(m->cell);
	*m = (struct map){ 0 };
}

/* ---- the state of blocks ---- */

static unsigned get_bits(const uint8_t *bits, unsigned i)
{
	return bits[i / 4] >> (i % 4 * 2) & 3;
}

static void set_bits(uint8_t *bits, unsigned i, enum state s)
{
	unsigned shift = i % 4 * 2;
	bits[i / 4] = (uint8_t)((bits[i / 4] & ~(3u << shift)) | (unsigned)s << shift);
}

static void drop_bits(struct map *m, struct page *p)
{
	if (p->bits)
		m->mixed--;
	free(p->bits);
	p->bits = NULL;
}

/* The state all blocks of the page are in, or STATES. */
static unsigned uniform(const struct page *p, unsigned total)
{
	unsigned s = 0;
	while (s < STATES && p->n[s] != total)
		s++;
	return s;
}

static bool make_mixed(struct map *m, struct page *p, unsigned total)
{
	unsigned s = uniform(p, total);
	if (p->bits)
		return true;
	if (s == STATES || m->mixed >= m->mixed_max || !(p->bits = malloc(PAGE_BYTES))) {
		m->coarse++;
		return false;
	}
	memset(p->bits, (int)(s * 0x55), PAGE_BYTES);
	m->mixed++;
	return true;
}

/* n blocks, we do not know which, become s: take them for new ones while there are any. */
static void guess_old(const struct page *p, unsigned n, enum state s, unsigned old[STATES])
{
	static const enum state order[] = { ST_NONE, ST_ZERO, ST_TRIM, ST_WRITE };

	for (size_t i = 0; i < ARRAY_LEN(order); i++) {
		if (order[i] == s)
			continue;
		old[order[i]] = MIN(n, p->n[order[i]]);
		n -= old[order[i]];
	}
	old[s] = n;
}

/* Blocks [lo, hi) of the page become s; old says what they were. */
static void page_suffer(struct map *m, uint32_t index, unsigned lo, unsigned hi, enum state s, unsigned old[STATES])
{
	struct page *p = &m->page[index];
	unsigned total = page_blocks(m, index);

	if (p->n[s] == total) {
		old[s] = hi - lo;
		return;
	}
	if (hi - lo == total) {
		for (unsigned i = 0; i < STATES; i++)
			old[i] = p->n[i];
	} else if (make_mixed(m, p, total)) {
		for (unsigned i = lo; i < hi; i++) {
			old[get_bits(p->bits, i)]++;
			set_bits(p->bits, i, s);
		}
	} else {
		guess_old(p, hi - lo, s, old);
	}
	for (unsigned i = 0; i < STATES; i++)
		p->n[i] = (uint16_t)(p->n[i] - old[i]);
	p->n[s] = (uint16_t)(p->n[s] + hi - lo);
	if (p->n[s] == total)
		drop_bits(m, p);
}

void map_suffer(struct map *m, uint64_t off, uint64_t len, enum state s)
{
	if (!len)
		return;
	uint64_t at = off / m->block, end = (off + len - 1) / m->block + 1;
	uint64_t unit = MIN(m->per_cell, PAGE_BLOCKS); /* lies in one page and one cell */

	while (at < end) {
		uint64_t stop = MIN(end, (at / unit + 1) * unit);
		uint32_t page = (uint32_t)(at >> PAGE_SHIFT);
		uint64_t base = (uint64_t)page << PAGE_SHIFT;
		struct cell *c = &m->cell[at / m->per_cell];
		unsigned old[STATES] = { 0 };

		page_suffer(m, page, (unsigned)(at - base), (unsigned)(stop - base), s, old);
		for (unsigned i = 0; i < STATES; i++) {
			/* guesses are right for the page, maybe not for one of its cells */
			uint32_t take = MIN(old[i], c->state[i]);
			c->state[i] -= take;
			c->state[s] += take;
		}
		at = stop;
	}
}

enum state map_block_state(const struct map *m, uint64_t block)
{
	if (block >= m->blocks)
		return ST_NONE;
	const struct page *p = &m->page[block >> PAGE_SHIFT];
	if (p->bits)
		return (enum state)get_bits(p->bits, block % PAGE_BLOCKS);
	unsigned s = uniform(p, page_blocks(m, (uint32_t)(block >> PAGE_SHIFT)));
	return s == STATES ? ST_NONE : (enum state)s;
}

static void count_bits(const uint8_t *bits, unsigned lo, unsigned hi, uint64_t count[STATES])
{
	for (; lo < hi && (lo % 32 || hi - lo < 32); lo++)
		count[get_bits(bits, lo)]++;
	for (; hi - lo >= 32; lo += 32) {
		uint64_t v, low = 0x5555555555555555u;
		memcpy(&v, bits + lo / 4, sizeof v); /* in whatever order: they are counted */
		uint64_t a = v & low, b = v >> 1 & low;
		unsigned both = (unsigned)__builtin_popcountll(a & b), ones = (unsigned)__builtin_popcountll(a);
		unsigned twos = (unsigned)__builtin_popcountll(b);
		count[3] += both;
		count[1] += ones - both;
		count[2] += twos - both;
		count[0] += 32 - ones - twos + both;
	}
	for (; lo < hi; lo++)
		count[get_bits(bits, lo)]++;
}

void map_count(const struct map *m, uint64_t first, uint64_t n, uint64_t count[STATES])
{
	memset(count, 0, STATES * sizeof *count);
	for (uint64_t end = first + n; first < end;) {
		uint64_t stop = MIN(end, ((first >> PAGE_SHIFT) + 1) << PAGE_SHIFT), part = stop - first;
		const struct page *p = &m->page[first >> PAGE_SHIFT];
		unsigned lo = first % PAGE_BLOCKS, total = page_blocks(m, (uint32_t)(first >> PAGE_SHIFT));

		if (p->bits) {
			count_bits(p->bits, lo, lo + (unsigned)part, count);
		} else {
			uint64_t left = part;
			for (unsigned s = STATES - 1; s > 0; s--) {
				uint64_t mine = p->n[s] * part / total;
				count[s] += mine;
				left -= mine;
			}
			count[ST_NONE] += left;
		}
		first = stop;
	}
}

enum state cell_state(const struct cell *c)
{
	enum state best = ST_NONE;
	for (enum state s = ST_WRITE; s < STATES; s++)
		if (c->state[s] && (best == ST_NONE || c->state[s] > c->state[best]))
			best = s;
	return best;
}

/* ---- activity ---- */

uint64_t map_clip(const struct map *m, uint64_t off, uint64_t *len)
{
	uint64_t room = off < m->size ? m->size - off : 0, want = *len;
	*len = MIN(want, room);
	return want - *len;
}

static uint32_t last_cell(const struct map *m, uint64_t off, uint64_t len)
{
	return (uint32_t)((off + len - 1) >> m->cell_shift);
}

static void count_up(uint32_t *n)
{
	*n += *n != UINT32_MAX;
}

void map_expect(const struct map *m, uint64_t off)
{
	if (off >= m->size)
		return;
	const char *cell = (const char *)&m->cell[off >> m->cell_shift];
	__builtin_prefetch(cell, 1);
	__builtin_prefetch(cell + sizeof(struct cell) - 1, 1);
	__builtin_prefetch(&m->page[off / m->block >> PAGE_SHIFT], 1);
}

void map_read_begin(struct map *m, uint64_t off, uint64_t len)
{
	if (!len)
		return;
	for (uint32_t i = (uint32_t)(off >> m->cell_shift), last = last_cell(m, off, len); i <= last; i++)
		m->cell[i].reading++; /* cannot wrap: the table of open requests is smaller */
}

void map_read_end(struct map *m, uint64_t off, uint64_t len)
{
	if (!len)
		return;
	for (uint32_t i = (uint32_t)(off >> m->cell_shift), last = last_cell(m, off, len); i <= last; i++)
		m->cell[i].reading--;
}

void map_touch(struct map *m, uint64_t off, uint64_t len, enum class c, uint64_t now)
{
	if (!len)
		return;
	for (uint32_t i = (uint32_t)(off >> m->cell_shift), last = last_cell(m, off, len); i <= last; i++) {
		count_up(&m->cell[i].ops[c]);
		m->cell[i].last[c] = MAX(now, 1);
	}
}

/* ---- set aside ---- */

struct kept_cell {
	uint32_t at;
	struct cell cell;
};

static bool touched(const struct cell *c)
{
	uint32_t any = c->reading | c->state[ST_WRITE] | c->state[ST_TRIM] | c->state[ST_ZERO];
	for (unsigned i = 0; i < CLASSES; i++)
		any |= c->ops[i];
	return any;
}

bool map_keep(const struct map *m, struct map_kept *k)
{
	uint32_t n = 0;
	uint8_t *bits;

	for (uint32_t i = 0; i < m->cells; i++)
		n += touched(&m->cell[i]);
	*k = (struct map_kept){ .m = *m, .cell = malloc(MAX(n, 1u) * sizeof *k->cell), .page = malloc(MAX(m->pages, 1u) * sizeof *k->page),
				.bits = malloc(MAX(m->mixed, 1u) * PAGE_BYTES) };
	k->m.cell = NULL;
	k->m.page = NULL;
	if (!k->cell || !k->page || !k->bits) {
		map_kept_free(k);
		return false;
	}
	for (uint32_t i = 0; i < m->cells; i++)
		if (touched(&m->cell[i]))
			k->cell[k->cells++] = (struct kept_cell){ i, m->cell[i] };
	memcpy(k->page, m->page, m->pages * sizeof *k->page);
	bits = k->bits;
	for (uint32_t i = 0; i < m->pages; i++)
		if (m->page[i].bits) {
			memcpy(bits, m->page[i].bits, PAGE_BYTES);
			bits += PAGE_BYTES;
		}
	k->bytes = sizeof *k + n * sizeof *k->cell + m->pages * sizeof *k->page + (uint64_t)m->mixed * PAGE_BYTES;
	return true;
}

static void clear_cells(struct map *m)
{
	memset(m->cell, 0, m->cells * sizeof *m->cell);
	for (uint32_t i = 0; i < m->cells; i++)
		m->cell[i].state[ST_NONE] = (uint32_t)map_cell_blocks(m, i);
}

/* The page as it was, with its own bits, or without any. */
static bool bring_page_back(struct page *p, const struct page *was, const uint8_t *bits)
{
	uint8_t *mine = p->bits;

	*p = *was;
	p->bits = mine;
	if (!was->bits) {
		free(p->bits);
		p->bits = NULL;
		return true;
	}
	if (!p->bits && !(p->bits = malloc(PAGE_BYTES)))
		return false;
	memcpy(p->bits, bits, PAGE_BYTES);
	return true;
}

bool map_bring_back(struct map *m, const struct map_kept *k)
{
	const uint8_t *bits = k->bits;

	clear_cells(m);
	for (uint32_t i = 0; i < k->cells; i++)
		m->cell[k->cell[i].at] = k->cell[i].cell;
	for (uint32_t i = 0; i < m->pages; i++) {
		if (!bring_page_back(&m->page[i], &k->page[i], bits))
			return false;
		bits += k->page[i].bits ? PAGE_BYTES : 0;
	}
	m->mixed = k->m.mixed;
	m->coarse = k->m.coarse;
	return true;
}

void map_kept_free(struct map_kept *k)
{
	free(k->cell);
	free(k->page);
	free(k->bits);
	*k = (struct map_kept){ 0 };
}
