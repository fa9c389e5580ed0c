/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/say.h"
#include "filters/filters.h"
#include "filters/overlay.h"
#include "unit/strict.h"

static struct rig t;
static const struct module *const mods[] = { &mod_cow, &strict_bottom, NULL };
static uint8_t model[STRICT_SIZE], below[STRICT_SIZE], data[STRICT_SIZE];

/* key, value, key, value ... NULL */
static bool start(const char *const *options)
{
	say_start("test", SAY_NULL, false);
	memcpy(model, strict.bytes, sizeof model);
	memcpy(below, strict.bytes, sizeof below);
	if (!rig_start(&t, mods))
		return false;
	for (; *options; options += 2)
		if (!rig_option(&t, 0, options[0], options[1]))
			return false;
	return rig_go(&t);
}

static const char *const small[] = { "cow-block-size", "4K", NULL };

/* Until n requests came home: the file is written by other threads. */
static bool home(unsigned n)
{
	for (unsigned i = 0; t.home < n && i < 100000; i++) {
		strict_release_all();
		rig_turn_to(&t, 0);
		if (t.home < n)
			usleep(100);
	}
	return t.home == n;
}

static int call(enum op op, uint64_t off, uint64_t len, uint32_t flags, void *p)
{
	unsigned n = t.home;
	rig_send(&t, op, off, len, flags, p);
	return home(n + 1) ? t.came[n % RIG_MAX].err : -1;
}

static bool reads_as_model(void)
{
	memset(data, 0xee, sizeof data);
	return call(OP_READ, 0, strict.size, REQ_PLACE, data) == 0 && memcmp(data, model, strict.size) == 0;
}

TEST(what_is_written_is_read_back_and_the_disk_below_stays)
{
	strict_reset();
	CHECK(start(small));
	CHECK(reads_as_model());
	memset(model + 100, 'x', 10);
	CHECK_EQ_U(call(OP_WRITE, 100, 10, REQ_FUA, model + 100), 0);
	CHECK(reads_as_model());
	memset(model + 5000, 'y', 20000);
	CHECK_EQ_U(call(OP_WRITE, 5000, 20000, 0, model + 5000), 0);
	CHECK(reads_as_model());
	memset(model + 7000, 0, 30000);
	CHECK_EQ_U(call(OP_ZERO, 7000, 30000, 0, NULL), 0);
	CHECK(reads_as_model());
	memset(model + 40000, 0, 3000);
	CHECK_EQ_U(call(OP_TRIM, 40000, 3000, 0, NULL), 0);
	memset(model + 50000, 0, 10000);
	CHECK_EQ_U(call(OP_ZERO, 50000, 10000, REQ_NO_HOLE, NULL), 0);
	CHECK(reads_as_model());
	CHECK_EQ_U(call(OP_FLUSH, 0, 0, 0, NULL), 0);
	CHECK_EQ_U(strict.count[OP_WRITE] + strict.count[OP_ZERO] + strict.count[OP_TRIM] + strict.count[OP_FLUSH], 0);
	CHECK(memcmp(strict.bytes, below, sizeof below) == 0);
	rig_stop(&t);
}

TEST(a_disk_that_cannot_be_written_can_be_now)
{
	strict_reset();
	strict.size = STRICT_SIZE - 100; /* the last block is short */
	CHECK(start(small));
	const struct limits *m = stack_limits(t.stack);
	CHECK_EQ_U(m->size, STRICT_SIZE - 100);
	CHECK(m->can_write && m->can_trim && m->can_flush && m->can_extents && m->zero == NATIVE && m->fua == NATIVE);
	memset(model + strict.size - 10, 'z', 10);
	CHECK_EQ_U(call(OP_WRITE, strict.size - 10, 10, 0, model + strict.size - 10), 0);
	CHECK(reads_as_model());
	memset(model + strict.size - 5000, 0, 5000);
	CHECK_EQ_U(call(OP_TRIM, strict.size - 5000, 5000, 0, NULL), 0);
	CHECK(reads_as_model());
	CHECK_EQ_U(strict.wrong, 0);
	rig_stop(&t);
}

