/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include "unit/test.h"
#include "view/glow.h"
#include "view/paint.h"

#define T0 (1000 * NS_PER_S)

static struct model m;
static struct canvas c;
static struct timeline line;
static struct scene s;
static struct err e;

static void open_screen(uint64_t size, const struct palette *p)
{
	line = (struct timeline){ 0 };
	CHECK(model_init(&m, size, &e) == 0);
	CHECK(canvas_init(&c, PAINT_W, PAINT_H, &e) == 0);
	s = (struct scene){ .palette = p, .start = T0, .now = T0, .end = T0 + 10 * NS_PER_S, .timeline = &line,
		.pointer_x = -1, .pointer_y = -1 };
}

static void close_screen(void)
{
	model_free(&m);
	canvas_free(&c);
}

static void request(enum ev_op op, uint64_t off, uint64_t len, int err)
{
	static uint64_t id;
	id++;
	model_event(&m, &(struct event){ .time = s.now, .conn = 1, .id = id, .kind = EV_BEGIN, .op = op,
		.off = off, .len = len }, NULL);
	if (err >= 0)
		model_event(&m, &(struct event){ .time = s.now, .conn = 1, .id = id, .kind = EV_END, .op = op,
			.err = err }, NULL);
}

static rgb pixel(int x, int y)
{
	const uint8_t *p = c.px + ((size_t)y * (size_t)c.w + (size_t)x) * 3;
	return (rgb)p[0] << 16 | (rgb)p[1] << 8 | p[2];
}

/* A pixel of the cell at a column and row of the map, by its place within the square. */
static rgb cell_pixel(unsigned col, unsigned row, int dx, int dy)
{
	struct layout l = paint_layout(c.w, c.h, &m.map, s.hilbert);
	paint_screen(&c, &m, &s);
	return pixel(l.map.x + (int)col * l.scale + dx, l.map.y + (int)row * l.scale + dy);
}

TEST(sixty_four_mib_are_scaled_by_six)
{
	open_screen(MIB(64), &palette_default);
	struct layout l = paint_layout(c.w, c.h, &m.map, false);
	CHECK_EQ_U(l.scale, 6);
	CHECK_EQ_U(l.map.w, 768);
	CHECK_EQ_U(l.map.h, 768);
	close_screen();
}

TEST(states_have_the_colours_of_the_palette)
{
	for (size_t i = 0; palettes[i]; i++) {
		open_screen(MIB(64), palettes[i]);
		request(EV_WRITE, 0, 4096, 0);
		request(EV_ZERO, 4096, 4096, 0);
		s.now += 10 * NS_PER_S; /* every flash is over */
		CHECK_EQ_U(cell_pixel(0, 0, 3, 3), palettes[i]->class[CL_WRITE]);
		CHECK_EQ_U(cell_pixel(1, 0, 0, 0), palettes[i]->class[CL_ZERO]);
		CHECK_EQ_U(cell_pixel(2, 0, 3, 3), palettes[i]->untouched);
		close_screen();
	}
	CHECK_EQ_U(palette_default.class[CL_WRITE], 0xd55e00);
	CHECK_EQ_U(palette_classic.class[CL_WRITE], 0xff0000);
	CHECK_EQ_U(palette_classic.class[CL_READ], 0x000000);
}

TEST(large_pixels_tell_classes_by_shape_too)
{
	open_screen(MIB(64), &palette_default);
	request(EV_ZERO, 0, 4096, 0);
	request(EV_TRIM, 4096, 4096, 0);
	s.now += 10 * NS_PER_S;
	CHECK(cell_pixel(0, 0, 3, 3) != cell_pixel(0, 0, 0, 0)); /* hollow */
	bool light = false, dark = false;
	for (int x = 0; x < 6; x++) {
		rgb v = cell_pixel(1, 0, x, 0);
		light |= v == palette_default.class[CL_TRIM];
		dark |= v != palette_default.class[CL_TRIM];
	}
	CHECK(light && dark); /* hatched */
	close_screen();
}

