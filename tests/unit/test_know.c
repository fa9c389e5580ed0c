/* SPDX-License-Identifier: BSD-2-Clause */
/* know's core: regions on their way to a map, files and their content, words, bounds.  Decoders are played by the tests. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include "know/inside.h"
#include "unit/test.h"

struct memory {
	uint8_t bytes[1 << 16];
	uint64_t bad, bad_end;     /* cannot be read */
	unsigned reads, stop_after; /* 0: never */
};

static int read_memory(void *arg, uint64_t off, uint32_t len, void *to)
{
	struct memory *m = arg;
	m->reads++;
	if (off < m->bad_end && off + len > m->bad)
		return EIO;
	memcpy(to, m->bytes + off, len);
	return 0;
}

static bool stop_memory(void *arg)
{
	const struct memory *m = arg;
	return m->stop_after && m->reads >= m->stop_after;
}

static struct memory memory;
static struct know_disk disk = { .size = sizeof memory.bytes, .read = read_memory, .stop = stop_memory, .arg = &memory };

static struct know_build *start(void)
{
	memset(&memory, 0, sizeof memory);
	return know_begin(&disk);
}

static uint64_t next_random(uint64_t *x)
{
	*x = *x * 6364136223846793005u + 1442695040888963407u;
	return *x >> 33;
}

/* --- the sweep --- */

/* The map by painting each byte: in the order of ranks, and backwards within one, for there the first stays. */
static void paint(const struct know_build *b, uint32_t *owner, size_t n)
{
	memset(owner, 0xff, n * sizeof *owner);
	for (unsigned depth = 0; depth < KNOW_DEPTH_MAX; depth++)
		for (unsigned v = know_volumes(b); v-- > 0;)
			for (unsigned layer = 1; know_volume(b, v)->depth == depth && layer < 4; layer++) {
				if (layer == 1) /* its filling */
					for (uint64_t i = 0; i < know_volume(b, v)->len; i++)
						owner[know_volume(b, v)->off + i] = UINT32_MAX - 1 - v;
				for (size_t i = b->regions; i-- > 0;)
					for (uint64_t k = 0; b->region[i].volume == v && b->region[i].kind >> KNOW_LAYER_SHIFT == layer &&
							     k < b->region[i].len; k++)
						owner[b->region[i].off + k] = (uint32_t)i;
			}
}

TEST(the_map_is_what_painting_every_byte_would_give)
{
	static uint32_t owner[1024];
	for (uint64_t seed = 1; seed <= 300; seed++) {
		struct know_disk small = { .size = 1024, .read = read_memory, .arg = &memory };
		struct know_build *b = know_begin(&small);
		struct know_region copy[64];
		uint64_t x = seed;
		struct err e;
		for (unsigned i = 0; i < 5; i++)
			know_add_volume(b, (unsigned)(next_random(&x) % know_volumes(b)), next_random(&x) % 700, 1 + next_random(&x) % 300, 0);
		for (unsigned i = 0; i < 60; i++) {
			struct know_region r = { .off = next_random(&x) % 1024, .len = next_random(&x) % 100, .number = i,
				.home = i % 2 ? 1000000 * i : KNOW_NOWHERE, .file = KNOW_NO_FILE, .kind = KNOW_TREE_NODE };
			know_add(b, (unsigned)(next_random(&x) % know_volumes(b)), (enum know_layer)(next_random(&x) % KNOW_LAYERS), &r);
		}
		paint(b, owner, 1024);
		size_t n = b->regions;
		CHECK(n <= 64);
		memcpy(copy, b->region, n * sizeof *copy);
		struct know_map *m = know_end(b, &e);
		CHECK(m);
		uint64_t at = 0;
		for (size_t i = 0; i < m->regions; i++) {
			const struct know_region *r = &m->region[i];
			CHECK_EQ_U(r->off, at);
			CHECK(r->len);
			CHECK(!i || !know_continues(r - 1, r));
			for (; at < r->off + r->len; at++) {
				const struct know_region *o = owner[at] < n ? &copy[owner[at]] : NULL;
				CHECK_EQ_U(r->kind, o ? KNOW_TREE_NODE : KNOW_UNKNOWN);
				CHECK_EQ_U(r->volume, o ? o->volume : UINT32_MAX - 1 - owner[at]);
				CHECK_EQ_U(r->number, o ? o->number : 0);
				CHECK_EQ_U(r->home == KNOW_NOWHERE ? KNOW_NOWHERE : r->home + (at - r->off),
					   o && o->home != KNOW_NOWHERE ? o->home + (at - o->off) : KNOW_NOWHERE);
				CHECK(know_find(m, at) == r);
			}
		}
		CHECK_EQ_U(at, 1024);
		CHECK(!know_find(m, 1024));
		know_free(m);
	}
}