TEST(whole_blocks_are_written_without_a_read_below)
{
	strict_reset();
	CHECK(start(small));
	CHECK_EQ_U(call(OP_WRITE, 4096, 8192, 0, data), 0);
	CHECK_EQ_U(call(OP_ZERO, 4096, 16384, 0, NULL), 0);
	CHECK_EQ_U(call(OP_WRITE, 4100, 10, 0, data), 0);
	CHECK_EQ_U(strict.count[OP_READ], 0);
	CHECK_EQ_U(call(OP_WRITE, 0, 10, 0, data), 0);
	CHECK_EQ_U(strict.count[OP_READ], 1);
	rig_stop(&t);
}

TEST(extents_tell_of_both_disks)
{
	struct extents x;
	strict_reset(); /* below: data, hole, data, hole ... each 4 KiB */
	CHECK(start(small));
	CHECK_EQ_U(call(OP_WRITE, 4096 * 3, 4096, 0, data), 0);
	CHECK_EQ_U(call(OP_TRIM, 4096 * 4, 8192, 0, NULL), 0);
	extents_init(&x, 1000, STRICT_SIZE - 1000, 100);
	CHECK_EQ_U(call(OP_EXTENTS, 1000, 4096 * 7 - 1000, 0, &x), 0);
	CHECK_EQ_U(x.at, 4096 * 7);
	CHECK_EQ_U(x.count, 5);
	static const struct extent want[] = { { 3096, 0 }, { 4096, 3 }, { 8192, 0 }, { 8192, 3 }, { 4096, 0 } };
	for (unsigned i = 0; i < ARRAY_LEN(want); i++) {
		CHECK_EQ_U(x.list[i].len, want[i].len);
		CHECK_EQ_U(x.list[i].flags, want[i].flags);
	}
	extents_free(&x);
	rig_stop(&t);
}

TEST(copy_on_read_and_on_cache_read_below_only_once)
{
	for (unsigned with_cache = 0; with_cache < 2; with_cache++) {
		strict_reset();
		CHECK(start((const char *[]){ "cow-block-size", "4K", with_cache ? "cow-on-cache" : "cow-on-read", "true", NULL }));
		if (with_cache)
			CHECK_EQ_U(call(OP_CACHE, 5000, 20000, 0, NULL), 0);
		CHECK_EQ_U(call(OP_READ, 5000, 20000, REQ_PLACE, data), 0);
		CHECK(memcmp(data, model + 5000, 20000) == 0);
		unsigned reads = strict.count[OP_READ];
		CHECK(reads > 0);
		CHECK_EQ_U(call(OP_READ, 4096, 4096 * 5, REQ_PLACE, data), 0);
		CHECK(memcmp(data, model + 4096, 4096 * 5) == 0);
		CHECK_EQ_U(strict.count[OP_READ], reads);
		CHECK_EQ_U(strict.count[OP_CACHE], 0);
		rig_stop(&t);
	}
	strict_reset(); /* neither: a cache goes down, and reads every time */
	CHECK(start(small));
	CHECK_EQ_U(call(OP_CACHE, 5000, 20000, 0, NULL), 0);
	CHECK_EQ_U(strict.count[OP_CACHE], 1);
	rig_stop(&t);
}

TEST(copy_on_read_can_hang_on_a_file)
{
	char path[] = "/tmp/blkscope-test-cow-XXXXXX";
	int fd = mkstemp(path);
	CHECK(fd >= 0);
	close(fd);
	unlink(path);
	strict_reset();
	CHECK(start((const char *[]){ "cow-on-read", path, NULL }));
	CHECK_EQ_U(call(OP_READ, 0, 512, REQ_PLACE, data), 0);
	CHECK_EQ_U(call(OP_READ, 0, 512, REQ_PLACE, data), 0);
	CHECK_EQ_U(strict.count[OP_READ], 2);
	fd = mkstemp(strcpy(path, "/tmp/blkscope-test-cow-XXXXXX"));
	CHECK(fd >= 0);
	close(fd);
	rig_stop(&t);
	CHECK(start((const char *[]){ "cow-on-read", path, NULL }));
	CHECK_EQ_U(call(OP_READ, 0, 512, REQ_PLACE, data), 0);
	CHECK_EQ_U(call(OP_READ, 0, 512, REQ_PLACE, data), 0);
	CHECK_EQ_U(strict.count[OP_READ], 3);
	unlink(path);
	rig_stop(&t);
}

