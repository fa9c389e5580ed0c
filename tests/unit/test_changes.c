/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>
#include "base/util.h"
#include "story/changes.h"
#include "test.h"

#define K 1024ull

/* A root with two directories, and three files in the first one: in an array, to be changed. */
enum { ROOT, DIR_A, DIR_B, ONE, TWO, THREE, FILES };
static const char names[] = "\0/\0a\0b\0one\0two\0three\0new";
enum { N_ROOT = 1, N_A = 3, N_B = 5, N_ONE = 7, N_TWO = 11, N_THREE = 15, N_NEW = 21 };

struct disk {
	struct know_file file[FILES + 1];
	struct know_region region[8];
	struct know_volume volume[1];
	struct know_map map;
};

static void make(struct disk *d)
{
	const struct know_region free_space = { .off = 90 * K, .len = 10 * K, .kind = KNOW_FREE, .home = KNOW_NOWHERE,
		.file = KNOW_NO_FILE };
	*d = (struct disk){
		.file = {
			{ .inode = 2, .parent = KNOW_NO_FILE, .type = KNOW_DIR, .name = N_ROOT },
			{ .inode = 12, .parent = ROOT, .type = KNOW_DIR, .name = N_A, .life = 5 },
			{ .inode = 13, .parent = ROOT, .type = KNOW_DIR, .name = N_B, .life = 6 },
			{ .inode = 14, .parent = DIR_A, .type = KNOW_REGULAR, .name = N_ONE, .size = 10 * K, .life = 7, .links = 1,
				.mode = 0100644 },
			{ .inode = 15, .parent = DIR_A, .type = KNOW_REGULAR, .name = N_TWO, .size = 10 * K, .links = 1 },
			{ .inode = 16, .parent = DIR_A, .type = KNOW_LINK, .name = N_THREE, .life = 8 },
		},
		.region = {
			{ .off = 0, .len = 40 * K, .kind = KNOW_SUPERBLOCK, .home = KNOW_NOWHERE, .file = KNOW_NO_FILE },
			{ .off = 40 * K, .len = K, .kind = KNOW_DIRECTORY, .home = KNOW_NOWHERE, .file = ROOT },
			{ .off = 41 * K, .len = K, .kind = KNOW_DIRECTORY, .home = KNOW_NOWHERE, .file = DIR_A },
			{ .off = 42 * K, .len = 8 * K, .kind = KNOW_DIRECTORY, .home = KNOW_NOWHERE, .file = DIR_B },
			{ .off = 50 * K, .len = 10 * K, .kind = KNOW_FILE_DATA, .home = 0, .file = ONE },
			{ .off = 60 * K, .len = 30 * K, .kind = KNOW_FILE_DATA, .home = 0, .file = TWO },
			free_space,
		},
		.volume = { { .len = 100 * K, .block = K, .format = "ext4" } },
	};
	d->map = (struct know_map){ .region = d->region, .regions = 7, .volume = d->volume, .volumes = 1, .file = d->file, .files = FILES,
		.names = (char *)(uintptr_t)names, .size = 100 * K };
}

static struct disk before, after;
static struct changes c;

/* How many changes there are, of all sorts. */
static uint64_t find(const struct spans *written)
{
	static const struct spans none;
	uint64_t n = 0;
	changes_find(&c, &before.map, &after.map, written ? written : &none);
	for (unsigned i = 0; i < CHANGES && !c.failed; i++)
		n += c.of[i].files + c.of[i].dirs + c.of[i].links;
	return c.failed ? UINT64_MAX : n;
}

static void begin(void)
{
	make(&before);
	make(&after);
}

TEST(nothing_changed)
{
	begin();
	CHECK_EQ_U(find(NULL), 0);
}

TEST(a_file_has_another_name_or_directory)
{
	begin();
	after.file[ONE].name = N_NEW;
	CHECK_EQ_U(find(NULL), 1);
	CHECK(c.of[CH_RENAMED].files == 1 && c.of[CH_RENAMED].was[0] == ONE && c.of[CH_RENAMED].is[0] == ONE && !c.of[CH_RENAMED].over[0]);
	after.file[ONE].name = N_ONE;
	after.file[ONE].parent = DIR_B;
	CHECK(find(NULL) == 1 && c.of[CH_RENAMED].files == 1);
	after.file[ONE].size = 12 * K; /* and was written to: both */
	CHECK(find(NULL) == 2 && c.of[CH_RENAMED].files == 1 && c.of[CH_GREW].files == 1);
}

TEST(a_directory_is_moved_and_what_is_in_it_is_no_news)
{
	begin();
	after.file[DIR_A].parent = DIR_B;
	after.file[DIR_A].links = before.file[DIR_A].links = 3; /* a directory has names of its own in those below */
	CHECK(find(NULL) == 1 && c.of[CH_RENAMED].dirs == 1 && c.of[CH_RENAMED].was[0] == DIR_A);
}

TEST(an_inode_that_was_given_to_another_file_is_no_renamed_one)
{
	begin();
	after.file[ONE].name = N_NEW;
	after.file[ONE].life = 99;
	CHECK(find(NULL) == 2 && c.of[CH_GONE].files == 1 && c.of[CH_NEW].files == 1);
	after.file[ONE].name = N_ONE; /* of the same name */
	CHECK(find(NULL) == 1 && c.of[CH_REPLACED].files == 1);
}