TEST(neighbours_that_say_the_same_become_one)
{
	struct know_build *b = start();
	struct err e;
	struct know_region data = { .off = 4096, .len = 4096, .home = 0, .file = 0, .kind = KNOW_FILE_DATA };
	const struct know_file f = { .inode = 12 };
	know_add_file(b, &f, NULL, 0);
	know_add_plain(b, 0, KNOW_LAYER_PLAIN, KNOW_INODE_TABLE, 20480, 4096, 7, 0); /* not in order */
	know_add_plain(b, 0, KNOW_LAYER_PLAIN, KNOW_INODE_TABLE, 16384, 4096, 7, 0);
	know_add(b, 0, KNOW_LAYER_PLAIN, &data);
	data.off = 8192;
	data.home = 4096; /* goes on in the file, too */
	know_add(b, 0, KNOW_LAYER_PLAIN, &data);
	data.off = 12288;
	data.home = 0; /* does not */
	know_add(b, 0, KNOW_LAYER_PLAIN, &data);
	struct know_map *m = know_end(b, &e);
	CHECK(m);
	CHECK_EQ_U(m->regions, 5);
	CHECK_EQ_U(m->region[1].len, 8192);
	CHECK_EQ_U(m->region[2].len, 4096);
	CHECK_EQ_U(m->region[3].off, 16384);
	CHECK_EQ_U(m->region[3].len, 8192);
	CHECK_STR(m->notes, "");
	know_free(m);
}

TEST(what_is_claimed_twice_stays_with_the_first_and_is_told)
{
	struct know_build *b = start();
	struct err e;
	know_add_plain(b, 0, KNOW_LAYER_PLAIN, KNOW_BLOCK_BITMAP, 4096, 4096, 3, 0);
	know_add_plain(b, 0, KNOW_LAYER_PLAIN, KNOW_INODE_BITMAP, 0, 8192, 4, 0);
	know_add_plain(b, 0, KNOW_LAYER_FREE, KNOW_FREE, 0, 65536, 0, 0); /* another layer: nobody minds */
	struct know_map *m = know_end(b, &e);
	CHECK(m);
	CHECK_EQ_U(m->region[0].kind, KNOW_INODE_BITMAP);
	CHECK_EQ_U(m->region[0].len, 4096);
	CHECK_EQ_U(m->region[1].kind, KNOW_BLOCK_BITMAP);
	CHECK_STR(m->notes, "1 place is claimed twice, the first at byte 4096 of the disk: inode bitmap of group 4; and block bitmap of group 3\n");
	know_free(m);
}

TEST(regions_are_cut_to_their_volume)
{
	struct know_build *b = start();
	struct err e;
	int v = know_add_volume(b, 0, 8192, 4096, 1);
	CHECK_EQ_U(v, 1);
	know_add_plain(b, 1, KNOW_LAYER_PLAIN, KNOW_SWAP, 2048, UINT64_MAX, 0, 0);
	know_add_plain(b, 1, KNOW_LAYER_PLAIN, KNOW_BOOT, 4096, 1, 0, 0);
	know_add_plain(b, 1, KNOW_LAYER_PLAIN, KNOW_BOOT, UINT64_MAX - 4, UINT64_MAX, 0, 0);
	know_add_plain(b, 1, KNOW_LAYER_PLAIN, KNOW_BOOT, 0, 0, 0, 0);
	struct know_map *m = know_end(b, &e);
	CHECK(m);
	CHECK_EQ_U(m->regions, 4);
	CHECK_EQ_U(m->region[2].off, 10240);
	CHECK_EQ_U(m->region[2].len, 2048);
	CHECK_EQ_U(m->region[2].kind, KNOW_SWAP);
	know_free(m);
}

