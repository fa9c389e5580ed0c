/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>
#include "story/changes.h"
#include "story/cut.h"
#include "story/story.h"
#include "story/words.h"
#include "test.h"

#define K 1024ull
#define TEXT_IS(b, want) CHECK(strcmp(buf_str(b), want) == 0)

TEST(spans_join_and_stay_sorted)
{
	struct spans s = { 0 };
	spans_add(&s, 10, 20);
	spans_add(&s, 30, 40);
	spans_add(&s, 0, 5);
	spans_add(&s, 7, 7);
	CHECK_EQ_U(s.n, 3);
	CHECK_EQ_U(spans_sum(&s), 25);
	CHECK_EQ_U(spans_covers(&s, 15, 35), 10);
	spans_add(&s, 20, 30); /* what touches is one */
	CHECK_EQ_U(s.n, 2);
	spans_add(&s, 3, 100);
	CHECK_EQ_U(s.n, 1);
	CHECK(s.at[0].from == 0 && s.at[0].to == 100);
	spans_free(&s);
}

TEST(spans_agree_with_a_row_of_bits)
{
	static bool bit[1000];
	struct spans s = { 0 };
	unsigned seed = 7;
	uint64_t sum = 0;
	for (unsigned i = 0; i < 200; i++) {
		seed = seed * 1103515245 + 12345;
		unsigned from = seed / 65536 % 990, to = from + seed / 7 % 10;
		for (unsigned k = from; k < to; k++)
			bit[k] = true;
		spans_add(&s, from, to);
	}
	for (unsigned i = 0; i < 1000; i++) {
		sum += bit[i];
		CHECK_EQ_U(spans_covers(&s, i, i + 1), bit[i]);
	}
	CHECK_EQ_U(spans_sum(&s), sum);
	spans_free(&s);
}

TEST(spans_and_keys_are_bounded_and_say_so)
{
	struct spans s = { 0 };
	struct keys k = { 0 };
	for (uint64_t i = 0; i < 2 * SPANS_MAX; i++)
		spans_add(&s, 2 * i, 2 * i + 1);
	CHECK(s.n == SPANS_MAX && s.more);
	spans_add(&s, 0, 4 * SPANS_MAX); /* what it has may still grow */
	CHECK_EQ_U(s.n, 1);
	for (uint64_t i = 0; i < 3 * KEYS_MAX; i++)
		keys_add(&k, i % (2 * KEYS_MAX) * 7);
	CHECK(k.more && k.n <= KEYS_MAX + 1 && k.n >= KEYS_MAX / 2);
	CHECK(k.first[0] == 0 && k.first[1] == 7);
	spans_free(&s);
	keys_free(&k);
}

TEST(numbers_are_said_as_people_say_them)
{
	struct buf b = { .limit = 1000 };
	struct spans s = { 0 };
	for (unsigned i = 1; i < 8; i += 2)
		spans_add(&s, i, i + 1);
	words_numbers(&b, &s);
	TEXT_IS(&b, "1, 3, 5 and 7");
	spans_add(&s, 8, 13);
	b.len = 0;
	words_numbers(&b, &s);
	TEXT_IS(&b, "1, 3, 5 and 7 to 12");
	spans_add(&s, 20, 22);
	b.len = 0;
	words_numbers(&b, &s);
	TEXT_IS(&b, "1, 3, 5, 7 to 12, 20 and 21");
	for (unsigned i = 100; i < 120; i += 2)
		spans_add(&s, i, i + 1);
	b.len = 0;
	words_numbers(&b, &s);
	TEXT_IS(&b, "1, 3, 5, 7 to 12, 20, 21, 100, 102 and others");
	spans_free(&s);
	buf_free(&b);
}

TEST(places_of_one_length_are_said_together)
{
	struct buf b = { .limit = 1000 };
	struct spans s = { 0 };
	spans_add(&s, 0, 20 * K);
	words_places(&b, &s, MIB(64));
	TEXT_IS(&b, "at the very start of the disk");
	spans_add(&s, MIB(64) - 20 * K, MIB(64));
	b.len = 0;
	words_places(&b, &s, MIB(64));
	TEXT_IS(&b, "20 KiB each at the very start of the disk and at its very end");
	for (unsigned i = 9; i < 60; i += 16)
		spans_add(&s, MIB(i) + K, MIB(i) + 3 * K);
	b.len = 0;
	words_places(&b, &s, MIB(64));
	TEXT_IS(&b, "20 KiB each at the very start of the disk and at its very end, and 2 KiB each at 9 MiB, 25 MiB, 41 MiB and 57 MiB");
	spans_free(&s);
	buf_free(&b);
}

