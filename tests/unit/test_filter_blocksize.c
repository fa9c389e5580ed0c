/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>
#include "base/say.h"
#include "filters/filters.h"
#include "unit/strict.h"

static struct rig t;
static const struct module *const mods[] = { &mod_blocksize, &strict_bottom, NULL };
static uint8_t model[STRICT_SIZE], data[STRICT_SIZE];

/* key, value, key, value ... NULL */
static bool start(const char *const *options)
{
	say_start("test", SAY_NULL, false);
	memcpy(model, strict.bytes, sizeof model);
	if (!rig_start(&t, mods))
		return false;
	for (; *options; options += 2)
		if (!rig_option(&t, 0, options[0], options[1]))
			return false;
	return rig_go(&t);
}

static void strict_with(uint32_t min, uint32_t max, uint32_t maxlen)
{
	strict_reset();
	strict.min = min;
	strict.max = max;
	strict.maxlen = maxlen;
}

static const char *const bounds[] = { "minblock", "512", "maxdata", "2048", "maxlen", "4096", NULL };

TEST(any_read_arrives_in_whole_blocks_and_comes_back_right)
{
	static const uint64_t ranges[][2] = {
		{ 0, 512 }, { 0, 1 }, { 511, 2 }, { 100, 300 }, { 100, 5000 }, { 512, 2048 }, { 512, 2049 }, { 511, 1 },
		{ 0, STRICT_SIZE }, { 1, STRICT_SIZE - 2 }, { STRICT_SIZE - 1, 1 },
	};
	strict_with(512, 2048, 4096);
	CHECK(start(bounds));
	for (unsigned i = 0; i < ARRAY_LEN(ranges); i++) {
		memset(data, 0xee, sizeof data);
		rig_send(&t, OP_READ, ranges[i][0], ranges[i][1], REQ_PLACE, data);
		CHECK_EQ_U(t.home, i + 1);
		CHECK_EQ_U(t.came[i].err, 0);
		CHECK(memcmp(data, model + ranges[i][0], ranges[i][1]) == 0);
		CHECK(ranges[i][1] == sizeof data || data[ranges[i][1]] == 0xee);
	}
	CHECK_EQ_U(strict.wrong, 0);
	CHECK_EQ_U(strict.count[OP_WRITE], 0);
	rig_stop(&t);
}

TEST(what_fits_goes_down_as_it_is)
{
	strict_with(512, 2048, 4096);
	CHECK(start(bounds));
	rig_send(&t, OP_READ, 512, 2048, 0, data);
	rig_send(&t, OP_WRITE, 512, 2048, REQ_FUA, data);
	rig_send(&t, OP_ZERO, 512, 4096, REQ_FAST, NULL);
	rig_send(&t, OP_FLUSH, 0, 0, 0, NULL);
	CHECK_EQ_U(strict.count[OP_READ] + strict.count[OP_WRITE] + strict.count[OP_ZERO] + strict.count[OP_FLUSH], 4);
	CHECK_EQ_U(t.home, 4);
	rig_stop(&t);
}

TEST(a_trim_leaves_parts_of_blocks_alone_and_a_cache_takes_them_whole)
{
	strict_with(512, 2048, 4096);
	CHECK(start(bounds));
	rig_send(&t, OP_TRIM, 100, 500, 0, NULL);
	CHECK_EQ_U(strict.count[OP_TRIM], 0);
	rig_send(&t, OP_TRIM, 100, 10000, 0, NULL);
	CHECK_EQ_U(strict.least, 512);
	CHECK_EQ_U(strict.most, 9728);
	CHECK_EQ_U(strict.count[OP_TRIM], 3);
	rig_send(&t, OP_CACHE, 511, 2, 0, NULL);
	CHECK_EQ_U(strict.count[OP_CACHE], 1);
	rig_send(&t, OP_CACHE, 1, 8192, 0, NULL);
	CHECK_EQ_U(strict.count[OP_CACHE], 4);
	CHECK_EQ_U(strict.wrong, 0);
	CHECK_EQ_U(t.home, 4);
	rig_stop(&t);
}

TEST(a_fast_zero_of_parts_of_blocks_fails_at_once)
{
	strict_with(512, 2048, 4096);
	CHECK(start(bounds));
	rig_send(&t, OP_ZERO, 0, 600, REQ_FAST, NULL);
	CHECK_EQ_U(t.came[0].err, EOPNOTSUPP);
	CHECK_EQ_U(strict.count[OP_ZERO] + strict.count[OP_WRITE], 0);
	rig_send(&t, OP_ZERO, 0, 600, 0, NULL); /* and nothing is locked for ever */
	CHECK_EQ_U(t.came[1].err, 0);
	rig_stop(&t);
}