TEST(an_empty_disk_has_an_empty_map)
{
	struct know_disk none = { .size = 0, .read = read_memory, .arg = &memory };
	struct err e;
	struct know_map *m = know_disk_map(&none, &e);
	CHECK(m);
	CHECK_EQ_U(m->regions, 0);
	CHECK(!know_find(m, 0));
	know_free(m);
}

TEST(sorting_is_stable_and_right_for_any_keys)
{
	static struct know_key k[5000], tmp[5000];
	static const uint64_t masks[] = { UINT64_MAX, 0xff, 0xfffff000, 1, 0, (uint64_t)1 << 63 | 1 };
	for (size_t round = 0; round < ARRAY_LEN(masks); round++) {
		uint64_t x = round;
		for (uint32_t i = 0; i < 5000; i++)
			k[i] = (struct know_key){ (next_random(&x) << 40 ^ next_random(&x)) & masks[round], i };
		know_sort(k, tmp, 5000);
		for (size_t i = 1; i < 5000; i++)
			CHECK(k[i - 1].key < k[i].key || (k[i - 1].key == k[i].key && k[i - 1].i < k[i].i));
	}
}

/* --- bounds --- */

TEST(volumes_that_do_not_lie_inside_are_refused)
{
	struct know_build *b = start();
	struct err e;
	CHECK(know_add_volume(b, 0, 0, 0, 1) < 0);
	CHECK(know_add_volume(b, 0, 65536, 1, 1) < 0);
	CHECK(know_add_volume(b, 0, 1, 65536, 1) < 0);
	CHECK(know_add_volume(b, 0, UINT64_MAX, 2, 1) < 0);
	CHECK(know_add_volume(b, 0, 2, UINT64_MAX, 1) < 0);
	CHECK_EQ_U(know_volumes(b), 1);
	int v = 0;
	for (unsigned i = 1; i < KNOW_DEPTH_MAX; i++)
		CHECK((v = know_add_volume(b, (unsigned)v, 0, 65536, 1)) > 0);
	CHECK(know_add_volume(b, (unsigned)v, 0, 65536, 1) < 0); /* too deep */
	while (know_volumes(b) < KNOW_VOLUMES_MAX)
		CHECK(know_add_volume(b, 0, 0, 512, 2) > 0);
	CHECK(know_add_volume(b, 0, 0, 512, 2) < 0);
	CHECK(know_add_volume(b, 0, 0, 512, 2) < 0);
	struct know_map *m = know_end(b, &e);
	CHECK(m);
	CHECK_STR(m->notes, "more than 1024 volumes: the others are left out\n");
	know_free(m);
}

TEST(notes_are_bounded_and_printable)
{
	struct know_build *b = start();
	struct err e;
	for (unsigned i = 0; i < KNOW_NOTES_MAX + 50; i++)
		know_note(b, 0, "a\n\033[2J");
	struct know_map *m = know_end(b, &e);
	CHECK(m);
	CHECK(strncmp(m->notes, "a??[2J\na??[2J\n", 14) == 0);
	unsigned lines = 0;
	for (const char *p = m->notes; (p = strchr(p, '\n')); p++)
		lines++;
	CHECK_EQ_U(lines, KNOW_NOTES_MAX + 1);
	CHECK(strstr(m->notes, "the last of 1000 notes"));
	know_free(m);
}

TEST(reading_ends_when_much_more_was_read_than_there_is)
{
	struct know_build *b = start();
	static uint8_t room[65536];
	struct err e;
	int rc = 0;
	for (unsigned i = 0; i < 100000 && rc == 0; i++)
		rc = know_read(b, 0, 0, sizeof room, room);
	CHECK_EQ_U(rc, ECANCELED);
	CHECK(know_stopped(b));
	CHECK(!know_peek(b, 0, 0, 1));
	struct know_map *m = know_end(b, &e);
	CHECK(m);
	CHECK(strstr(m->notes, "it refers to itself"));
	CHECK(m->bytes < MIB(257));
	know_free(m);
}

