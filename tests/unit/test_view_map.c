/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>
#include "unit/test.h"
#include "view/curve.h"

static struct err e;

TEST(sixty_four_mib_are_128_rows_of_half_a_megabyte)
{
	struct map m;
	CHECK(map_init(&m, MIB(64), &e) == 0);
	CHECK_EQ_U(m.block, 4096);
	CHECK_EQ_U(m.cols, 128);
	CHECK_EQ_U(m.rows, 128);
	CHECK_EQ_U(m.per_cell, 1);
	CHECK_EQ_U((uint64_t)m.cols << m.cell_shift, KIB(512));
	map_free(&m);
}

TEST(one_pixel_is_one_block_while_that_fits)
{
	struct map m;
	CHECK(map_init(&m, MIB(2048), &e) == 0);
	CHECK_EQ_U(m.per_cell, 1);
	map_free(&m);
	CHECK(map_init(&m, MIB(2048) + 1, &e) == 0);
	CHECK_EQ_U(m.per_cell, 2);
	map_free(&m);
}

TEST(every_size_has_a_map_that_fits_the_picture)
{
	static const uint64_t sizes[] = {
		0, 1, 511, 4096, 4097, 40960, 1234567, MIB(1), MIB(3), MIB(100), MIB(1000), MIB(1024), 5000000000,
			10737418240,
		1099511627776, 17592186044416, 17592186044417, 1ull << 50, 1ull << 62, INT64_MAX, UINT64_MAX,
	};
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct map m;
		CHECK(map_init(&m, sizes[i], &e) == 0);
		CHECK(m.cols >= 1 && m.cols <= MAP_COLS_MAX && m.rows >= 1 && m.rows <= MAP_ROWS_MAX);
		CHECK((uint64_t)m.cols * m.rows >= m.cells);
		CHECK(m.cells <= MAP_CELLS_MAX && m.blocks <= MAP_BLOCKS_MAX);
		CHECK((unsigned __int128)m.cells << m.cell_shift >= sizes[i]);
		uint64_t sum = 0;
		for (uint32_t c = 0; c < m.cells; c++)
			sum += m.cell[c].state[ST_NONE];
		CHECK_EQ_U(sum, m.blocks);
		uint64_t len = UINT64_MAX;
		map_clip(&m, 0, &len);
		map_suffer(&m, 0, len, ST_TRIM);
		map_touch(&m, 0, len, CL_TRIM, 5);
		map_suffer(&m, len / 2, len - len / 2, ST_WRITE);
		sum = 0;
		for (uint32_t c = 0; c < m.cells; c++) {
			CHECK_EQ_U(m.cell[c].state[ST_NONE], 0);
			CHECK_EQ_U(m.cell[c].ops[CL_TRIM], 1);
			sum += m.cell[c].state[ST_WRITE] + m.cell[c].state[ST_TRIM];
		}
		CHECK_EQ_U(sum, m.blocks);
		map_free(&m);
	}
}

TEST(the_rows_width_stays_within_what_fits)
{
	struct map m;
	CHECK(map_init(&m, MIB(64), &e) == 0);
	CHECK_EQ_U(map_set_cols(&m, 100), 100);
	CHECK_EQ_U(m.rows, 164);
	CHECK_EQ_U(map_set_cols(&m, 1), 22); /* 16384 cells in at most 768 rows */
	CHECK(m.rows <= MAP_ROWS_MAX);
	CHECK_EQ_U(map_set_cols(&m, 100000), MAP_COLS_MAX);
	map_free(&m);
}

TEST(an_unaligned_request_colours_each_block_it_touches)
{
	struct map m;
	CHECK(map_init(&m, MIB(1), &e) == 0);
	map_suffer(&m, 4095, 2, ST_WRITE);
	CHECK_EQ_U(map_block_state(&m, 0), ST_WRITE);
	CHECK_EQ_U(map_block_state(&m, 1), ST_WRITE);
	CHECK_EQ_U(map_block_state(&m, 2), ST_NONE);
	map_suffer(&m, 8192, 4096, ST_ZERO);
	CHECK_EQ_U(map_block_state(&m, 1), ST_WRITE);
	CHECK_EQ_U(map_block_state(&m, 2), ST_ZERO);
	CHECK_EQ_U(map_block_state(&m, 3), ST_NONE);
	map_suffer(&m, 0, 0, ST_TRIM);
	CHECK_EQ_U(map_block_state(&m, 0), ST_WRITE);
	CHECK_EQ_U(m.cell[0].state[ST_WRITE], 1);
	map_free(&m);
}

TEST(what_lies_beyond_the_disk_is_cut_off)
{
	struct map m;
	uint64_t len = 100;
	CHECK(map_init(&m, 1000, &e) == 0);
	CHECK_EQ_U(map_clip(&m, 950, &len), 50);
	CHECK_EQ_U(len, 50);
	len = UINT64_MAX;
	CHECK_EQ_U(map_clip(&m, UINT64_MAX, &len), UINT64_MAX);
	CHECK_EQ_U(len, 0);
	len = 1000;
	CHECK_EQ_U(map_clip(&m, 0, &len), 0);
	map_free(&m);
}