TEST(a_read_shines_while_in_flight_and_fades_in_recording_time)
{
	open_screen(MIB(64), &palette_default);
	request(EV_READ, 0, 4096, -1);
	s.now += 3600 * NS_PER_S; /* however long it takes */
	CHECK_EQ_U(cell_pixel(0, 0, 3, 3), palette_default.class[CL_READ]);
	request(EV_READ, 4096, 4096, 0);
	CHECK_EQ_U(cell_pixel(1, 0, 3, 3), palette_default.class[CL_READ]);
	s.now += FADE_HALF;
	CHECK_EQ_U(cell_pixel(1, 0, 3, 3), rgb_mix(palette_default.untouched, palette_default.class[CL_READ], 128));
	s.now += 10 * FADE_HALF;
	CHECK_EQ_U(cell_pixel(1, 0, 3, 3), palette_default.untouched);
	close_screen();
}

TEST(a_fade_never_grows_and_ends)
{
	unsigned before = 256;
	CHECK_EQ_U(fade(T0, T0), 256);
	CHECK_EQ_U(fade(T0, 0), 0);
	for (uint64_t age = 0; age < 12 * FADE_HALF; age += FADE_HALF / 50) {
		unsigned f = fade(T0 + age, T0);
		CHECK(f <= before);
		before = f;
	}
	CHECK_EQ_U(before, 0);
}

TEST(of_flashes_as_bright_the_one_that_changed_the_disk_is_seen)
{
	static const enum class rank[] = { CL_WRITE, CL_TRIM, CL_ZERO, CL_READ };
	uint64_t x = 88172645463325252u;

	for (unsigned round = 0; round < 200000; round++) {
		struct cell cell = { 0 };
		unsigned best = 0;
		enum class want = CL_READ, got;
		for (size_t i = 0; i < ARRAY_LEN(rank); i++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			/* of all ages, close together, to come, never */
			uint64_t age = x % (round % 3 ? 10 * FADE_HALF : FADE_HALF / 50);
			cell.last[rank[i]] = x >> 60 == 0 ? 0 : x >> 60 == 1 ? T0 + age : T0 - age;
		}
		for (size_t i = 0; i < ARRAY_LEN(rank); i++)
			if (fade(T0, cell.last[rank[i]]) > best) {
				best = fade(T0, cell.last[rank[i]]);
				want = rank[i];
			}
		CHECK_EQ_U(cell_glow(&cell, T0, 0, false, &got), best);
		CHECK_EQ_U(got, want);
	}
}

TEST(a_failed_request_flashes_over_what_is_there)
{
	open_screen(MIB(64), &palette_default);
	request(EV_WRITE, 0, 4096, 0);
	request(EV_WRITE, 0, 4096, 5);
	CHECK_EQ_U(cell_pixel(0, 0, 2, 2), palette_default.class[CL_ERROR]);
	s.now += 10 * NS_PER_S;
	CHECK_EQ_U(cell_pixel(0, 0, 2, 2), palette_default.class[CL_WRITE]);
	close_screen();
}

static unsigned grey_distance(rgb a, rgb b)
{
	unsigned sum = 0;
	for (int i = 0; i < 24; i += 8)
		sum += (unsigned)abs((int)(a >> i & 255) - (int)(b >> i & 255));
	return sum;
}

TEST(many_blocks_in_a_pixel_keep_one_hue_and_coverage_is_brightness)
{
	open_screen(1ull << 44, &palette_default);
	uint64_t cell = m.map.block * m.map.per_cell;
	request(EV_WRITE, 0, cell, 0);
	request(EV_WRITE, cell, cell / 2, 0);
	request(EV_WRITE, 2 * cell, 4096, 0);
	request(EV_TRIM, 3 * cell, cell, 0);
	request(EV_WRITE, 3 * cell, 4096, 0);
	s.now += 10 * NS_PER_S;
	rgb none = palette_default.untouched, full = cell_pixel(0, 0, 0, 0);
	CHECK_EQ_U(full, palette_default.class[CL_WRITE]);
	CHECK(grey_distance(cell_pixel(1, 0, 0, 0), none) < grey_distance(full, none));
	CHECK(grey_distance(cell_pixel(2, 0, 0, 0), none) < grey_distance(cell_pixel(1, 0, 0, 0), none));
	CHECK(grey_distance(cell_pixel(2, 0, 0, 0), none) > 60);                 /* one block of 8192 is seen */
	rgb trimmed = rgb_mix(none, palette_default.class[CL_TRIM], 104 + 255 * 152 / 256);
	CHECK_EQ_U(cell_pixel(3, 0, 0, 0), trimmed); /* nothing of the write's hue in it */
	close_screen();
}

