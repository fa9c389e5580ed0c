/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>
#include "unit/test.h"
#include "base/util.h"
#include "view/units.h"

static struct err e;

struct seen {
	const struct units *u;
	struct area a;
	uint64_t next, n; /* where the last one ended; how many there were */
	bool tiled;
};

static void see(void *arg, size_t i, uint64_t off, uint64_t len)
{
	struct seen *s = arg;
	uint32_t x = s->a.x + (uint32_t)(i % s->a.w), y = s->a.y + (uint32_t)(i / s->a.w), px, py;
	uint64_t at = 0, room = 0;

	CHECK(units_range(s->u, x, y, &at, &room));
	CHECK_EQ_U(at, off);
	CHECK_EQ_U(room, len);
	units_place(s->u, off + len - 1, &px, &py);
	CHECK(px == x && py == y);
	CHECK(off >= s->next);
	if (s->tiled)
		CHECK_EQ_U(off, s->next);
	s->next = off + len;
	s->n++;
}

/* All of it: each byte is in one unit, and both ways agree. */
static void check_all(const struct map *m, bool hilbert, unsigned zoom)
{
	struct units u = units_of(m, 0, hilbert, zoom);
	struct seen s = { .u = &u, .a = { 0, 0, u.w, u.h }, .tiled = true };

	units_walk(&u, s.a, see, &s);
	CHECK_EQ_U(s.next, m->size);
	CHECK_EQ_U(s.n, (m->size + (1ull << u.unit_shift) - 1) >> u.unit_shift);
}

TEST(units_tile_the_disk_in_both_orders)
{
	static const uint64_t sizes[] = { 1, 4096, 100000, MIB(3) + 5 };

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct map m;
		CHECK(map_init(&m, sizes[i], &e) == 0);
		check_all(&m, false, 0);
		check_all(&m, true, 0);
		map_free(&m);
	}
}

TEST(zoomed_units_tile_the_disk_in_both_orders)
{
	struct map m;

	CHECK(map_init(&m, MIB(2100) + 4096, &e) == 0); /* two blocks in a cell: cut in four, units are halves */
	CHECK_EQ_U(m.per_cell, 2);
	CHECK_EQ_U(units_zoom_max(&m), 1);
	check_all(&m, false, 9);
	check_all(&m, true, 9);
	map_free(&m);
}

TEST(an_area_is_the_same_part_of_the_whole)
{
	struct map m;

	CHECK(map_init(&m, 16ull << 40, &e) == 0);
	CHECK_EQ_U(units_zoom_max(&m), 7);
	for (int hilbert = 0; hilbert < 2; hilbert++)
		for (unsigned zoom = 0; zoom <= 7; zoom++) {
			struct units u = units_of(&m, 0, hilbert, zoom);
			struct seen s = { .u = &u, .a = { u.w / 3, u.h / 2 - 7, 70, 50 } };
			units_walk(&u, s.a, see, &s);
			CHECK_EQ_U(s.n, 70 * 50);
			s = (struct seen){ .u = &u, .a = { u.w - 3, u.h - 2, 10, 10 } };
			units_walk(&u, s.a, see, &s);
			CHECK_EQ_U(s.n, 6);
		}
	map_free(&m);
}

TEST(units_without_zoom_are_the_cells_of_the_grid)
{
	struct map m;

	CHECK(map_init(&m, MIB(50), &e) == 0);
	map_set_cols(&m, 77);
	for (int hilbert = 0; hilbert < 2; hilbert++) {
		struct units u = units_of(&m, 0, hilbert, 0);
		struct grid g = grid_of(&m, hilbert);
		CHECK(u.w == g.cols && u.h == g.rows);
		for (uint32_t i = 0; i < m.cells; i += 13) {
			unsigned gx, gy;
			uint32_t x, y;
			grid_place(&g, i, &gx, &gy);
			units_place(&u, (uint64_t)i << m.cell_shift, &x, &y);
			CHECK(x == gx && y == gy);
		}
	}
	map_free(&m);
}

TEST(units_zoom_keeps_a_cell_in_its_square)
{
	struct map m;

	CHECK(map_init(&m, 1ull << 40, &e) == 0);
	for (int hilbert = 0; hilbert < 2; hilbert++) {
		struct units far = units_of(&m, 0, hilbert, 0), near = units_of(&m, 0, hilbert, 3);
		for (uint64_t off = 0; off < m.size; off += (1ull << 33) + 4096 * 777) {
			uint32_t x, y, zx, zy;
			units_place(&far, off, &x, &y);
			units_place(&near, off, &zx, &zy);
			CHECK(zx >> 3 == x && zy >> 3 == y);
		}
	}
	map_free(&m);
}

