/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>
#include "stats/match.h"
#include "test.h"

TEST(a_percentile_is_the_smallest_value_that_so_many_do_not_exceed)
{
	static struct hist h;
	h = (struct hist){ 0 };
	CHECK_EQ_U(hist_percentile(&h, 5000), 0);
	for (unsigned i = 1; i <= 100; i++)
		hist_add(&h, i, 1);
	CHECK_EQ_U(hist_percentile(&h, 5000), 50);
	CHECK_EQ_U(hist_percentile(&h, 9900), 99);
	CHECK_EQ_U(hist_percentile(&h, 9990), 100);
	CHECK_EQ_U(hist_percentile(&h, 0), 1);
	CHECK_EQ_U(h.sum, 5050);
}

TEST(a_histogram_is_within_its_error_for_every_magnitude)
{
	static struct hist h;
	for (unsigned shift = 0; shift < 64; shift++)
		for (unsigned add = 0; add < 3; add++) {
			uint64_t v = (1ull << shift) + (add * (1ull << shift) / 3), got;
			h = (struct hist){ 0 };
			hist_add(&h, 0, 1);
			hist_add(&h, v, 1);
			hist_add(&h, UINT64_MAX, 1);
			got = hist_percentile(&h, 5000);
			CHECK((got > v ? got - v : v - got) <= v / 128);
		}
	hist_add(&h, UINT64_MAX, UINT64_MAX);
	CHECK_EQ_U(h.sum, UINT64_MAX);
	CHECK(hist_percentile(&h, 9999) >= UINT64_MAX - UINT64_MAX / 128);
	CHECK_EQ_U(hist_percentile(&h, 10000), UINT64_MAX);
}

TEST(a_set_of_blocks_counts_what_is_in_it)
{
	struct blocks s = { 0 };
	CHECK_EQ_U(blocks_add(&s, 10, 20), 0);
	CHECK_EQ_U(blocks_add(&s, 15, 5000), 5);
	CHECK_EQ_U(blocks_count(&s), 4990);
	CHECK_EQ_U(blocks_remove(&s, 0, 100), 90);
	CHECK_EQ_U(blocks_count(&s), 4900);
	blocks_clear(&s);
	CHECK_EQ_U(blocks_count(&s), 0);
	CHECK_EQ_U(blocks_add(&s, 4095, 4097), 0);
	CHECK_EQ_U(blocks_count(&s), 2);
	blocks_free(&s);
}

TEST(a_set_that_is_too_scattered_estimates)
{
	struct blocks s = { 0 };
	uint64_t n = 3 * (uint64_t)BLOCKS_PAGES_MAX;
	for (uint64_t i = 0; i < n; i++)
		blocks_add(&s, i * BLOCKS_PAGE * 7, i * BLOCKS_PAGE * 7 + 1);
	uint64_t got = blocks_count(&s), room = s.pages;
	unsigned sampled = s.sampled;
	blocks_free(&s);
	CHECK(sampled > 0 && room <= BLOCKS_PAGES_MAX);
	CHECK(got > n - n / 20 && got < n + n / 20);
}

static void at(struct stats *s, uint64_t ns, uint8_t type, uint64_t id, uint8_t op, uint64_t off, uint64_t len)
{
	struct rec_event e = { .time = ns, .conn = 1, .id = id, .type = type, .op = op, .off = off, .len = len };
	if (type == REC_MARK) {
		e.text = (const uint8_t *)"step";
		e.text_len = (uint32_t)len;
	}
	stats_event(s, &e);
}

TEST(steps_hold_what_was_answered_in_them)
{
	struct stats *s = stats_new(STATS_FIRST);
	CHECK(s);
	at(s, 100, REC_BEGIN, 1, REC_WRITE, 0, 8192);
	at(s, 200, REC_END, 1, 0, 0, 0);
	at(s, 300, REC_BEGIN, 2, REC_WRITE, 4096, 4096);
	at(s, 400, REC_MARK, 0, 0, 0, 4);
	at(s, 700, REC_END, 2, 0, 0, 0);
	at(s, 800, REC_BEGIN, 3, REC_READ, 0, 512);
	at(s, 900, REC_DISCONNECT, 0, 0, 0, 0);
	stats_end(s);
	CHECK_EQ_U(s->steps, 2);
	CHECK(!s->step[0]->name);
	CHECK_STR(s->step[1]->name, "step");
	CHECK_EQ_U(s->step[0]->op[REC_WRITE].bytes, 8192);
	CHECK_EQ_U(s->step[0]->distinct, 2);
	CHECK_EQ_U(s->step[0]->end, 400);
	CHECK_EQ_U(s->step[1]->op[REC_WRITE].ops, 1);
	CHECK_EQ_U(s->step[1]->op[REC_WRITE].latency.max, 400);
	CHECK_EQ_U(s->step[1]->rewritten, 1);
	CHECK_EQ_U(s->step[1]->abandoned, 1);
	CHECK_EQ_U(s->whole->distinct, 2);
	CHECK_EQ_U(s->whole->depth.max, 1);
	CHECK_EQ_U(s->whole->depth.at[1], 100 + 400 + 100);
	CHECK_EQ_U(s->conns, 1);
	stats_free(s);
}

