/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/say.h"
#include "filters/filters.h"
#include "unit/rig.h"

enum { DISK = 256 << 10, SECTORS = DISK / 512 };
static struct rig t;
static uint8_t disk[DISK];
static uint64_t disk_size;
static uint32_t min_block;
static unsigned reads, closes, outside;
static bool hold;
static struct req *held;
static struct layer *bottom_layer;

static void answer(struct layer *l, struct req *r)
{
	if (r->op == OP_OPEN)
		l->limits = (struct limits){ .size = disk_size, .min_block = min_block, .can_write = true };
	closes += r->op == OP_CLOSE;
	bottom_layer = l;
	if (r->op == OP_READ) {
		reads++;
		if (r->off > disk_size || r->len > disk_size - r->off || (min_block && (r->off % min_block || r->len % min_block))) {
			outside++;
			req_up(l, r, EINVAL);
			return;
		}
		if (hold) {
			held = r;
			return;
		}
		memcpy(r->data, disk + r->off, r->len);
	}
	req_up(l, r, 0);
}

static const struct module image = { .name = "image", .submit = answer };
static const struct module *const mods[] = { &mod_partition, &image, NULL };

static void le(uint8_t *p, uint64_t v, unsigned n)
{
	while (n--) {
		*p++ = (uint8_t)v;
		v >>= 8;
	}
}

static void mbr_put(uint64_t sector, unsigned i, uint8_t type, uint32_t first, uint32_t count)
{
	uint8_t *s = disk + sector * 512, *p = s + 446 + (size_t)i * 16;
	s[510] = 0x55;
	s[511] = 0xaa;
	p[4] = type;
	le(p + 8, first, 4);
	le(p + 12, count, 4);
}

static void gpt_put(unsigned i, uint64_t first, uint64_t last)
{
	uint8_t *h = disk + 512, *p = disk + 1024 + (size_t)i * 128;
	memcpy(h, "EFI PART", 8);
	le(h + 72, 2, 8);
	le(h + 80, 128, 4);
	le(h + 84, 128, 4);
	memset(p, 0x11, 16);
	le(p + 32, first, 8);
	le(p + 40, last, 8);
}

static void clean(void)
{
	say_start("test", SAY_NULL, false);
	memset(disk, 0, sizeof disk);
	disk_size = DISK;
	min_block = 0;
	hold = false;
	held = NULL;
	reads = closes = outside = 0;
}

/* Open partition n: its size, or UINT64_MAX when it is refused; at gets where it is. */
static uint64_t part(unsigned n, uint64_t *at)
{
	char number[16];
	uint64_t size = UINT64_MAX;
	snprintf(number, sizeof number, "%u", n);
	closes = 0;
	if (!rig_start(&t, mods) || !rig_option(&t, 0, "partition", number))
		return 12345;
	if (rig_go(&t)) {
		uint8_t b[512];
		size = stack_limits(t.stack)->size;
		if (at && size >= 512) {
			for (unsigned i = 0; i < SECTORS; i++)
				le(disk + 512 * (size_t)i, i, 4);
			rig_send(&t, OP_READ, 0, 512, REQ_PLACE, b);
			*at = b[0] | (unsigned)b[1] << 8;
		}
	} else if (closes != 1) {
		size = 54321; /* left open below */
	}
	rig_stop(&t);
	return size;
}

static void some_mbr(void)
{
	clean();
	mbr_put(0, 0, 0x83, 8, 16);
	mbr_put(0, 1, 0x0f, 100, 200);
	mbr_put(0, 3, 0x07, 40, SECTORS - 40);
	mbr_put(100, 0, 0x83, 4, 10);    /* 5: 104 */
	mbr_put(100, 1, 0x05, 50, 20);
	mbr_put(150, 0, 0x83, 2, 3);     /* 6: 152 */
	mbr_put(150, 1, 0x05, 30, 20);   /* behind it, on disk in front: */
	mbr_put(130, 0, 0x83, 1, 1);     /* 7: 131 */
}

TEST(mbr_partitions_primary_and_logical)
{
	static const struct { unsigned n; uint64_t at, size; } want[] = {
		{ 1, 8, 16 }, { 4, 40, SECTORS - 40 }, { 5, 104, 10 }, { 6, 152, 3 }, { 7, 131, 1 },
	};
	for (unsigned i = 0; i < ARRAY_LEN(want); i++) {
		uint64_t at = 0;
		some_mbr();
		CHECK_EQ_U(part(want[i].n, &at), want[i].size * 512);
		CHECK_EQ_U(at, want[i].at);
	}
}

TEST(mbr_partitions_that_are_not_there_are_refused)
{
	static const unsigned none[] = { 2, 3, 8, 9, 128, UINT32_MAX };
	for (unsigned i = 0; i < ARRAY_LEN(none); i++) {
		some_mbr();
		CHECK_EQ_U(part(none[i], NULL), UINT64_MAX);
	}
	CHECK_EQ_U(outside, 0);
}

TEST(gpt_partitions)
{
	uint64_t at = 0;
	clean();
	mbr_put(0, 0, 0xee, 1, SECTORS - 1); /* as it protects a GPT */
	gpt_put(0, 40, 49);
	gpt_put(127, 60, SECTORS - 1);
	CHECK_EQ_U(part(2, NULL), UINT64_MAX);
	CHECK_EQ_U(part(129, NULL), UINT64_MAX);
	CHECK_EQ_U(part(UINT32_MAX, NULL), UINT64_MAX);
	CHECK_EQ_U(part(128, NULL), (SECTORS - 60) * 512);
	CHECK_EQ_U(part(1, &at), 10 * 512);
	CHECK_EQ_U(at, 40);
}