TEST(who_is_told_to_stop_makes_no_map)
{
	struct know_build *b = start();
	uint8_t room[16];
	struct err e;
	memory.stop_after = 5;
	int rc = 0;
	for (unsigned i = 0; i < 200 && rc == 0; i++)
		rc = know_read(b, 0, 0, sizeof room, room);
	CHECK_EQ_U(rc, ECANCELED);
	CHECK(!know_end(b, &e));
	CHECK_STR(e.msg, "told to stop");
}

/* --- reading --- */

TEST(what_is_peeked_at_is_what_is_there)
{
	struct know_build *b = start();
	struct err e;
	uint64_t x = 7;
	for (size_t i = 0; i < sizeof memory.bytes; i++)
		memory.bytes[i] = (uint8_t)next_random(&x);
	know_add_volume(b, 0, 1000, 60000, 1);
	for (unsigned i = 0; i < 2000; i++) {
		size_t len = 1 + next_random(&x) % (i % 3 ? 600 : 50000);
		uint64_t off = next_random(&x) % 60000;
		const uint8_t *p = know_peek(b, 1, off, len);
		CHECK(!p == (off + len > 60000));
		CHECK(!p || memcmp(p, memory.bytes + 1000 + off, len) == 0);
	}
	CHECK(memory.reads < 1500); /* the small ones were kept */
	CHECK(!know_peek(b, 1, 0, 0));
	CHECK(!know_peek(b, 1, UINT64_MAX, 2));
	know_free(know_end(b, &e));
}

TEST(a_place_that_cannot_be_read_is_told_once_and_hides_no_other)
{
	struct know_build *b = start();
	struct err e;
	uint8_t room[512];
	memory.bad = 5000;
	memory.bad_end = 5512;
	memory.bytes[4999] = 7;
	CHECK_EQ_U(know_read(b, 0, 5000, 512, room), EIO);
	CHECK(!know_peek(b, 0, 5100, 10));
	const uint8_t *p = know_peek(b, 0, 4999, 1); /* of the same block */
	CHECK(p && *p == 7);
	CHECK_EQ_U(know_read(b, 0, 65536, 1, room), EINVAL);
	CHECK_EQ_U(know_read(b, 0, 65536, 0, room), 0);
	struct know_map *m = know_end(b, &e);
	CHECK(m);
	CHECK_STR(m->notes, "cannot be read near byte 5000: Input/output error\n");
	know_free(m);
}

/* --- files --- */

TEST(content_is_put_together_from_regions)
{
	struct know_build *b = start();
	struct err e;
	const struct know_file f = { .inode = 5, .size = 10000, .parent = KNOW_NO_FILE, .volume = 1 };
	struct know_region r = { .off = 20000, .len = 100, .home = 0, .file = 0, .kind = KNOW_FILE_DATA };
	uint8_t room[10000], want[10000] = { 0 };
	uint64_t x = 9;

	for (size_t i = 0; i < sizeof memory.bytes; i++)
		memory.bytes[i] = (uint8_t)next_random(&x);
	know_add_volume(b, 0, 512, 60000, 1);
	CHECK_EQ_U(know_add_file(b, &f, "a", 1), 0);
	r.home = 5000; /* later in the file, first on the disk */
	r.off = 100;
	r.len = 1000;
	know_add(b, 1, KNOW_LAYER_PLAIN, &r);
	memcpy(want + 5000, memory.bytes + 612, 1000);
	r.home = 0;
	r.off = 3000;
	r.len = 300;
	know_add(b, 1, KNOW_LAYER_PLAIN, &r);
	memcpy(want, memory.bytes + 3512, 300);
	r.home = 200; /* overlaps: what it has beyond the first */
	r.off = 4000;
	know_add(b, 1, KNOW_LAYER_PLAIN, &r);
	memcpy(want + 300, memory.bytes + 4612, 200);
	r.home = 7000; /* these are none */
	r.off = 30000;
	r.flags = KNOW_UNWRITTEN;
	know_add(b, 1, KNOW_LAYER_PLAIN, &r);
	r.home = 8000;
	r.off = 31000;
	r.flags = KNOW_DELETED;
	know_add(b, 1, KNOW_LAYER_PLAIN, &r);
	know_apps(b);
	const struct know_content *c = know_content_of(b, 0);
	CHECK(c);
	CHECK_EQ_U(c->pieces, 3);
	CHECK_EQ_U(know_read_content(b, c, 0, 10000, room), 0);
	CHECK(memcmp(room, want, sizeof room) == 0);
	CHECK_EQ_U(know_read_content(b, c, 290, 20, room), 0);
	CHECK(memcmp(room, want + 290, 20) == 0);
	CHECK_EQ_U(know_read_content(b, c, 9999, 2, room), EINVAL);
	CHECK(!know_content_of(b, 1));

	struct know_region page = { .number = 3, .home = KNOW_NOWHERE, .file = 0, .kind = KNOW_DB_PAGE };
	size_t before = b->regions;
	know_add_inside(b, c, 250, 100, &page);
	CHECK_EQ_U(b->regions, before + 2); /* in two pieces */
	CHECK_EQ_U(b->region[before].off, 512 + 3250);
	CHECK_EQ_U(b->region[before].len, 50);
	CHECK_EQ_U(b->region[before + 1].off, 512 + 4100);
	know_add_inside(b, c, 600, 4000, &page);      /* in a hole */
	know_add_inside(b, c, UINT64_MAX, 1, &page);
	CHECK_EQ_U(b->regions, before + 2);
	b->datas = 0; /* know_end() asks the apps again */
	free(b->data);
	b->data = NULL;
	know_free(know_end(b, &e));
}