/* Disjoint requests at once, answered below in any order: none may undo another's bytes in the same block. */
static void many_at_once(const char *const *options)
{
	static uint8_t in[64][9000], out[64][9000];
	srand(3);
	strict_reset();
	strict.size = STRICT_SIZE - 100;
	CHECK(start(options));
	strict.hold = true;
	for (unsigned round = 0; round < 150; round++) {
		struct { enum op op; uint64_t off, len; uint32_t flags; } did[64];
		uint64_t at = (uint64_t)rand() % 2000;
		unsigned n = 0, before = t.home;
		while (n < 64 && at + 9000 < strict.size) {
			static const enum op ops[] = { OP_READ, OP_WRITE, OP_ZERO, OP_WRITE, OP_TRIM, OP_CACHE };
			uint64_t len = 1 + (uint64_t)rand() % (rand() % 4 ? 300 : 9000);
			did[n].op = ops[rand() % 6];
			did[n].off = at;
			did[n].len = len;
			did[n].flags = did[n].op == OP_READ ? REQ_PLACE : did[n].op == OP_ZERO && rand() % 2 ? REQ_NO_HOLE : 0;
			for (uint64_t i = 0; i < len; i++)
				in[n][i] = (uint8_t)rand();
			if (did[n].op == OP_WRITE)
				memcpy(model + at, in[n], len);
			else if (did[n].op == OP_ZERO || did[n].op == OP_TRIM)
				memset(model + at, 0, len);
			at += len + (rand() % 2 ? 0 : (uint64_t)rand() % 300);
			n++;
		}
		for (unsigned i = 0; i < n; i++)
			rig_send(&t, did[i].op, did[i].off, did[i].len, did[i].flags, did[i].op == OP_READ ? out[i] : in[i]);
		CHECK(home(before + n));
		for (unsigned i = 0; i < n; i++)
			CHECK(did[i].op != OP_READ || memcmp(out[i], model + did[i].off, did[i].len) == 0);
		CHECK(reads_as_model());
		if (round % 10 == 9) { /* from a fresh overlay again */
			rig_stop(&t);
			strict.hold = false;
			CHECK(start(options));
			strict.hold = true;
		}
	}
	CHECK_EQ_U(strict.wrong, 0);
	CHECK(memcmp(strict.bytes, below, sizeof below) == 0);
	rig_stop(&t);
}

TEST(many_at_once_keep_their_bytes)
{
	many_at_once(small);
}

TEST(many_at_once_keep_their_bytes_when_reads_copy_too)
{
	many_at_once((const char *[]){ "cow-block-size", "4K", "cow-on-read", "true", "cow-on-cache", "true", NULL });
}

TEST(the_largest_read_of_the_disk_below_is_respected)
{
	strict_reset();
	strict.min = 512;
	strict.max = 8192;
	strict.tells = true;
	CHECK(start((const char *[]){ NULL })); /* blocks of 64 KiB */
	CHECK_EQ_U(stack_limits(t.stack)->min_block, 512);
	CHECK_EQ_U(stack_limits(t.stack)->max_block, 8192);
	memset(model + 1024, 'x', 512);
	CHECK_EQ_U(call(OP_WRITE, 1024, 512, 0, model + 1024), 0);
	CHECK(reads_as_model());
	CHECK_EQ_U(strict.count[OP_READ], 8);
	CHECK_EQ_U(strict.wrong, 0);
	rig_stop(&t);
}

TEST(an_error_below_changes_nothing_and_leaves_no_block_locked)
{
	strict_reset();
	CHECK(start(small));
	strict.err[OP_READ] = EIO;
	CHECK_EQ_U(call(OP_WRITE, 100, 10, 0, data), EIO);
	CHECK_EQ_U(call(OP_READ, 100, 10, REQ_PLACE, data), EIO);
	strict.err[OP_READ] = 0;
	CHECK(reads_as_model());
	CHECK_EQ_U(call(OP_WRITE, 100, 10, 0, model + 100), 0);
	CHECK(reads_as_model());
	rig_stop(&t);
}