/* As in a recording that was converted: what was before the first event is part of the session. */
TEST(a_session_may_begin_at_0)
{
	struct stats *s = stats_new(0);
	CHECK(s);
	at(s, 100, REC_MARK, 0, 0, 0, 4);
	stats_end(s);
	CHECK_EQ_U(s->start, 0);
	CHECK_EQ_U(s->whole->end - s->whole->begin, 100);
	stats_free(s);
}

TEST(a_session_without_events_takes_no_time)
{
	static const uint64_t starts[] = { 0, 5, STATS_FIRST };
	for (unsigned i = 0; i < ARRAY_LEN(starts); i++) {
		struct stats *s = stats_new(starts[i]);
		CHECK(s);
		stats_end(s);
		CHECK(s->now == s->start && s->whole->begin == s->whole->end && s->start == (i == 1 ? 5 : 0));
		stats_free(s);
	}
}

TEST(absurd_events_stay_in_bounds)
{
	struct stats *s = stats_new(STATS_FIRST);
	CHECK(s);
	at(s, 1, REC_BEGIN, 1, REC_WRITE, INT64_MAX - 4096, 4096);
	at(s, UINT64_MAX, REC_END, 1, 0, 0, 0);
	at(s, 5, REC_BEGIN, 2, REC_WRITE, 0, INT64_MAX);
	at(s, 5, REC_BEGIN, 2, REC_READ, INT64_MAX, 0);
	at(s, 6, REC_END, 2, 0, 0, 0);
	for (uint64_t i = 0; i < FLIGHT_MAX + 10; i++)
		at(s, 7, REC_BEGIN, 100 + i, REC_FLUSH, 0, 0);
	for (unsigned i = 0; i < STATS_STEPS_MAX + 10; i++)
		at(s, 8, REC_MARK, 0, 0, 0, 4);
	for (unsigned i = 0; i < STATS_CONNS_MAX + 10; i++) {
		struct rec_event e = { .time = 9, .conn = i * 0x123456789ull, .type = REC_CONNECT, .len = 1 };
		stats_event(s, &e);
	}
	stats_end(s);
	CHECK_EQ_U(s->untracked, 10);
	CHECK_EQ_U(s->steps, STATS_STEPS_MAX);
	CHECK_EQ_U(s->conns, STATS_CONNS_MAX);
	CHECK_EQ_U(s->whole->op[REC_WRITE].bytes, 4096);
	CHECK(s->backwards > 0 && s->whole->abandoned > 0 && !s->failed);
	stats_free(s);
}

static struct stats *with_marks(const char *marks)
{
	struct stats *s = stats_new(STATS_FIRST);
	for (uint64_t t = 1; s && *marks; marks++, t++) {
		struct rec_event e = { .time = t, .type = REC_MARK, .text = (const uint8_t *)marks, .text_len = 1 };
		stats_event(s, &e);
	}
	if (s)
		stats_end(s);
	return s;
}

TEST(steps_are_matched_by_their_marks_in_order)
{
	struct stats *a = with_marks("abcbd"), *b = with_marks("xbcd");
	struct step_pair p[16];
	static const struct step_pair want[] = { { 0, -1 }, { -1, 0 }, { 1, 1 }, { 2, 2 }, { 3, -1 }, { 4, 3 } };
	CHECK(a && b);
	CHECK_EQ_U(match_steps(a, b, p), 6);
	for (unsigned i = 0; i < 6; i++)
		CHECK(p[i].a == want[i].a && p[i].b == want[i].b);
	stats_free(a);
	stats_free(b);
}