TEST(files_are_found_by_name)
{
	struct know_build *b = start();
	struct err e;
	char name[32];
	struct know_file f = { .type = KNOW_DIR, .parent = KNOW_NO_FILE };
	know_add_file(b, &f, "/", 1);
	f = (struct know_file){ .parent = 0 };
	for (unsigned i = 1; i < 3000; i++) {
		int n = snprintf(name, sizeof name, "file-%u", i);
		f.parent = i % 7 ? 0 : 1;
		CHECK_EQ_U(know_add_file(b, &f, name, (size_t)n), i);
	}
	CHECK_EQ_U(know_find_file(b, 0, 0, "file-2999", 9), 2999);
	CHECK_EQ_U(know_find_file(b, 0, 1, "file-7", 6), 7);
	CHECK_EQ_U(know_find_file(b, 0, 0, "file-7", 6), KNOW_NO_FILE);
	CHECK_EQ_U(know_find_file(b, 1, 0, "file-2999", 9), KNOW_NO_FILE);
	CHECK_EQ_U(know_find_file(b, 0, 0, "file-", 5), KNOW_NO_FILE);
	know_free(know_end(b, &e));
}

TEST(a_path_is_told_as_far_as_it_is_known)
{
	struct know_build *b = start();
	struct err e;
	char to[8192];
	struct know_file f = { .type = KNOW_DIR, .parent = KNOW_NO_FILE, .inode = 2 };
	uint32_t root = know_add_file(b, &f, "/", 1);
	f = (struct know_file){ .type = KNOW_DIR, .parent = root, .inode = 11 };
	uint32_t dir = know_add_file(b, &f, "etc", 3);
	f = (struct know_file){ .parent = dir, .inode = 12 };
	uint32_t file = know_add_file(b, &f, "pass\nwd\\ \xc3\xa4\xff", 12);
	f = (struct know_file){ .type = KNOW_DIR, .parent = KNOW_NO_FILE, .inode = 99 };
	uint32_t lost = know_add_file(b, &f, NULL, 0);
	f = (struct know_file){ .parent = lost, .inode = 100 };
	uint32_t below = know_add_file(b, &f, "x", 1);
	uint32_t loop = know_add_file(b, &f, NULL, 0), more = know_add_file(b, &f, "b", 1);
	know_file_name(b, loop, more, "a", 1);
	know_file_name(b, more, loop, "b", 1);
	know_file_name(b, 1000000, more, "b", 1);
	const struct know_map *m = b->map;
	CHECK_STR(know_path(m, root, to, sizeof to), "/");
	CHECK_STR(know_path(m, dir, to, sizeof to), "/etc");
	CHECK_STR(know_path(m, file, to, sizeof to), "/etc/pass\\x0awd\\\\ \xc3\xa4\\xff");
	CHECK_STR(know_path(m, lost, to, sizeof to), "inode 99");
	CHECK_STR(know_path(m, below, to, sizeof to), "<inode 99>/x");
	know_path(m, loop, to, sizeof to);
	CHECK(strncmp(to, ".../", 4) == 0 && strlen(to) < 1000);
	CHECK_STR(know_path(m, file, to, 6), "/etc/");
	CHECK_STR(know_path(m, file, to, 1), "");
	CHECK_STR(know_path(m, KNOW_NO_FILE, to, sizeof to), "");
	know_free(know_end(b, &e));
}

