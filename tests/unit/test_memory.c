/* SPDX-License-Identifier: BSD-2-Clause */
#include <pthread.h>
#include <stdlib.h>
#include "plugins/plugins.h"
#include "unit/rig.h"

static struct rig t;
static const struct module *const memory_alone[] = { &mod_memory, NULL };
static uint8_t data[1 << 20], back[1 << 20];

static bool start(const char *size)
{
	return rig_start(&t, memory_alone) && rig_option(&t, 0, "size", size) && rig_go(&t);
}

static int io(enum op op, uint64_t off, uint64_t len, void *p)
{
	rig_send(&t, op, off, len, op == OP_READ ? REQ_PLACE : 0, p);
	return t.came[(t.home - 1) % RIG_MAX].err;
}

static int map(struct extents *x, uint64_t off, uint64_t len, size_t max)
{
	extents_init(x, off, stack_limits(t.stack)->size - off, max);
	return io(OP_EXTENTS, off, len, x);
}

TEST(what_was_never_written_reads_as_zeroes)
{
	CHECK(start("64M"));
	memset(back, 0xff, sizeof back);
	CHECK(io(OP_READ, 12345, 100000, back) == 0);
	for (unsigned i = 0; i < 100000; i++)
		CHECK_EQ_U(back[i], 0);
	CHECK_EQ_U(back[100000], 0xff);
	rig_stop(&t);
}

TEST(every_alignment_reads_back_what_was_written)
{
	CHECK(start("64M"));
	for (unsigned i = 0; i < sizeof data; i++)
		data[i] = (uint8_t)(i * 31 + i / 251);
	static const uint64_t at[] = { 0, 1, 511, 32767, 32768, (1 << 20) - 1, (16 << 20) - 3, (16 << 20) + 1, (63 << 20) };
	static const uint64_t lens[] = { 1, 2, 4095, 32768, 32769, 1 << 20 };
	for (unsigned i = 0; i < ARRAY_LEN(at); i++)
		for (unsigned j = 0; j < ARRAY_LEN(lens); j++) {
			if (at[i] + lens[j] > 64 << 20)
				continue;
			uint64_t shift = lens[j] < sizeof data ? j : 0;
			CHECK(io(OP_WRITE, at[i], lens[j], data + shift) == 0);
			CHECK(io(OP_READ, at[i], lens[j], back) == 0);
			CHECK(memcmp(back, data + shift, lens[j]) == 0);
		}
	rig_stop(&t);
}

TEST(a_random_history_agrees_with_a_plain_array)
{
	enum { SIZE = 3 << 20 };
	static uint8_t model[SIZE];
	uint64_t seed = 42;
	memset(model, 0, sizeof model);
	CHECK(start("3M"));
	for (unsigned i = 0; i < 3000; i++) {
		seed = seed * 6364136223846793005ull + 1442695040888963407ull;
		uint64_t off = (seed >> 20) % SIZE, len = 1 + (seed >> 45) % 100000;
		len = MIN(len, SIZE - off);
		switch (seed >> 61) {
		case 0:
		case 1:
		case 2:
			memset(data, (int)(i | 1), len);
			CHECK(io(OP_WRITE, off, len, data) == 0);
			memset(model + off, (int)(i | 1), len);
			break;
		case 3:
			CHECK(io(OP_TRIM, off, len, NULL) == 0);
			memset(model + off, 0, len);
			break;
		case 4:
			CHECK(io(OP_ZERO, off, len, NULL) == 0);
			memset(model + off, 0, len);
			break;
		default:
			CHECK(io(OP_READ, off, len, back) == 0);
			CHECK(memcmp(back, model + off, len) == 0);
		}
	}
	struct extents x;
	CHECK(map(&x, 0, SIZE, EXTENTS_MAX) == 0);
	uint64_t off = 0;
	for (size_t i = 0; i < x.count; off += x.list[i++].len)
		for (uint64_t b = off; x.list[i].flags & EXTENT_ZERO && b < off + x.list[i].len; b++)
			CHECK_EQ_U(model[b], 0);
	CHECK_EQ_U(off, SIZE);
	extents_free(&x);
	rig_stop(&t);
}

TEST(trim_gives_pages_back_and_extents_tell)
{
	struct extents x;
	CHECK(start("1G"));
	memset(data, 7, sizeof data);
	CHECK(io(OP_WRITE, 0x30000, 10, data) == 0);
	CHECK(map(&x, 0, 1 << 20, 100) == 0);
	CHECK_EQ_U(x.count, 3);
	CHECK_EQ_U(x.list[0].len, 0x30000);
	CHECK_EQ_U(x.list[0].flags, EXTENT_HOLE | EXTENT_ZERO);
	CHECK_EQ_U(x.list[1].len, 0x8000);
	CHECK_EQ_U(x.list[1].flags, 0);
	extents_free(&x);
	CHECK(io(OP_TRIM, 0x30005, 5, NULL) == 0); /* half of what is there: the page stays */
	CHECK(map(&x, 0x30000, 0x8000, 100) == 0);
	CHECK_EQ_U(x.list[0].flags, 0);
	extents_free(&x);
	CHECK(io(OP_TRIM, 0x30000, 5, NULL) == 0); /* the other half: nothing is left in it */
	CHECK(map(&x, 0, 1 << 20, 100) == 0);
	CHECK_EQ_U(x.count, 1);
	CHECK_EQ_U(x.list[0].flags, EXTENT_HOLE | EXTENT_ZERO);
	extents_free(&x);
	rig_stop(&t);
}