TEST(counts_have_their_plurals)
{
	static const struct {
		uint64_t n;
		const char *what, *want;
	} row[] = { { 1, "directory", "1 directory" }, { 2, "directory", "2 directories" }, { 1234, "request", "1,234 requests" },
		    { 2, "flush", "2 flushes" }, { 0, "file", "0 files" }, { 2, "day", "2 days" } };
	struct buf b = { .limit = 1000 };
	for (unsigned i = 0; i < ARRAY_LEN(row); i++) {
		b.len = 0;
		words_count(&b, row[i].n, row[i].what);
		TEXT_IS(&b, row[i].want);
	}
	buf_free(&b);
}

TEST(who_acts_is_told_by_the_name_of_the_step)
{
	char room[64];
	CHECK(strcmp(words_actor("mkfs.ext4 -q", room, sizeof room), "mkfs.ext4") == 0);
	CHECK(strcmp(words_actor("mount, and wait", room, sizeof room), "the kernel") == 0);
	CHECK(strcmp(words_actor("synchronise", room, sizeof room), "the client") == 0);
	CHECK(strcmp(words_actor("", room, sizeof room), "the client") == 0);
	CHECK(strcmp(words_actor(NULL, room, sizeof room), "the client") == 0);
}

/* --- a disk of two files, told from a map made by hand --- */

static struct rec_event event(uint64_t ns, uint8_t type, uint64_t id, uint8_t op, uint64_t off, uint64_t len)
{
	return (struct rec_event){ .time = ns, .conn = 1, .id = id, .type = type, .op = op, .off = off, .len = len };
}

struct rig {
	struct facts f;
	struct session s;
	uint64_t number, ns;
};

static void ask(struct rig *r, uint8_t op, uint64_t off, uint64_t len, uint32_t err)
{
	struct rec_event e = event(r->ns++, REC_BEGIN, r->number, op, off, len);
	facts_event(&r->f, &r->s, &e, r->number++);
	e = event(r->ns++, REC_END, r->number - 1, op, 0, 0);
	e.err = err;
	facts_event(&r->f, &r->s, &e, r->number++);
}

static void rig_free(struct rig *r)
{
	facts_free(&r->f);
	session_free(&r->s);
}

static struct know_region regions[] = {
	{ .off = 0, .len = K, .kind = KNOW_SUPERBLOCK, .home = KNOW_NOWHERE, .file = KNOW_NO_FILE },
	{ .off = K, .len = K, .kind = KNOW_BLOCK_BITMAP, .home = KNOW_NOWHERE, .file = KNOW_NO_FILE },
	{ .off = 2 * K, .len = 2 * K, .kind = KNOW_INODE_TABLE, .home = KNOW_NOWHERE, .file = KNOW_NO_FILE },
	{ .off = 4 * K, .len = K, .kind = KNOW_JOURNAL_DESC, .number = 3, .home = KNOW_NOWHERE, .file = KNOW_NO_FILE },
	{ .off = 5 * K, .len = 3 * K, .kind = KNOW_JOURNAL_DATA, .number = 3, .home = 0, .file = KNOW_NO_FILE },
	{ .off = 8 * K, .len = K, .kind = KNOW_JOURNAL_COMMIT, .number = 3, .home = KNOW_NOWHERE, .file = KNOW_NO_FILE },
	{ .off = 9 * K, .len = 3 * K, .kind = KNOW_FREE, .home = KNOW_NOWHERE, .file = KNOW_NO_FILE },
	{ .off = 12 * K, .len = K, .kind = KNOW_FILE_DATA, .home = 0, .file = 1 },
	{ .off = 13 * K, .len = 3 * K, .kind = KNOW_FILE_DATA, .home = 0, .file = 2 },
};
static struct know_file files[] = {
	{ .inode = 2, .parent = KNOW_NO_FILE, .type = KNOW_DIR, .name = 1 },
	{ .inode = 12, .parent = 0, .type = KNOW_REGULAR, .name = 3 },
	{ .inode = 13, .parent = 0, .type = KNOW_REGULAR, .name = 5 },
};
static char names[] = "\0/\0a\0b";
static struct know_volume volumes[] = { { .len = 16 * K, .block = K, .format = "ext4" } };
static char no_notes[] = "";
static const struct know_map map = { .region = regions, .regions = ARRAY_LEN(regions), .volume = volumes, .volumes = 1, .file = files,
				     .files = ARRAY_LEN(files), .names = names, .notes = no_notes, .size = 16 * K };

static bool says(const struct story_step *s, const char *words, uint64_t first, uint64_t last)
{
	for (unsigned i = 0; i < s->n; i++)
		if (strstr(s->at[i].text, words))
			return s->at[i].reach.first == first && s->at[i].reach.last == last;
	return false;
}