/* The unit that the byte at off lies in. */
static struct unit unit_at(const struct map *m, unsigned zoom, uint64_t off, uint64_t now)
{
	struct units u = units_of(m, 0, true, zoom);
	struct area a = { .w = 3, .h = 3 };
	struct unit to[9];
	uint32_t x, y;

	units_place(&u, off, &x, &y);
	a.x = x ? x - 1 : 0;
	a.y = y ? y - 1 : 0;
	units_fill(&u, m, a, now, 0, to);
	return to[(y - a.y) * 3 + (x - a.x)];
}

TEST(units_tell_states_block_by_block)
{
	struct map m;
	struct unit u;

	CHECK(map_init(&m, 64ull << 30, &e) == 0); /* 32 blocks in a cell */
	map_suffer(&m, (1ull << 30) + 4096 * 3, 4096, ST_WRITE);
	map_suffer(&m, (1ull << 30) + 4096 * 4, 4096 * 20, ST_TRIM);
	map_touch(&m, (1ull << 30) + 4096 * 3, 4096, CL_WRITE, NS_PER_S);
	u = unit_at(&m, 0, (1ull << 30), NS_PER_S);
	CHECK(u.state == ST_TRIM && u.share == 1 && u.class == CL_WRITE + 1 && u.glow == 255);
	u = unit_at(&m, 3, (1ull << 30) + 4096 * 3, 3 * NS_PER_S);
	CHECK(u.state == ST_WRITE && u.share == 0 && u.class == CL_WRITE + 1 && u.glow == 1);
	u = unit_at(&m, 3, (1ull << 30) + 4096 * 4, 9 * NS_PER_S);
	CHECK(u.state == ST_TRIM && u.share == 0 && u.class == 0 && u.glow == 0);
	u = unit_at(&m, 3, (1ull << 30) + 4096 * 2, 9 * NS_PER_S);
	CHECK(u.state == ST_NONE && u.share == 0);
	u = unit_at(&m, 1, (1ull << 30), 9 * NS_PER_S); /* a quarter of the cell: 8 blocks */
	CHECK(u.state == ST_TRIM && u.share == 1);
	map_free(&m);
}

TEST(units_beyond_the_disk_are_outside)
{
	struct map m;
	struct unit to[16];

	CHECK(map_init(&m, 4096 * 5, &e) == 0);
	map_set_cols(&m, 2);
	struct units u = units_of(&m, 0, false, 0);
	units_fill(&u, &m, (struct area){ 0, 0, 4, 4 }, 1, 0, to);
	for (unsigned i = 0; i < 16; i++)
		CHECK_EQ_U(to[i].state, i % 4 < 2 && i / 4 * 2 + i % 4 < 5 ? ST_NONE : UNIT_OUTSIDE);
	units_fill(&u, &m, (struct area){ UINT32_MAX - 1, UINT32_MAX - 1, 4, 4 }, 1, 0, to);
	CHECK_EQ_U(to[0].state, UNIT_OUTSIDE);
	map_free(&m);
	CHECK(map_init(&m, 0, &e) == 0);
	u = units_of(&m, 5, true, 5);
	units_fill(&u, &m, (struct area){ 0, 0, 4, 4 }, 1, 0, to);
	CHECK_EQ_U(to[0].state, UNIT_OUTSIDE);
	map_free(&m);
}

TEST(blocks_are_counted_as_they_are_told_one_by_one)
{
	struct map m;

	CHECK(map_init(&m, MIB(64), &e) == 0);
	srand(7);
	for (unsigned i = 0; i < 3000; i++)
		map_suffer(&m, (uint64_t)(rand() % 16000) * 4096, (uint64_t)(rand() % 30) * 4096, (enum state)(1 + rand() % 3));
	for (unsigned i = 0; i < 300; i++) {
		uint64_t first = (uint64_t)(rand() % 10000), n = (uint64_t)(rand() % 6000), got[STATES], want[STATES] = { 0 };
		map_count(&m, first, n, got);
		for (uint64_t b = first; b < first + n; b++)
			want[map_block_state(&m, b)]++;
		for (unsigned s = 0; s < STATES; s++)
			CHECK_EQ_U(got[s], want[s]);
	}
	map_free(&m);
}
