/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>
#include <string.h>
#include "unit/test.h"
#include "base/util.h"
#include "view/parts.h"

static struct err e;
static struct map m;
static struct know_region regions[64];
static struct know_volume volume;
static char names[] = "\0/\0a";
static struct know_file files[] = {
	{ .type = KNOW_DIR, .name = 1, .parent = KNOW_NO_FILE }, { .name = 3, .parent = 0, .inode = 12 },
};
static struct know_map k;

static void disk(uint64_t size, unsigned cols)
{
	CHECK(map_init(&m, size, &e) == 0);
	map_set_cols(&m, cols);
	k = (struct know_map){ .region = regions, .volume = &volume, .volumes = 1, .file = files, .files = 2, .names = names, .size = size };
}

/* The next blocks are a region. */
static void add(enum know_kind kind, uint64_t blocks)
{
	struct know_region *last = k.regions ? &regions[k.regions - 1] : NULL;
	uint64_t off = last ? last->off + last->len : 0;
	regions[k.regions++] = (struct know_region){ .off = off, .len = blocks * 4096, .kind = (uint8_t)kind, .home = KNOW_NOWHERE,
		.file = kind == KNOW_FILE_DATA ? 1 : KNOW_NO_FILE };
}

TEST(units_are_for_what_the_map_of_the_disk_says)
{
	uint8_t to[64];

	disk(64 * 4096, 8);
	add(KNOW_MBR, 1);
	add(KNOW_FREE, 7);
	add(KNOW_INODE_TABLE, 10);
	add(KNOW_FILE_DATA, 40);
	add(KNOW_FREE, 6);
	struct units u = units_of(&m, 0, false, 0);
	parts_fill(&u, &k, (struct area){ 0, 0, 8, 8 }, to);
	for (unsigned i = 0; i < 64; i++)
		CHECK_EQ_U(to[i], i < 1 ? KC_TABLE : i < 8 ? KC_NOTHING : i < 18 ? KC_INODES : i < 58 ? KC_DATA : KC_NOTHING);
	parts_fill(&u, &k, (struct area){ 6, 1, 4, 2 }, to); /* half of it outside */
	CHECK(to[0] == KC_INODES && to[1] == KC_INODES && to[2] == KC_NOTHING && to[3] == KC_NOTHING);
	CHECK(to[4] == KC_DATA && to[5] == KC_DATA && to[6] == KC_NOTHING);
	u = units_of(&m, 0, true, 0);
	parts_fill(&u, &k, (struct area){ 0, 0, 8, 8 }, to);
	unsigned inodes = 0;
	for (unsigned i = 0; i < 64; i++)
		inodes += to[i] == KC_INODES;
	CHECK_EQ_U(inodes, 10);
	CHECK_EQ_U(to[0], KC_TABLE);
	map_free(&m);
}

TEST(a_unit_of_several_parts_is_the_rarest_or_the_largest)
{
	uint8_t to[2];

	disk(MIB(2048) * 16, 1024); /* 16 blocks in a cell */
	add(KNOW_FILE_DATA, 9);
	add(KNOW_DIRECTORY, 6);
	add(KNOW_BLOCK_BITMAP, 1);
	add(KNOW_FILE_DATA, 9);
	add(KNOW_DIRECTORY, 7);
	add(KNOW_FREE, 1 << 20);
	struct units u = units_of(&m, 0, false, 0);
	parts_fill(&u, &k, (struct area){ 0, 0, 2, 1 }, to);
	CHECK(to[0] == KC_BITMAP && to[1] == KC_DATA);
	map_free(&m);
}

/* Each unit of the box belongs to the bytes, and it is as large as it must be at least. */
static void check_box(const struct units *u, uint64_t off, uint64_t len)
{
	struct area b = parts_box(u, off, len);
	uint64_t first = off >> u->unit_shift, last = (off + len - 1) >> u->unit_shift;

	CHECK(b.w > 0 && b.h > 0);
	for (uint32_t i = 0; i < b.w * b.h; i++) {
		uint64_t at, n;
		CHECK(units_range(u, b.x + i % b.w, b.y + i / b.w, &at, &n));
		CHECK(at >> u->unit_shift >= first && at >> u->unit_shift <= last);
	}
	/* a third of it, or a square of the four that it could be cut in */
	CHECK((uint64_t)b.w * b.h * (u->grid.hilbert ? 16 : 4u << 2 * u->zoom) >= last - first + 1);
}

TEST(a_name_is_put_where_all_is_of_its_part)
{
	disk(MIB(2048) * 16, 1024);
	srand(3);
	for (int hilbert = 0; hilbert < 2; hilbert++)
		for (unsigned zoom = 0; zoom < 3; zoom++) {
			struct units u = units_of(&m, 0, hilbert, zoom);
			for (unsigned i = 0; i < 60; i++) {
				uint64_t off = (uint64_t)(rand() % (1 << 20)) * 4096, len = (uint64_t)(1 + rand() % (1 << (1 + rand() % 19))) * 4096;
				check_box(&u, off, len);
			}
		}
	map_free(&m);
}

TEST(parts_are_found_the_largest_first)
{
	struct part p[3];
	char text[100];

	disk(64 * 4096, 8);
	add(KNOW_MBR, 1);
	add(KNOW_FREE, 7);
	add(KNOW_JOURNAL_SUPER, 1);
	add(KNOW_JOURNAL_REST, 9);
	add(KNOW_FILE_DATA, 30);
	add(KNOW_FILE_DATA, 2);
	add(KNOW_FREE, 14);
	struct units u = units_of(&m, 0, false, 0);
	struct area all = { 0, 0, 8, 8 };
	CHECK_EQ_U(parts_find(&u, &k, all, 1, p, 3), 3);
	CHECK(p[0].class == KC_DATA && p[0].regions == 2 && p[0].box.w == 8 && p[0].box.h == 3 && p[0].box.y == 3);
	CHECK(strcmp(part_words(&k, &p[0], text, sizeof text), "/a") == 0);
	CHECK(p[1].class == KC_JOURNAL && p[1].box.w == 8 && p[1].box.h == 1 && p[1].box.y == 1);
	CHECK(strcmp(part_words(&k, &p[1], text, sizeof text), "journal") == 0);
	CHECK(p[2].class == KC_TABLE);
	CHECK_EQ_U(parts_find(&u, &k, all, 2, p, 3), 2);
	CHECK_EQ_U(parts_find(&u, &k, all, 1, p, 1), 1);
	CHECK(p[0].class == KC_DATA);
	CHECK_EQ_U(parts_find(&u, &k, (struct area){ 0, 4, 3, 2 }, 1, p, 3), 1);
	CHECK(p[0].box.x == 0 && p[0].box.y == 4 && p[0].box.w == 3 && p[0].box.h == 2);
	CHECK_EQ_U(parts_find(&u, &k, all, 1, p, 0), 0);
	map_free(&m);
}