static struct story_step *tell(struct story *st, struct rig *r, const char *name)
{
	struct story_step *s = story_add(st, name, strlen(name));
	if (s)
		story_tell(st, s, &r->f, &r->s, r->s.changes);
	return s;
}

TEST(a_sync_is_told_in_its_order_with_the_reason)
{
	struct rig r = { .f = { .begin = &map, .end = &map }, .ns = 1 };
	struct story st = { 0 };
	ask(&r, REC_WRITE, 12 * K, 4 * K, 0); /* 0, 1 */
	ask(&r, REC_WRITE, 4 * K, 4 * K, 0);
	ask(&r, REC_FLUSH, 0, 0, 0);
	ask(&r, REC_WRITE, 8 * K, K, 0);      /* 6, 7 */
	ask(&r, REC_FLUSH, 0, 0, 0);
	ask(&r, REC_WRITE, 0, 4 * K, 0);      /* 10, 11 */
	struct story_step *s = tell(&st, &r, "sync");
	CHECK(s && !st.no_memory);
	CHECK(says(s, "sync wrote the data of /a and /b (4 KiB at 12 KiB, 1 request).", 0, 1));
	CHECK(says(s, "Then it wrote journal transaction 3 (its descriptor and 3 KiB of copies of metadata) (4 KiB, 1 request);", 2, 5));
	CHECK(says(s, "Then it wrote the commit block of journal transaction 3 (1 KiB, 1 request); then came a flush.", 6, 9));
	CHECK(says(s, "Then it updated the superblock, and the block bitmap and the inode table of group 0 (4 KiB, 1 request).", 10, 11));
	CHECK(says(s, "That order is no chance", 0, 11));
	CHECK_EQ_U(r.s.answered - r.s.durable, 4 * K);
	story_free(&st);
	rig_free(&r);
}

TEST(no_reason_is_given_for_an_order_that_was_not_kept)
{
	for (unsigned how = 0; how < 3; how++) {
		struct rig r = { .f = { .begin = &map, .end = &map }, .ns = 1 };
		struct story st = { 0 };
		if (how == 0) /* metadata in its place before the commit */
			ask(&r, REC_WRITE, 0, 4 * K, 0);
		ask(&r, REC_WRITE, 4 * K, 4 * K, 0);
		ask(&r, REC_FLUSH, 0, 0, how == 1 ? 5 : 0); /* or a flush that failed */
		ask(&r, REC_WRITE, 8 * K, K, 0);
		if (how != 2) /* or none after the commit */
			ask(&r, REC_FLUSH, 0, 0, 0);
		ask(&r, REC_WRITE, 0, 4 * K, 0);
		struct story_step *s = tell(&st, &r, "sync");
		CHECK(s);
		for (unsigned i = 0; i < s->n; i++)
			CHECK(s->at[i].kind != SAYS_WHY);
		CHECK(how != 1 || says(s, "1 flush failed, with EIO", 2, 3));
		story_free(&st);
		rig_free(&r);
	}
}

TEST(a_flush_covers_what_was_answered_before_it_began)
{
	struct rig r = { .ns = 1 };
	struct rec_event e;
	ask(&r, REC_WRITE, 0, 100, 0);
	e = event(r.ns++, REC_BEGIN, 50, REC_FLUSH, 0, 0);
	facts_event(&r.f, &r.s, &e, r.number++);
	ask(&r, REC_WRITE, 0, 10, 0);
	CHECK_EQ_U(r.s.durable, 0);
	e = event(r.ns++, REC_END, 50, REC_FLUSH, 0, 0);
	facts_event(&r.f, &r.s, &e, r.number++);
	CHECK_EQ_U(r.s.durable, 100);
	CHECK_EQ_U(r.s.answered, 110);
	rig_free(&r);
}