TEST(when_the_client_goes_all_that_waits_comes_up)
{
	strict_reset();
	CHECK(start(small));
	CHECK_EQ_U(call(OP_WRITE, 8192, 4096, 0, model + 8192), 0);
	unsigned n = t.home;
	strict.hold = true;
	rig_send(&t, OP_WRITE, 10, 10, 0, data);
	rig_send(&t, OP_WRITE, 30, 10, 0, data); /* waits for the block */
	rig_send(&t, OP_ZERO, 0, 20000, 0, NULL);
	rig_send(&t, OP_READ, 5, 60000, REQ_PLACE, data);
	CHECK_EQ_U(t.home, n);
	stack_cancel(t.stack);
	CHECK(home(n + 4));
	for (unsigned i = n; i < n + 4; i++)
		CHECK_EQ_U(t.came[i].err, ESHUTDOWN);
	CHECK(stack_idle(t.stack));
	rig_stop(&t);
}

TEST(a_disk_below_that_changes_its_size_is_refused)
{
	strict_reset();
	CHECK(start(small));
	CHECK_EQ_U(call(OP_CLOSE, 0, 0, 0, NULL), 0);
	stack_reset(t.stack);
	strict.size -= 512;
	CHECK_EQ_U(call(OP_OPEN, 0, 0, 0, NULL), EINVAL);
	CHECK_EQ_U(strict.count[OP_CLOSE], 2);
	strict.size += 512;
	CHECK_EQ_U(call(OP_OPEN, 0, 0, 0, NULL), 0);
	rig_stop(&t);
}

/* Bytes for spans and for blocks agree, however they come. */
TEST(states_of_blocks_are_those_of_the_last_change_on_a_disk_of_any_size)
{
	enum { CHANGES = 400, LOOKS = 40 };
	static struct { uint64_t off, len; enum block_state state; } all[CHANGES];
	static const uint64_t spans[] = { 1, 3, OVERLAY_SPAN - 1, OVERLAY_SPAN, 5 * OVERLAY_SPAN + 7, (uint64_t)OVERLAY_SPAN * OVERLAY_SPAN,
					  (uint64_t)OVERLAY_SPAN * OVERLAY_SPAN + OVERLAY_SPAN, 1u << 30 };
	const uint64_t size = 1ull << 50, block = 64 << 10, blocks = size / block;
	uint64_t x = 88172645463325252u;
	struct overlay o;
	struct err e;

	CHECK(overlay_start(&o, block, &e) == 0 && overlay_size(&o, size) == 0);
	for (unsigned n = 0; n < CHANGES; n++) {
		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		uint64_t first = x % (n % 2 ? 1ull << 26 : 1ull << 13), len = spans[(x >> 40) % ARRAY_LEN(spans)];
		first -= n % 3 ? first % len % OVERLAY_SPAN : 0; /* often where a span begins */
		bool write = len < 4 && n % 4;
		all[n].off = n == 50 ? 0 : first;
		all[n].len = n == 50 ? blocks : len;
		all[n].state = write && n != 50 ? BLOCK_OURS : BLOCK_ZERO;
		if (all[n].state == BLOCK_OURS) /* at an offset that a file can have */
			CHECK_EQ_U(overlay_write(&o, NULL, first * block, len * block), 0);
		else
			overlay_drop(&o, all[n].off * block, all[n].len * block);
		for (unsigned k = 0; k < LOOKS; k++) {
			unsigned of = (unsigned)((x >> k) % (n + 1)), last = n + 1;
			uint64_t at = all[of].off + (k % 3 == 0 ? 0 : k % 3 == 1 ? all[of].len - 1 : all[of].len);
			while (last && (at < all[last - 1].off || at - all[last - 1].off >= all[last - 1].len))
				last--;
			CHECK_EQ_U(overlay_state(&o, at * block), last ? all[last - 1].state : BLOCK_BASE);
		}
	}
	overlay_stop(&o);
}

TEST(cow_refuses_what_makes_no_sense)
{
	static const char *const bad[][2] = {
		{ "cow-block-size", "1K" }, { "cow-block-size", "5000" }, { "cow-block-size", "4G" }, { "cow-block-size", "x" },
		{ "cow-on-cache", "x" }, { "cow-on-read", "x" }, { "cow-on-read", "" },
	};
	strict_reset();
	CHECK(rig_start(&t, mods));
	for (unsigned i = 0; i < ARRAY_LEN(bad); i++)
		CHECK(!rig_option(&t, 0, bad[i][0], bad[i][1]));
	rig_stop(&t);
}