TEST(the_largest_disk_starts_at_once_and_trims_and_maps_at_once)
{
	struct extents x;
	const uint64_t top = INT64_MAX - 4096;
	CHECK(start("9223372036854775807"));
	CHECK(io(OP_WRITE, top, 4096, data) == 0);
	CHECK(io(OP_WRITE, (uint64_t)1 << 62, 1, "x") == 0);
	CHECK(io(OP_READ, (uint64_t)1 << 62, 1, back) == 0);
	CHECK_EQ_U(back[0], 'x');
	CHECK(map(&x, 0, INT64_MAX, 100) == 0);
	CHECK_EQ_U(x.at, INT64_MAX);
	CHECK_EQ_U(x.count, 4);
	extents_free(&x);
	CHECK(io(OP_TRIM, 0, INT64_MAX, NULL) == 0);
	CHECK(io(OP_READ, (uint64_t)1 << 62, 1, back) == 0);
	CHECK_EQ_U(back[0], 0);
	rig_stop(&t);
}

TEST(a_read_tells_its_holes_when_asked_and_all_bytes_when_there_are_too_many)
{
	struct extents x;
	CHECK(start("64M"));
	for (uint64_t off = 0; off < 1 << 20; off += 0x10000)
		CHECK(io(OP_WRITE, off, 1, "y") == 0);
	extents_init(&x, 0, 1 << 20, 64);
	struct req *r = req_new(stack_top(t.stack), OP_READ);
	r->len = 1 << 20;
	r->data = back;
	r->flags = REQ_PLACE;
	r->holes = &x;
	req_down(stack_top(t.stack), r);
	CHECK_EQ_U(x.count, 32);
	CHECK_EQ_U(x.list[0].flags, 0);
	CHECK_EQ_U(x.list[1].flags, EXTENT_HOLE | EXTENT_ZERO);
	extents_free(&x);

	extents_init(&x, 0, 1 << 20, 8);
	memset(back, 0xff, sizeof back);
	r = req_new(stack_top(t.stack), OP_READ);
	r->len = 1 << 20;
	r->data = back;
	r->flags = REQ_PLACE;
	r->holes = &x;
	req_down(stack_top(t.stack), r);
	CHECK(x.at < x.end); /* not all told: so not to be relied on */
	for (unsigned i = 0; i < 1 << 20; i++)
		CHECK_EQ_U(back[i], i % 0x10000 ? 0 : 'y');
	extents_free(&x);
	rig_stop(&t);
}

TEST(a_read_within_a_leaf_is_lent_and_one_across_leaves_is_copied)
{
	CHECK(start("64M"));
	CHECK(io(OP_WRITE, 100, 5, "hello") == 0);
	CHECK(io(OP_WRITE, (16 << 20) - 2, 5, "world") == 0);
	memset(back, 0xff, sizeof back);
	rig_send(&t, OP_READ, 90, 20, 0, back);
	const char *lent = t.came[(t.home - 1) % RIG_MAX].data;
#if !UNDER_TSAN
	CHECK((void *)lent != back);
	CHECK_EQ_U(back[0], 0xff);
#endif
	CHECK(memcmp(lent, "\0\0\0\0\0\0\0\0\0\0hello\0\0\0\0\0", 20) == 0);
	rig_send(&t, OP_READ, (16 << 20) - 2, 5, 0, back);
	CHECK(t.came[(t.home - 1) % RIG_MAX].data == back);
	CHECK(memcmp(back, "world", 5) == 0);
	rig_stop(&t);
}

static void *hammer(void *arg)
{
	struct rig *mine = calloc(1, sizeof *mine);
	struct err e;
	uint64_t seed = (uintptr_t)arg;
	uint8_t *buf = malloc(65536);
	if (!mine || !buf || loop_start(&mine->loop, &e) < 0) {
		test_failed(__FILE__, __LINE__, "a thread cannot start");
		free(buf);
		free(mine);
		return NULL;
	}
	memset(buf, 'h', 65536);
	mine->client = (struct client){ .id = seed, .export = "" };
	mine->stack = stack_new(t.at, t.stack->layers[0].mod, &mine->loop, &mine->client);
	mine->stack->home_user = mine;
	rig_send(mine, OP_OPEN, 0, 0, 0, NULL);
	for (unsigned i = 0; i < 2000; i++) {
		static const enum op ops[] = { OP_READ, OP_WRITE, OP_TRIM, OP_ZERO };
		seed = seed * 6364136223846793005ull + 1442695040888963407ull;
		rig_send(mine, ops[seed >> 62], (seed >> 33) % (4 << 20), 1 + (seed >> 20) % 65535, 0, buf);
	}
	stack_free(mine->stack);
	loop_free(&mine->loop);
	free(buf);
	free(mine);
	return "done";
}

TEST(several_threads_read_write_and_trim_the_same_bytes)
{
	pthread_t th[4];
	void *ret;
	CHECK(start("5M"));
	for (uintptr_t i = 0; i < 4; i++)
		CHECK(pthread_create(&th[i], NULL, hammer, (void *)(i + 1)) == 0);
	for (unsigned i = 0; i < 4; i++) {
		pthread_join(th[i], &ret);
		CHECK_STR(ret, "done");
	}
	rig_stop(&t);
}

TEST(memory_wants_a_size)
{
	CHECK(rig_start(&t, memory_alone));
	CHECK(!rig_go(&t));
	rig_stop(&t);
}