TEST(what_was_deleted_is_known_when_it_is_trimmed)
{
	static struct know_region free_now[ARRAY_LEN(regions)];
	struct know_map after = map;
	struct former f = { 0 };
	struct spans none = { 0 }, trimmed = { 0 };
	struct changes c;
	memcpy(free_now, regions, sizeof regions);
	free_now[8] = (struct know_region){ .off = 13 * K, .len = 3 * K, .kind = KNOW_FREE, .home = KNOW_NOWHERE, .file = KNOW_NO_FILE };
	after.region = free_now;
	after.files = 2;
	former_step(&f, &map, &after, &none, &none);
	CHECK(f.n == 1 && f.at[0].off == 13 * K && f.at[0].len == 3 * K);
	former_step(&f, &after, &after, &none, &none); /* it is remembered */
	CHECK_EQ_U(f.n, 1);
	changes_find(&c, &map, &after, &none);
	CHECK(c.of[CH_GONE].files == 1 && c.of[CH_GONE].dirs == 0 && c.of[CH_GONE].was[0] == 2 && c.of[CH_NEW].files == 0);
	changes_find(&c, &after, &map, &none);
	CHECK(c.of[CH_NEW].files == 1 && c.of[CH_NEW].is[0] == 2 && c.of[CH_GONE].files == 0);

	struct rig r = { .f = { .begin = &after, .end = &after, .former = &f }, .ns = 1 };
	struct story st = { 0 };
	ask(&r, REC_TRIM, 9 * K, 3 * K, 0);
	ask(&r, REC_TRIM, 13 * K, 3 * K, 0);
	struct story_step *s = tell(&st, &r, "fstrim /");
	CHECK(s && says(s,
			"fstrim discarded 6 KiB of free space (2 requests, 38 % of the disk): 3 KiB each at 9 KiB and at its very end; "
			"3 KiB of that had held the data of 1 file that is gone.",
			0, 3));
	spans_add(&trimmed, 13 * K, 16 * K);
	former_step(&f, &after, &after, &none, &trimmed);
	CHECK_EQ_U(f.n, 0);
	spans_free(&trimmed);
	former_free(&f);
	story_free(&st);
	rig_free(&r);
}

TEST(many_flushes_are_told_as_a_sum)
{
	struct rig r = { .f = { .begin = &map, .end = &map }, .ns = 1 };
	struct story st = { 0 };
	for (unsigned i = 0; i < 50; i++) {
		ask(&r, REC_WRITE, (i % 2 ? 12 : 13) * K, K, 0);
		ask(&r, REC_FLUSH, 0, 0, 0);
	}
	struct story_step *s = tell(&st, &r, "x");
	CHECK(s && s->n == 2);
	CHECK(says(s, "The client wrote the data of /b and /a (50 KiB at 12 KiB, 50 requests, all in the same 2 KiB).", 0, 197));
	CHECK(says(s, "In between it asked for a flush 50 times, on average after each 1 KiB.", 0, 199));
	story_free(&st);
	rig_free(&r);
}

TEST(a_disk_without_a_map_is_told_by_place)
{
	struct rig r = { .ns = 1, .s = { .size = MIB(64) } };
	struct story st = { 0 };
	ask(&r, REC_WRITE, MIB(17), 4 * K, 0);
	ask(&r, REC_FLUSH, 0, 0, 0);
	ask(&r, REC_WRITE, MIB(17) + 4 * K, K, 0);
	ask(&r, REC_FLUSH, 0, 0, 0);
	ask(&r, REC_TRIM, 0, MIB(64), 0);
	struct story_step *s = tell(&st, &r, "what?");
	CHECK(s && says(s, "The client wrote 4 KiB at 17 MiB (1 request); then came a flush", 0, 3));
	CHECK(says(s, "right behind what came before and alone between two flushes: so a journal commits", 4, 7));
	CHECK(says(s, "discarded the whole of the disk (64 MiB, 1 request)", 8, 9));
	story_free(&st);
	rig_free(&r);
}

TEST(a_session_is_cut_at_its_longest_pauses)
{
	static struct cutter c;
	uint64_t ns = 0;
	c = (struct cutter){ .pause = 100 };
	for (unsigned i = 0; i < 200; i++) {
		struct rec_event e = event(ns += 10, REC_BEGIN, i, i % 20 < 10 ? REC_WRITE : REC_READ, 0, 1);
		cutter_event(&c, &e, 2 * i);
		e = event(ns += 10 + (i % 10 == 9 ? 1000 : 0), REC_END, i, 0, 0, 0);
		cutter_event(&c, &e, 2 * i + 1);
		ns += i % 10 == 9 ? 100 : 0;
	}
	cutter_end(&c);
	/* 19 pauses: a stretch that changes something lies at one side of each */
	CHECK_EQ_U(c.gaps, 19);
	CHECK_EQ_U(c.gap[0].event, 20);
	for (unsigned i = 1; i < c.gaps; i++)
		CHECK(c.gap[i].event > c.gap[i - 1].event && c.gap[i].changes >= c.gap[i - 1].changes);
	cutter_free(&c);
}

TEST(nothing_but_reads_is_not_cut)
{
	static struct cutter c;
	c = (struct cutter){ .pause = 100 };
	for (unsigned i = 0; i < 10; i++) {
		struct rec_event e = event(i * 1000, REC_BEGIN, i, REC_READ, 0, 1);
		cutter_event(&c, &e, i);
	}
	cutter_end(&c);
	CHECK_EQ_U(c.gaps, 0);
	cutter_free(&c);
}