TEST(the_rare_important_class_wins_the_flash)
{
	open_screen(1ull << 44, &palette_default);
	request(EV_READ, 0, 4096, -1);
	request(EV_TRIM, 0, MIB(32), 0);
	request(EV_WRITE, 0, 4096, 0);
	CHECK_EQ_U(cell_pixel(0, 0, 0, 0), palette_default.class[CL_WRITE]);
	request(EV_READ, 0, 4096, 5);
	CHECK_EQ_U(cell_pixel(0, 0, 0, 0), palette_default.class[CL_ERROR]);
	s.now += 4 * NS_PER_S;
	CHECK_EQ_U(cell_pixel(0, 0, 0, 0), palette_default.class[CL_READ]); /* still in flight */
	close_screen();
}

TEST(the_same_model_and_moment_give_the_same_picture)
{
	open_screen(MIB(64), &palette_default);
	for (uint64_t i = 0; i < 300; i++)
		request((enum ev_op)(i % 4), i * 200000 % MIB(63), 20000, i % 50 == 0);
	s.now += 100 * NS_PER_MS;
	size_t n = (size_t)c.w * (size_t)c.h * 3;
	uint8_t *first = malloc(n);
	paint_screen(&c, &m, &s);
	memcpy(first, c.px, n);
	memset(c.px, 0xa5, n);
	paint_screen(&c, &m, &s);
	bool same = !memcmp(first, c.px, n);
	free(first);
	CHECK(same);
	close_screen();
}

TEST(the_pointer_finds_the_block_that_is_drawn_there)
{
	for (int hilbert = 0; hilbert < 2; hilbert++) {
		open_screen(MIB(64), &palette_default);
		s.hilbert = hilbert;
		struct layout l = paint_layout(c.w, c.h, &m.map, hilbert);
		uint32_t cell;
		CHECK(paint_cell_at(&l, l.map.x, l.map.y, &cell) && cell == 0);
		CHECK(!paint_cell_at(&l, l.map.x - 1, l.map.y, &cell));
		CHECK(!paint_cell_at(&l, l.map.x + l.map.w, l.map.y, &cell));
		CHECK(!paint_cell_at(&l, -1, -1, &cell));
		CHECK(paint_cell_at(&l, l.map.x + 100, l.map.y + 300, &cell));
		request(EV_WRITE, (uint64_t)cell << m.map.cell_shift, 4096, 0);
		s.now += 10 * NS_PER_S;
		paint_screen(&c, &m, &s);
		CHECK_EQ_U(pixel(l.map.x + 100, l.map.y + 300), palette_default.class[CL_WRITE]);
		close_screen();
	}
}

TEST(a_click_on_the_timeline_is_a_moment_of_the_recording)
{
	open_screen(MIB(64), &palette_default);
	struct layout l = paint_layout(c.w, c.h, &m.map, false);
	uint64_t t;
	CHECK(paint_time_at(&s, &l, l.time.x, l.time.y + 5, &t) && t == s.start);
	CHECK(paint_time_at(&s, &l, l.time.x + l.time.w - 1, l.time.y + 5, &t) && t == s.end);
	CHECK(!paint_time_at(&s, &l, l.time.x + 10, l.map.y + 10, &t));
	close_screen();
}

TEST(every_disk_and_canvas_leaves_room_for_panel_and_timeline)
{
	static const uint64_t sizes[] = { 0, 1, 5000, MIB(1), MIB(64), MIB(128), MIB(512), MIB(1024), MIB(2048),
		10737418240, 1ull << 44, INT64_MAX };
	static const int shapes[][2] = { { PAINT_W, PAINT_H }, { 1920, 1080 }, { 3840, 2160 }, { PAINT_W, 2000 } };
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct map map;
		CHECK(map_init(&map, sizes[i], &e) == 0);
		for (size_t j = 0; j < 2 * ARRAY_LEN(shapes); j++) {
			int w = shapes[j / 2][0], h = shapes[j / 2][1];
			struct layout l = paint_layout(w, h, &map, j % 2);
			CHECK(l.panel.w >= 280 && l.panel.x + l.panel.w <= w);
			CHECK(l.map.y + l.map.h <= l.time.y - 10 && l.time.y + l.time.h <= h);
			CHECK(l.map.x + l.map.w < l.panel.x);
		}
		map_free(&map);
	}
}