TEST(tables_are_read_in_the_blocks_that_the_disk_wants)
{
	some_mbr();
	min_block = 4096;
	CHECK_EQ_U(part(6, NULL), 3 * 512);
	CHECK_EQ_U(outside, 0);
	clean();
	min_block = 4096;
	gpt_put(9, 40, 49);
	CHECK_EQ_U(part(10, NULL), 10 * 512);
	CHECK_EQ_U(outside, 0);
}

TEST(a_partition_that_reaches_past_the_end_is_refused)
{
	clean();
	mbr_put(0, 0, 0x83, 8, SECTORS - 7);
	mbr_put(0, 1, 0x83, UINT32_MAX, UINT32_MAX);
	CHECK_EQ_U(part(1, NULL), UINT64_MAX);
	CHECK_EQ_U(part(2, NULL), UINT64_MAX);
	clean();
	gpt_put(0, 40, SECTORS);
	gpt_put(1, 40, UINT64_MAX);
	gpt_put(2, 0, UINT64_MAX);
	gpt_put(3, 50, 49);
	gpt_put(4, UINT64_MAX / 512, UINT64_MAX / 512 + 1);
	gpt_put(5, 50, 50);
	for (unsigned n = 1; n <= 5; n++)
		CHECK_EQ_U(part(n, NULL), UINT64_MAX);
	CHECK_EQ_U(part(6, NULL), 512);
}

TEST(a_chain_of_extended_boot_records_that_goes_round_ends)
{
	clean();
	mbr_put(0, 0, 0x05, 100, 100);
	mbr_put(100, 0, 0x83, 1, 1);
	mbr_put(100, 1, 0x05, 1, 1);
	mbr_put(101, 0, 0x83, 1, 1);
	mbr_put(101, 1, 0x05, 1, 1); /* itself */
	CHECK_EQ_U(part(1000000, NULL), UINT64_MAX);
	CHECK(reads < 300);
	CHECK_EQ_U(part(50, NULL), 512);
}

TEST(gpt_headers_that_lie_are_refused)
{
	static const struct { unsigned at, size; uint64_t value; } lies[] = {
		{ 72, 8, UINT64_MAX }, { 72, 8, UINT64_MAX / 512 }, { 72, 8, SECTORS }, { 84, 4, 0 }, { 84, 4, 127 }, { 84, 4, UINT32_MAX },
		{ 80, 4, 0 },
	};
	for (unsigned i = 0; i < ARRAY_LEN(lies); i++) {
		clean();
		gpt_put(0, 40, 49);
		CHECK_EQ_U(part(1, NULL), 5120);
		le(disk + 512 + lies[i].at, lies[i].value, lies[i].size);
		CHECK_EQ_U(part(1, NULL), UINT64_MAX);
		CHECK_EQ_U(outside, 0);
	}
}

TEST(a_disk_without_a_table_or_too_small_for_one_is_refused)
{
	clean();
	CHECK_EQ_U(part(1, NULL), UINT64_MAX);
	some_mbr();
	disk_size = 511;
	CHECK_EQ_U(part(1, NULL), UINT64_MAX);
	disk_size = 0;
	CHECK_EQ_U(part(1, NULL), UINT64_MAX);
	mbr_put(0, 0, 0x83, 0, 1);
	disk_size = 512;
	CHECK_EQ_U(part(1, NULL), 512);
	gpt_put(0, 40, 49);
	disk_size = 1023;
	mbr_put(0, 0, 0x83, 0, 1);
	CHECK_EQ_U(part(1, NULL), 512); /* no room for a GPT */
}

TEST(whatever_the_tables_say_nothing_outside_the_disk_is_read_or_served)
{
	unsigned served = 0;
	srand(1);
	for (unsigned round = 0; round < 3000; round++) {
		if (round % 2) {
			some_mbr();
		} else {
			clean();
			gpt_put(0, 40, 49);
			gpt_put(4, 40, 49);
		}
		for (unsigned i = 0; i < 4; i++) {
			unsigned at = round % 2 ? (i % 2 ? 0u : 100u + 50u * (i / 2)) * 512 + 446 + (unsigned)rand() % 64
						: 512 + (unsigned)rand() % 1200;
			disk[at] = (uint8_t)rand();
		}
		uint64_t size = part(1 + (unsigned)rand() % 8, NULL);
		CHECK(size == UINT64_MAX || size <= DISK);
		served += size != UINT64_MAX;
		CHECK_EQ_U(outside, 0);
	}
	CHECK(served > 300 && served < 2700);
}

TEST(a_client_that_goes_while_the_tables_are_read_leaves_nothing_behind)
{
	some_mbr();
	hold = true;
	CHECK(rig_start(&t, mods));
	CHECK(rig_option(&t, 0, "partition", "1"));
	CHECK(!rig_go(&t)); /* not yet home */
	CHECK(held);
	stack_cancel(t.stack);
	CHECK_EQ_U(t.home, 0);
	req_up(bottom_layer, held, 0);
	CHECK_EQ_U(t.home, 1);
	CHECK_EQ_U(t.came[0].err, ESHUTDOWN);
	CHECK_EQ_U(closes, 1);
	rig_stop(&t);
}

TEST(partition_wants_a_number_from_1_on)
{
	clean();
	CHECK(rig_start(&t, mods));
	CHECK(!rig_option(&t, 0, "partition", "0"));
	CHECK(!rig_option(&t, 0, "partition", "-1"));
	CHECK(!rig_option(&t, 0, "partition", "1x"));
	CHECK(!rig_go(&t)); /* and wants one at all */
	rig_stop(&t);
}