TEST(without_a_life_the_content_tells_whether_it_is_the_same_file)
{
	struct spans written = { 0 };
	begin();
	after.file[TWO].name = N_NEW;
	CHECK(find(NULL) == 1 && c.of[CH_RENAMED].files == 1);
	spans_add(&written, 60 * K, 61 * K);
	CHECK(find(&written) == 2 && c.of[CH_GONE].files == 1 && c.of[CH_NEW].files == 1);
	after.region[5].off = 61 * K; /* it lies elsewhere */
	CHECK(find(NULL) == 2 && c.of[CH_GONE].files == 1 && c.of[CH_NEW].files == 1);
	spans_free(&written);
}

TEST(a_name_is_taken_over)
{
	begin();
	after.file[TWO].name = N_ONE; /* mv two one */
	after.file[ONE].flags = KNOW_DELETED;
	CHECK(find(NULL) == 1 && c.of[CH_RENAMED].files == 1 && c.of[CH_RENAMED].over[0]);
	begin();
	after.file[ONE].name = N_NEW; /* mv one new; another one */
	after.file[FILES] = (struct know_file){ .inode = 20, .parent = DIR_A, .type = KNOW_REGULAR, .name = N_ONE };
	after.map.files++;
	CHECK(find(NULL) == 2 && c.of[CH_RENAMED].files == 1 && c.of[CH_NEW].files == 1 && c.of[CH_NEW].is[0] == FILES);
}

TEST(two_files_change_their_names)
{
	begin();
	after.file[TWO].name = N_ONE;
	after.file[ONE].name = N_TWO;
	CHECK(find(NULL) == 2 && c.of[CH_RENAMED].files == 2 && !c.of[CH_RENAMED].over[0] && !c.of[CH_RENAMED].over[1]);
}

TEST(length_space_names_and_permissions)
{
	begin();
	after.file[ONE].size = K;
	after.file[TWO].links = 2;
	after.region[5].len = 20 * K;
	after.region[6].off = 80 * K;
	CHECK(find(NULL) == 3 && c.of[CH_SHRANK].files == 1 && c.of[CH_LINKS].files == 1 && c.of[CH_SPACE].files == 1);
	CHECK(c.of[CH_SPACE].space_was[0] == 30 * K && c.of[CH_SPACE].space_is[0] == 20 * K);
	after.file[ONE].mode = 0100600;
	CHECK(find(NULL) == 4 && c.of[CH_MODE].files == 1);
	after.file[TWO].name = N_NEW; /* one of its names: which one the map has means nothing */
	CHECK(find(NULL) == 4);
	/* of what is shared, space is not told */
	after.map.share = &after.region[5];
	after.map.shares = 1;
	CHECK(find(NULL) == 3 && c.of[CH_SPACE].files == 0);
}

TEST(what_has_no_inode_goes_by_its_place)
{
	begin();
	for (unsigned i = 0; i < FILES; i++) {
		before.file[i].inode = after.file[i].inode = 0;
		before.file[i].life = after.file[i].life = 0;
	}
	CHECK_EQ_U(find(NULL), 0);
	after.file[ONE].name = N_NEW;
	after.file[DIR_B].name = N_THREE;
	CHECK(find(NULL) == 2 && c.of[CH_RENAMED].files == 1 && c.of[CH_RENAMED].dirs == 1);
	begin();
	for (unsigned i = 0; i < FILES; i++)
		before.file[i].inode = after.file[i].inode = 0;
	after.region[4].kind = KNOW_FREE; /* its content is elsewhere now, and longer */
	after.region[4].file = KNOW_NO_FILE;
	after.region[6].kind = KNOW_FILE_DATA;
	after.region[6].file = ONE;
	after.file[ONE].size = 10 * K + 1;
	CHECK(find(NULL) == 1 && c.of[CH_GREW].files == 1);
}

TEST(inodes_of_one_number_in_several_trees_are_told_apart_by_their_names)
{
	begin();
	for (unsigned i = ONE; i <= TWO; i++)
		before.file[i].inode = after.file[i].inode = 257;
	CHECK_EQ_U(find(NULL), 0);
	after.file[ONE].name = N_NEW;
	CHECK(find(NULL) == 2 && c.of[CH_NEW].files == 1 && c.of[CH_GONE].files == 1);
}

TEST(many_are_counted_and_few_are_named)
{
	static struct know_file many[1000];
	begin();
	for (unsigned i = 0; i < ARRAY_LEN(many); i++)
		many[i] = (struct know_file){ .inode = 100 + i, .parent = ROOT, .type = i % 2 ? KNOW_REGULAR : KNOW_DIR, .name = N_NEW };
	memcpy(many, after.file, FILES * sizeof *many);
	after.map.file = many;
	after.map.files = ARRAY_LEN(many);
	CHECK_EQ_U(find(NULL), ARRAY_LEN(many) - FILES);
	CHECK(c.of[CH_NEW].files == 497 && c.of[CH_NEW].dirs == 497 && c.of[CH_NEW].names == CHANGES_NAMED);
	for (unsigned i = 0; i < CHANGES_NAMED; i++)
		CHECK(many[c.of[CH_NEW].is[i]].type == KNOW_REGULAR);
}