/* The map against an array of bytes, one per block. */
static bool agrees(const struct map *m, const uint8_t *truth)
{
	for (uint32_t c = 0; c < m->cells; c++) {
		uint32_t n[STATES] = { 0 };
		for (uint64_t b = 0; b < map_cell_blocks(m, c); b++) {
			uint64_t block = c * m->per_cell + b;
			n[truth[block]]++;
			if (map_block_state(m, block) != truth[block])
				return false;
		}
		if (memcmp(n, m->cell[c].state, sizeof n))
			return false;
	}
	return true;
}

static void random_requests(struct map *m, uint8_t *truth, unsigned seed)
{
	srand(seed);
	for (int i = 0; i < 600; i++) {
		uint64_t off = ((uint64_t)rand() << 20 ^ (uint64_t)rand()) % m->size;
		uint64_t len = 1 + (uint64_t)rand() % (i % 5 ? 20000 : m->size / 3);
		enum state s = (enum state)(1 + rand() % 3);
		map_clip(m, off, &len);
		map_suffer(m, off, len, s);
		memset(truth + off / m->block, (int)s, (off + len - 1) / m->block - off / m->block + 1);
	}
}

TEST(counts_are_exact_whatever_the_cell_holds)
{
	static const uint64_t sizes[] = { 4096 * 5000 - 100, MIB(64), MIB(2048) + 12345, 5000000000, 40000000001 };
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct map m;
		CHECK(map_init(&m, sizes[i], &e) == 0);
		uint8_t *truth = calloc(m.blocks, 1);
		random_requests(&m, truth, (unsigned)i);
		bool good = agrees(&m, truth);
		free(truth);
		CHECK(good);
		CHECK_EQ_U(m.coarse, 0);
		map_free(&m);
	}
}

TEST(a_page_in_one_state_owns_no_memory)
{
	struct map m;
	CHECK(map_init(&m, 1ull << 44, &e) == 0);
	map_suffer(&m, 0, 1ull << 44, ST_TRIM);
	CHECK_EQ_U(m.mixed, 0);
	map_suffer(&m, 4096, 4096, ST_WRITE);
	CHECK_EQ_U(m.mixed, 1);
	map_suffer(&m, 0, MIB(16), ST_ZERO);
	CHECK_EQ_U(m.mixed, 0);
	map_free(&m);
}

TEST(past_the_memory_limit_pages_only_count)
{
	struct map m;
	CHECK(map_init(&m, 1ull << 44, &e) == 0);
	m.mixed_max = 2;
	for (uint64_t i = 0; i < 100; i++)
		map_suffer(&m, i * MIB(32), 4096, ST_WRITE);
	CHECK_EQ_U(m.mixed, 2);
	CHECK(m.coarse > 0);
	for (uint64_t i = 0; i < 100; i++)
		CHECK_EQ_U(m.cell[i].state[ST_WRITE], 1);
	map_suffer(&m, 0, 1ull << 44, ST_ZERO); /* exact again */
	CHECK_EQ_U(m.cell[50].state[ST_ZERO], 8192);
	CHECK_EQ_U(map_block_state(&m, 50 * 8192), ST_ZERO);
	map_free(&m);
}

TEST(the_class_with_most_blocks_names_the_cell)
{
	struct cell c = { .state = { 1000, 3, 2, 0 } };
	CHECK_EQ_U(cell_state(&c), ST_WRITE);
	c.state[ST_ZERO] = 4;
	CHECK_EQ_U(cell_state(&c), ST_ZERO);
	c = (struct cell){ .state = { 8, 0, 0, 0 } };
	CHECK_EQ_U(cell_state(&c), ST_NONE);
}

/* ---- where cells lie ---- */

static unsigned distance(unsigned a, unsigned b) { return a > b ? a - b : b - a; }

static void check_grid(uint64_t size, bool hilbert)
{
	struct map m;
	CHECK(map_init(&m, size, &e) == 0);
	struct grid g = grid_of(&m, hilbert);
	unsigned px = 0, py = 0;
	CHECK((uint64_t)g.cols * g.rows >= m.cells);
	CHECK(g.cols <= MAP_COLS_MAX && g.rows <= MAP_ROWS_MAX);
	for (uint32_t i = 0; i < m.cells; i++) {
		unsigned x, y;
		uint32_t back;
		grid_place(&g, i, &x, &y);
		CHECK(x < g.cols && y < g.rows);
		CHECK(grid_cell(&g, x, y, &back) && back == i);
		if (hilbert && i)
			CHECK_EQ_U(distance(x, px) + distance(y, py), 1);
		px = x;
		py = y;
	}
	map_free(&m);
}

TEST(every_cell_has_its_own_place)
{
	check_grid(MIB(64), false);
	check_grid(1234567890, false);
}

TEST(along_the_hilbert_curve_neighbours_touch)
{
	check_grid(4096, true);
	check_grid(8192, true);
	check_grid(MIB(1), true);
	check_grid(MIB(64), true);
	check_grid(MIB(100), true);
	check_grid(1ull << 44, true); /* two squares side by side */
}