TEST(extents_start_where_they_were_asked_for)
{
	struct extents x;
	strict_with(512, 2048, 8192);
	CHECK(start((const char *[]){ "minblock", "512", "maxdata", "2048", "maxlen", "8192", NULL }));
	extents_init(&x, 4000, STRICT_SIZE - 4000, 100);
	rig_send(&t, OP_EXTENTS, 4000, 20000, 0, &x);
	CHECK_EQ_U(t.came[0].err, 0);
	CHECK_EQ_U(x.start, 4000);
	CHECK_EQ_U(x.count, 3);
	CHECK_EQ_U(x.list[0].len, 96);
	CHECK_EQ_U(x.list[0].flags, 0);
	CHECK_EQ_U(x.list[1].len, 4096);
	CHECK_EQ_U(x.list[1].flags, 3);
	CHECK_EQ_U(x.at, 3584 + 8192);
	CHECK_EQ_U(strict.wrong, 0);
	extents_free(&x);
	rig_stop(&t);
}

/* Disjoint requests at once, answered in any order: none may undo another's bytes in the same block. */
TEST(neighbours_in_one_block_do_not_undo_each_other)
{
	static uint8_t in[64][4096], out[64][4096];
	srand(2);
	strict_with(512, 1024, 2048);
	CHECK(start((const char *[]){ "minblock", "512", "maxdata", "1024", "maxlen", "2048", NULL }));
	strict.hold = true;
	for (unsigned round = 0; round < 1000; round++) {
		struct { enum op op; uint64_t off, len; } did[64];
		uint64_t at = (uint64_t)rand() % 2000;
		unsigned n = 0, before = t.home;
		while (n < 64 && at + 3000 < STRICT_SIZE) {
			static const enum op ops[] = { OP_READ, OP_WRITE, OP_ZERO, OP_WRITE };
			uint64_t len = 1 + (uint64_t)rand() % (rand() % 4 ? 200 : 3000);
			did[n].op = ops[rand() % 4];
			did[n].off = at;
			did[n].len = len;
			for (uint64_t i = 0; i < len; i++)
				in[n][i] = (uint8_t)rand();
			if (did[n].op == OP_WRITE)
				memcpy(model + at, in[n], len);
			else if (did[n].op == OP_ZERO)
				memset(model + at, 0, len);
			at += len + (rand() % 2 ? 0 : (uint64_t)rand() % 300);
			n++;
		}
		for (unsigned i = 0; i < n; i++)
			rig_send(&t, did[i].op, did[i].off, did[i].len, REQ_PLACE, did[i].op == OP_READ ? out[i] : in[i]);
		for (unsigned turn = 0; t.home - before < n && turn < 1000; turn++) {
			strict_release_all();
			rig_turn_to(&t, 0); /* who waited for a range is told */
		}
		CHECK_EQ_U(t.home - before, n);
		CHECK(memcmp(strict.bytes, model, sizeof model) == 0);
		for (unsigned i = 0; i < n; i++)
			CHECK(did[i].op != OP_READ || memcmp(out[i], model + did[i].off, did[i].len) == 0);
	}
	CHECK_EQ_U(strict.wrong, 0);
	rig_stop(&t);
}

TEST(an_error_below_is_the_requests_error_once_and_frees_its_blocks)
{
	strict_with(512, 2048, 4096);
	CHECK(start(bounds));
	strict.err[OP_READ] = EIO;
	rig_send(&t, OP_WRITE, 100, 10000, 0, data);
	CHECK_EQ_U(t.home, 1);
	CHECK_EQ_U(t.came[0].err, EIO);
	rig_send(&t, OP_READ, 0, STRICT_SIZE, REQ_PLACE, data);
	CHECK_EQ_U(t.came[1].err, EIO);
	CHECK(strict.count[OP_READ] < 20); /* it did not go on */
	strict.err[OP_READ] = 0;
	strict.err[OP_WRITE] = ENOSPC;
	rig_send(&t, OP_WRITE, 100, 10, 0, data);
	CHECK_EQ_U(t.came[2].err, ENOSPC);
	strict.err[OP_WRITE] = 0;
	rig_send(&t, OP_WRITE, 100, 10, 0, data);
	CHECK_EQ_U(t.came[3].err, 0);
	rig_stop(&t);
}

