/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit/test.h"
#include "base/util.h"
#include "view/heat.h"

static struct heat h;
static struct err e;

static void start(uint64_t size)
{
	CHECK(heat_init(&h, &e) == 0);
	heat_size(&h, size);
}

static void answer(enum ev_op op, uint64_t off, uint64_t len, uint64_t begun, uint64_t ended, int err)
{
	struct event req = { .time = begun, .kind = EV_BEGIN, .op = (uint8_t)op, .off = off, .len = len };
	struct event end = { .time = ended, .kind = EV_END, .op = (uint8_t)op, .err = err };
	heat_event(&h, &req, NULL, 1);
	heat_event(&h, &end, &req, 0);
}

static uint64_t all_at(enum heat_class c)
{
	uint64_t n = 0;
	for (unsigned i = 0; i < HEAT_BINS; i++)
		for (unsigned r = 0; r < HEAT_ROWS; r++)
			n += h.at[i].at[c][r];
	return n;
}

TEST(heat_counts_a_request_where_and_when_it_was_answered)
{
	start(128 * MIB(1));
	CHECK_EQ_U(heat_rows(&h), 128);
	answer(EV_WRITE, MIB(3) - 1, 2, NS_PER_S, NS_PER_S + 5 * NS_PER_MS, 0);
	CHECK_EQ_U(h.at[5].at[HEAT_WRITE][2], 1);
	CHECK_EQ_U(h.at[5].at[HEAT_WRITE][3], 1);
	CHECK_EQ_U(all_at(HEAT_WRITE), 2);
	CHECK_EQ_U(h.at[5].bytes[HEAT_WRITE], 2);
	CHECK_EQ_U(h.at[5].ops[HEAT_WRITE], 1);
	heat_free(&h);
}

TEST(heat_counts_latency_in_powers_of_two)
{
	start(MIB(1));
	answer(EV_READ, 0, 512, 1000, 1000, 0);
	answer(EV_READ, 0, 512, 1000, 1000 + 1023, 0);
	answer(EV_READ, 0, 512, 1000, 1000 + 1024, 0);
	answer(EV_FLUSH, 0, 0, 1000, 1000 + (1ull << 41), 0);
	uint64_t took[HEAT_CLASSES][HEAT_LATENCIES] = { 0 };
	for (unsigned i = 0; i < HEAT_BINS; i++)
		for (unsigned c = 0; c < HEAT_CLASSES; c++)
			for (unsigned r = 0; r < HEAT_LATENCIES; r++)
				took[c][r] += h.at[i].took[c][r];
	CHECK_EQ_U(took[HEAT_READ][0], 1);
	CHECK_EQ_U(took[HEAT_READ][9], 1);
	CHECK_EQ_U(took[HEAT_READ][10], 1);
	CHECK_EQ_U(took[HEAT_FLUSH][HEAT_LATENCIES - 1], 1);
	heat_free(&h);
}

TEST(heat_leaves_out_failures_and_what_nobody_asked)
{
	start(MIB(1));
	answer(EV_WRITE, 0, 4096, 5, 6, 5);
	heat_event(&h, &(struct event){ .time = 7, .kind = EV_END, .op = EV_WRITE }, NULL, 0);
	answer(EV_EXTENTS, 0, 4096, 7, 8, 0);
	CHECK_EQ_U(all_at(HEAT_WRITE), 0);
	CHECK_EQ_U(h.at[0].errors, 1);
	heat_free(&h);
}

TEST(heat_joins_bins_and_loses_nothing)
{
	start(MIB(1));
	for (uint64_t s = 0; s < 10000; s++)
		answer(EV_TRIM, s % 256 * 4096, 4096, s * NS_PER_S, s * NS_PER_S, 0);
	CHECK_EQ_U(h.bin, NS_PER_MS << 14);
	CHECK_EQ_U(h.bins, 9999000 / 16384 + 1);
	CHECK_EQ_U(all_at(HEAT_TRIM), 10000);
	CHECK_EQ_U(h.at[1].ops[HEAT_TRIM], 16); /* seconds 17 to 32, as bins are of 16.384 s */
	heat_free(&h);
}

TEST(heat_rows_join_when_the_disk_is_told_late)
{
	start(0);
	CHECK_EQ_U(heat_rows(&h), 0);
	answer(EV_ZERO, 0, 4096, 0, 0, 0);
	answer(EV_ZERO, KIB(600), 4096, 0, 0, 0); /* row 75 of 8 KiB */
	CHECK_EQ_U(h.at[0].at[HEAT_ZERO][75], 1);
	heat_size(&h, MIB(100));
	CHECK_EQ_U(heat_rows(&h), 100);
	CHECK_EQ_U(h.at[0].at[HEAT_ZERO][0], 2);
	answer(EV_ZERO, MIB(100) - 1, 4096, 0, 0, 0);
	answer(EV_ZERO, MIB(100), 4096, 0, 0, 0); /* beyond the end */
	CHECK_EQ_U(h.at[0].at[HEAT_ZERO][99], 1);
	CHECK_EQ_U(all_at(HEAT_ZERO), 3);
	answer(EV_ZERO, 0, UINT64_MAX, 0, 0, 0);
	CHECK_EQ_U(all_at(HEAT_ZERO), 103);
	heat_free(&h);
}

TEST(heat_knows_the_depth_of_silent_bins)
{
	struct event ev = { .time = 0, .kind = EV_BEGIN };
	start(MIB(1));
	heat_event(&h, &ev, NULL, 1);
	heat_event(&h, &ev, NULL, 2);
	ev = (struct event){ .time = 3 * NS_PER_MS, .kind = EV_END };
	heat_event(&h, &ev, NULL, 1);
	ev.time = 4 * NS_PER_MS;
	heat_event(&h, &ev, NULL, 0);
	ev.time = 6 * NS_PER_MS;
	heat_event(&h, &ev, NULL, 0);
	static const unsigned want[] = { 2, 2, 2, 2, 1, 0, 0 };
	for (unsigned i = 0; i < ARRAY_LEN(want); i++)
		CHECK_EQ_U(h.at[i].deepest, want[i]);
	heat_free(&h);
}