/* --- words --- */

TEST(each_kind_has_a_name_of_its_own_and_words)
{
	for (unsigned i = 0; i < KNOW_KINDS; i++) {
		CHECK(know_kinds[i].name && *know_kinds[i].name && know_kinds[i].words && *know_kinds[i].words);
		CHECK(know_kinds[i].class < KC_CLASSES);
		for (unsigned k = 0; k < i; k++)
			CHECK(strcmp(know_kinds[i].name, know_kinds[k].name) != 0);
	}
	for (unsigned i = 0; i < KC_CLASSES; i++)
		CHECK(know_class_names[i] && *know_class_names[i]);
}

TEST(a_region_is_told_in_one_line_whatever_its_numbers_are)
{
	struct know_build *b = start();
	struct err e;
	char to[2000];
	uint64_t x = 1;
	struct know_file f = { .inode = 14, .parent = KNOW_NO_FILE };
	know_add_file(b, &f, "p", 1);
	struct know_map *m = know_end(b, &e);
	CHECK(m);
	for (unsigned i = 0; i < 20000; i++) {
		struct know_region r = { .off = 0, .len = 1, .number = next_random(&x) << 32, .kind = (uint8_t)next_random(&x),
			.flags = (uint8_t)next_random(&x), .volume = (uint16_t)next_random(&x), .file = (uint32_t)(next_random(&x) % 3),
			.home = next_random(&x) % 3 ? KNOW_NOWHERE : next_random(&x) };
		know_words(m, &r, to, 1 + next_random(&x) % sizeof to);
		CHECK(!strchr(to, '\n'));
	}
	const struct know_region data = { .len = 4096, .home = 4096, .file = 0, .kind = KNOW_FILE_DATA, .flags = KNOW_OLD };
	CHECK_STR(know_words(m, &data, to, sizeof to), "data of p (inode 14), bytes 4096 to 8191; old");
	CHECK_STR(know_words(m, &data, to, 8), "data of");
	const struct know_region copy = { .len = 4096, .home = 4096, .number = 7, .file = KNOW_NO_FILE, .kind = KNOW_JOURNAL_DATA };
	CHECK_STR(know_words(m, &copy, to, sizeof to), "copy in the journal, transaction 7, of unknown");
	const struct know_region super = { .len = 1024, .home = KNOW_NOWHERE, .number = 3, .file = KNOW_NO_FILE, .kind = KNOW_SUPERBLOCK,
		.flags = KNOW_COPY };
	CHECK_STR(know_words(m, &super, to, sizeof to), "backup of the superblock in group 3");
	know_free(m);
}

TEST(text_of_a_disk_is_made_fit_to_be_shown)
{
	char to[16];
	static const uint8_t utf16[] = { 'r', 0, 0xf6, 0, 0x3d, 0xd8, 0x00, 0xde, 0x3d, 0xd8, 0x07, 0, 0, 0, 'x', 0 };
	know_text(to, sizeof to, "boot  \0x", 8, false);
	CHECK_STR(to, "boot");
	know_text(to, sizeof to, "a\033b\xc3\xa4\xe2\x80\xae\xff", 9, false);
	CHECK_STR(to, "a?b\xc3\xa4????");
	know_text(to, sizeof to, utf16, sizeof utf16, true);
	CHECK_STR(to, "r\xc3\xb6\xf0\x9f\x98\x80??");
	know_text(to, 4, "ab\xc3\xa4", 4, false); /* no half of a letter */
	CHECK_STR(to, "ab");
	know_text(to, sizeof to, utf16, 1, true);
	CHECK_STR(to, "");
	char id[40];
	static const uint8_t bytes[16] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };
	know_uuid(id, bytes, false);
	CHECK_STR(id, "00010203-0405-0607-0809-0a0b0c0d0e0f");
	know_uuid(id, bytes, true);
	CHECK_STR(id, "03020100-0504-0706-0809-0a0b0c0d0e0f");
}