TEST(text_is_measured_as_it_is_drawn_and_cut_where_it_must)
{
	CHECK(canvas_init(&c, 400, 100, &e) == 0);
	CHECK_EQ_U(canvas_text(&c, &font_body, 0, 0, 0xffffff, "héllo → wörld"), text_width(&font_body,
		"héllo → wörld"));
	CHECK_EQ_U(text_width(&font_body, "\xff\xfe"), 2 * text_width(&font_body, "�"));
	CHECK(text_width(&font_body, "\xf0\x9f\x92") > 0); /* cut inside a character */
	int one = canvas_paragraph(NULL, &font_body, (struct rect){ 0, 0, 400, 0 }, 3, 0, "short");
	int three = canvas_paragraph(NULL, &font_body, (struct rect){ 0, 0, 60, 0 }, 3, 0,
		"quite a few words that cannot fit");
	CHECK_EQ_U(one, font_body.line);
	CHECK_EQ_U(three, 3 * font_body.line);
	CHECK(canvas_paragraph(NULL, &font_body, (struct rect){ 0, 0, 1, 0 }, 50, 0, "narrow") > 0);
	canvas_text(&c, &font_big, 390, 90, 0xffffff, "over the edge");
	canvas_text(&c, &font_big, -50, -20, 0xffffff, "over the edge");
	canvas_free(&c);
}

/* ---- time as a map ---- */

static void answer(struct heat *h, enum ev_op op, uint64_t off, uint64_t len, uint64_t when, int err)
{
	struct event req = { .time = when, .kind = EV_BEGIN, .op = (uint8_t)op, .off = off, .len = len };
	struct event end = { .time = when, .kind = EV_END, .op = (uint8_t)op, .err = err };
	heat_event(h, &req, NULL, 1);
	heat_event(h, &end, &req, 0);
}

/* In the column of a moment, or the next, as bins and columns do not end together. */
static bool strip_shows(uint64_t when, int y, rgb colour)
{
	struct layout l = paint_layout(c.w, c.h, &m.map, false);
	int x = l.time.x + (int)((when - T0) * (uint64_t)(l.time.w - 1) / (10 * NS_PER_S));
	return pixel(x, l.time.y + y) == colour || pixel(x + 4, l.time.y + y) == colour;
}

TEST(heat_shows_when_and_where_something_happened)
{
	struct heat h;
	open_screen(MIB(64), &palette_default);
	CHECK(heat_init(&h, &e) == 0);
	heat_size(&h, MIB(64));
	heat_start(&h, T0);
	answer(&h, EV_WRITE, 0, 4096, T0 + 2 * NS_PER_S, 0);
	answer(&h, EV_READ, MIB(63), 4096, T0 + 4 * NS_PER_S, 0);
	answer(&h, EV_FLUSH, 0, 0, T0 + 6 * NS_PER_S, 0);
	answer(&h, EV_WRITE, 0, 4096, T0 + 8 * NS_PER_S, EIO);
	answer(&h, EV_FLUSH, 0, 0, T0 + 10 * NS_PER_S, 0); /* the last bin */
	s.heat = &h;
	s.now = s.end;
	paint_screen(&c, &m, &s);
	CHECK(strip_shows(T0 + 2 * NS_PER_S, 1, palette_default.class[CL_WRITE]));
	CHECK(strip_shows(T0 + 2 * NS_PER_S, 50, palette_default.untouched));
	CHECK(strip_shows(T0 + 4 * NS_PER_S, 55, palette_default.class[CL_READ]));
	CHECK(!strip_shows(T0 + 4 * NS_PER_S, 1, palette_default.class[CL_READ]));
	CHECK(strip_shows(T0 + 6 * NS_PER_S, 62, palette_default.flush));
	CHECK(strip_shows(T0 + 8 * NS_PER_S, 62, palette_default.class[CL_ERROR]));
	CHECK(strip_shows(T0 + 8 * NS_PER_S, 1, palette_default.untouched));
	s.now = T0 + 3 * NS_PER_S;
	paint_screen(&c, &m, &s);
	CHECK(strip_shows(T0 + 2 * NS_PER_S, 1, palette_default.class[CL_WRITE]));
	CHECK(!strip_shows(T0 + 4 * NS_PER_S, 55, palette_default.class[CL_READ])); /* yet to come */
	heat_free(&h);
	close_screen();
}

