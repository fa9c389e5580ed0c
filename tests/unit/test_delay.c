/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include "filters/filters.h"
#include "unit/rig.h"

static struct rig t;
static const struct module *const delay_alone[] = { &mod_delay, NULL };

static bool start(const char *key, const char *value)
{
	return rig_start(&t, delay_alone) && rig_option(&t, 0, key, value) && rig_go(&t);
}

TEST(delay_holds_a_read_for_exactly_its_time)
{
	CHECK(start("rdelay", "40ms"));
	rig_send(&t, OP_READ, 0, 512, 0, NULL);
	rig_turn_to(&t, MS(40) - 1);
	CHECK_EQ_U(t.bottom, 0);
	CHECK_EQ_U(t.home, 0);
	rig_turn_to(&t, MS(40));
	CHECK_EQ_U(t.bottom, 1);
	CHECK_EQ_U(t.home, 1);
	CHECK_EQ_U(t.came[0].err, 0);
	rig_stop(&t);
}

TEST(rdelay_leaves_all_but_reads_alone)
{
	static const enum op others[] = { OP_WRITE, OP_FLUSH, OP_TRIM, OP_ZERO, OP_CACHE, OP_EXTENTS };
	CHECK(start("rdelay", "1"));
	for (unsigned i = 0; i < ARRAY_LEN(others); i++)
		rig_send(&t, others[i], 0, 512, 0, NULL);
	CHECK_EQ_U(t.home, ARRAY_LEN(others));
	rig_stop(&t);
}

TEST(wdelay_holds_writes_zeroes_and_trims)
{
	CHECK(start("wdelay", "10ms"));
	rig_send(&t, OP_WRITE, 0, 512, 0, NULL);
	rig_send(&t, OP_ZERO, 0, 512, 0, NULL);
	rig_send(&t, OP_TRIM, 0, 512, 0, NULL);
	rig_send(&t, OP_READ, 0, 512, 0, NULL);
	CHECK_EQ_U(t.home, 1);
	rig_turn_to(&t, MS(10));
	CHECK_EQ_U(t.home, 4);
	rig_stop(&t);
}

TEST(ten_thousand_requests_wait_on_one_thread_and_come_up_in_order)
{
	CHECK(start("delay-read", "100us"));
	for (unsigned i = 0; i < 10000; i++) {
		t.loop.now = i;
		rig_send(&t, OP_READ, i, 1, 0, NULL);
	}
	rig_turn_to(&t, 99999);
	CHECK_EQ_U(t.home, 0);
	for (unsigned i = 0; i < 10000; i++) {
		rig_turn_to(&t, 100000 + i);
		CHECK_EQ_U(t.home, i + 1);
		CHECK_EQ_U(t.came[i % RIG_MAX].off, i);
	}
	rig_stop(&t);
}

TEST(cancel_brings_what_is_parked_up_at_once_with_ESHUTDOWN)
{
	CHECK(start("rdelay", "1h"));
	for (unsigned i = 0; i < 100; i++)
		rig_send(&t, OP_READ, i, 1, 0, NULL);
	stack_cancel(t.stack);
	CHECK_EQ_U(t.home, 100);
	CHECK_EQ_U(t.bottom, 0);
	CHECK_EQ_U(t.came[99].err, ESHUTDOWN);
	CHECK(stack_idle(t.stack));
	CHECK_EQ_U(timers_next(&t.loop.timers), UINT64_MAX);
	rig_stop(&t);
}

TEST(fast_zero_can_be_made_to_fail_at_once)
{
	CHECK(rig_start(&t, delay_alone));
	CHECK(rig_option(&t, 0, "delay-fast-zero", "false"));
	CHECK(rig_option(&t, 0, "delay-zero", "1"));
	CHECK(rig_go(&t));
	rig_send(&t, OP_ZERO, 0, 512, REQ_FAST, NULL);
	CHECK_EQ_U(t.home, 1);
	CHECK_EQ_U(t.came[0].err, EOPNOTSUPP);
	rig_send(&t, OP_ZERO, 0, 512, 0, NULL);
	CHECK_EQ_U(t.home, 1);
	rig_turn_to(&t, NS_PER_S);
	CHECK_EQ_U(t.home, 2);
	rig_stop(&t);
}

TEST(a_client_that_left_without_a_word_is_closed_without_delay)
{
	CHECK(start("delay-close", "1"));
	rig_send(&t, OP_CLOSE, 0, 0, 0, NULL);
	CHECK_EQ_U(t.home, 0);
	stack_cancel(t.stack); /* CLOSE is not cancelled */
	CHECK_EQ_U(t.home, 0);
	rig_turn_to(&t, NS_PER_S);
	CHECK_EQ_U(t.home, 1);
	t.client.gone = true;
	rig_send(&t, OP_CLOSE, 0, 0, 0, NULL);
	CHECK_EQ_U(t.home, 2);
	rig_stop(&t);
}

TEST(two_delays_add_up)
{
	static const struct module *const two[] = { &mod_delay, &mod_delay, NULL };
	CHECK(rig_start(&t, two));
	CHECK(rig_option(&t, 0, "rdelay", "10ms"));
	CHECK(rig_option(&t, 1, "rdelay", "5ms"));
	CHECK(rig_go(&t));
	rig_send(&t, OP_READ, 0, 1, 0, NULL);
	rig_turn_to(&t, MS(10));
	CHECK_EQ_U(t.bottom, 0);
	rig_turn_to(&t, MS(15));
	CHECK_EQ_U(t.bottom, 1);
	rig_stop(&t);
}

TEST(delay_refuses_what_is_no_duration)
{
	CHECK(rig_start(&t, delay_alone));
	CHECK(!rig_option(&t, 0, "rdelay", "soon"));
	CHECK(!rig_option(&t, 0, "wdelay", "-1"));
	CHECK(!rig_option(&t, 0, "delay-fast-zero", "perhaps"));
	rig_stop(&t);
}