TEST(when_the_client_goes_children_and_those_who_wait_come_up)
{
	strict_with(512, 2048, 4096);
	CHECK(start(bounds));
	strict.hold = true;
	rig_send(&t, OP_WRITE, 10, 10, 0, data);
	rig_send(&t, OP_WRITE, 30, 10, 0, data);   /* waits for the block */
	rig_send(&t, OP_ZERO, 0, 20000, 0, NULL);  /* waits too */
	rig_send(&t, OP_READ, 5, 60000, REQ_PLACE, data);
	CHECK_EQ_U(t.home, 0);
	stack_cancel(t.stack);
	for (unsigned i = 0; i < 10; i++)
		rig_turn_to(&t, 0);
	CHECK_EQ_U(t.home, 4);
	CHECK_EQ_U(strict.held_count, 0);
	for (unsigned i = 0; i < 4; i++)
		CHECK_EQ_U(t.came[i].err, ESHUTDOWN);
	CHECK(stack_idle(t.stack));
	CHECK(memcmp(strict.bytes, model, sizeof model) == 0);
	rig_stop(&t);
}

TEST(one_who_got_his_range_when_he_was_cancelled_gives_it_back)
{
	strict_with(512, 2048, 4096);
	CHECK(start(bounds));
	strict.hold = true;
	rig_send(&t, OP_WRITE, 10, 10, 0, data);
	rig_send(&t, OP_WRITE, 30, 10, 0, data);
	strict_release_all(); /* the first is through; the second's message is on its way */
	CHECK_EQ_U(t.home, 1);
	stack_cancel(t.stack);
	CHECK_EQ_U(t.home, 1);
	rig_turn_to(&t, 0);
	CHECK_EQ_U(t.home, 2);
	CHECK_EQ_U(t.came[1].err, ESHUTDOWN);
	strict.hold = false;
	rig_send(&t, OP_WRITE, 50, 10, 0, data);
	CHECK_EQ_U(t.home, 3);
	rig_stop(&t);
}

TEST(a_very_long_request_lets_others_in_between)
{
	strict_with(1, 16, 16);
	CHECK(start((const char *[]){ "minblock", "1", "maxdata", "16", "maxlen", "16", NULL }));
	rig_send(&t, OP_ZERO, 0, STRICT_SIZE, 0, NULL);
	CHECK_EQ_U(t.home, 0);
	rig_send(&t, OP_READ, 0, 16, REQ_PLACE, data);
	CHECK_EQ_U(t.home, 1);
	for (unsigned i = 0; i < STRICT_SIZE / 16 && t.home < 2; i++)
		rig_turn_to(&t, 0);
	CHECK_EQ_U(t.home, 2);
	CHECK_EQ_U(strict.count[OP_ZERO], STRICT_SIZE / 16);
	CHECK(strict.bytes[0] == 0 && strict.bytes[STRICT_SIZE - 1] == 0);
	rig_stop(&t);
}

TEST(the_disk_below_says_what_it_wants_unless_told_otherwise)
{
	strict_with(1024, 4096, 0);
	strict.tells = true;
	strict.size = STRICT_SIZE - 1000;
	CHECK(start((const char *[]){ NULL }));
	const struct limits *m = stack_limits(t.stack);
	CHECK_EQ_U(m->size, STRICT_SIZE - 1024);
	CHECK_EQ_U(m->min_block, 1);
	CHECK_EQ_U(m->pref_block, 4096);
	CHECK_EQ_U(m->max_block, UINT32_MAX);
	rig_send(&t, OP_READ, 1, 50000, REQ_PLACE, data);
	CHECK_EQ_U(t.came[0].err, 0);
	CHECK(memcmp(data, model + 1, 50000) == 0);
	CHECK_EQ_U(strict.wrong, 0);
	rig_stop(&t);
	CHECK(start((const char *[]){ "minblock", "512", "maxdata", "1536", NULL })); /* the coarser, and what is left of it */
	rig_send(&t, OP_READ, 1, 50000, REQ_PLACE, data);
	CHECK_EQ_U(t.came[0].err, 0);
	CHECK_EQ_U(strict.wrong, 0);
	rig_stop(&t);
	strict.count[OP_CLOSE] = 0;
	CHECK(!start((const char *[]){ "maxdata", "512", NULL }));
	CHECK_EQ_U(strict.count[OP_CLOSE], 1);
	rig_stop(&t);
}

TEST(blocksize_refuses_what_makes_no_sense)
{
	static const char *const bad[][2] = {
		{ "minblock", "3" }, { "minblock", "0" }, { "minblock", "128K" }, { "minblock", "-1" }, { "maxdata", "0" },
		{ "maxlen", "0" }, { "maxlen", "x" }, { "maxdata", "4G" },
	};
	static const char *const together[][2] = { { "maxdata", "700" }, { "maxlen", "700" } };
	strict_reset();
	for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
		CHECK(rig_start(&t, mods));
		CHECK(!rig_option(&t, 0, bad[i][0], bad[i][1]));
		rig_stop(&t);
	}
	for (unsigned i = 0; i < ARRAY_LEN(together); i++) {
		CHECK(!start((const char *[]){ "minblock", "512", together[i][0], together[i][1], NULL }));
		rig_stop(&t);
	}
}