TEST(columns_of_time_cover_the_bins_once_or_share_one)
{
	uint64_t from, to, next = 0;
	struct scene t = { .start = T0, .now = T0, .end = T0 + 1000 * NS_PER_MS };
	for (int x = 0; x < 100; x++) {
		CHECK(scene_bins(&t, 100, x, T0, NS_PER_MS, &from, &to));
		CHECK(from == next && to == from + 10);
		next = to;
	}
	/* one that began 500 ms later has nothing in the first half */
	CHECK(!scene_bins(&t, 100, 49, T0 + 500 * NS_PER_MS, NS_PER_MS, &from, &to));
	CHECK(scene_bins(&t, 100, 50, T0 + 500 * NS_PER_MS, NS_PER_MS, &from, &to) && from == 0 && to == 10);
	CHECK(scene_bins(&t, 100, 7, T0, 512 * NS_PER_MS, &from, &to) && from == 0 && to == 1);
	CHECK(!scene_bins(&t, 100, 7, T0, 0, &from, &to));
}

/* ---- several disks ---- */

TEST(several_disks_have_a_map_each_and_the_pointer_finds_it)
{
	static const uint64_t sizes[] = { MIB(64), 1ull << 40, MIB(1), 0, MIB(300) };
	struct model other[ARRAY_LEN(sizes)];
	struct tile tile[ARRAY_LEN(sizes) + 1];
	open_screen(MIB(64), &palette_default);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		CHECK(model_init(&other[i], sizes[i], &e) == 0);
		tile[i] = (struct tile){ .name = "a", .model = &other[i], .timeline = &line };
	}
	tile[ARRAY_LEN(sizes)] = (struct tile){ .name = "awaited", .timeline = &line };
	s.tile = tile;
	for (s.tiles = 2; s.tiles <= ARRAY_LEN(tile); s.tiles++) {
		struct rect room = paint_tiles_room(c.w, c.h);
		size_t at;
		paint_screen(&c, &m, &s);
		CHECK(paint_tiles_right(&s, room) <= room.x + room.w);
		for (size_t i = 0; i < s.tiles; i++) {
			struct layout l = paint_tile_layout(&s, room, i);
			CHECK(l.map.x >= room.x && l.map.y >= room.y && l.map.x + l.map.w <= room.x + room.w);
			CHECK(l.map.y + l.map.h <= room.y + room.h);
			if (tile[i].model && tile[i].model->map.cells)
				CHECK(paint_tile_at(&s, room, l.map.x, l.map.y, &at) && at == i);
		}
		CHECK(!paint_tile_at(&s, room, -1, -1, &at));
	}
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
		model_free(&other[i]);
	close_screen();
}

TEST(a_write_shows_on_its_own_disk_even_where_cells_share_a_pixel)
{
	struct model big;
	open_screen(MIB(64), &palette_default);
	CHECK(model_init(&big, 1ull << 31, &e) == 0);
	struct tile tile[] = { { .name = "a", .model = &m, .timeline = &line }, { .name = "b", .model = &big, .timeline = &line } };
	s.tile = tile;
	s.tiles = 2;
	struct layout l = paint_tile_layout(&s, paint_tiles_room(c.w, c.h), 1);
	CHECK(l.map.w < (int)l.grid.cols);
	uint64_t off = (uint64_t)(big.map.cols * 3u + 5u) << big.map.cell_shift;
	model_event(&big, &(struct event){ .time = T0, .conn = 1, .id = 1, .kind = EV_BEGIN, .op = EV_WRITE, .off = off, .len = 4096 },
		NULL);
	model_event(&big, &(struct event){ .time = T0, .conn = 1, .id = 1, .kind = EV_END, .op = EV_WRITE }, NULL);
	paint_screen(&c, &m, &s);
	int x = l.map.x + 5 * l.map.w / (int)l.grid.cols, y = l.map.y + 3 * l.map.h / (int)l.grid.rows;
	CHECK_EQ_U(pixel(x, y), palette_default.class[CL_WRITE]);
	struct layout first = paint_tile_layout(&s, paint_tiles_room(c.w, c.h), 0);
	CHECK_EQ_U(pixel(first.map.x + 1, first.map.y + 1), palette_default.untouched);
	model_free(&big);
	close_screen();
}
