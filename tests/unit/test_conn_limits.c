/* SPDX-License-Identifier: BSD-2-Clause */
/* What a connection may hold, and how long it may take. */
#include <stdlib.h>
#include "filters/filters.h"
#include "plugins/plugins.h"
#include "unit/conn_rig.h"
#include "unit/test.h"

static struct conn_rig t;
static struct conn_total total;
static const struct module *const memory_alone[] = { &mod_memory, NULL };
static const struct module *const delay_memory[] = { &mod_delay, &mod_memory, NULL };
static const char *const one_mib[] = { "size", "1M", NULL };
static const char *const big[] = { "size", "1G", NULL };

static bool start(const struct module *const *mods, const char *const *options, uint64_t timeout, uint64_t idle_timeout)
{
	if (!conn_rig_prepare(&t, mods, options))
		return false;
	t.loop.now = 1000;
	t.config.timeout = timeout;
	t.config.idle_timeout = idle_timeout;
	return conn_rig_connect(&t);
}

/* Is it still there, so long after the beginning? */
static bool lives_at(uint64_t ns)
{
	t.loop.now = 1000 + ns;
	conn_rig_turn(&t);
	return t.conn;
}

static void send_flags(void)
{
	uint8_t flags[4];
	put_be32(flags, NBD_FLAG_FIXED_NEWSTYLE | NBD_FLAG_NO_ZEROES);
	conn_rig_send(&t, flags, 4);
}

TEST(a_client_that_says_nothing_or_one_byte_at_a_time_is_cut_off_in_time)
{
	for (unsigned trickle = 0; trickle < 2; trickle++) {
		uint8_t said[20] = { 0, 0, 0, NBD_FLAG_FIXED_NEWSTYLE };
		put_be64(said + 4, NBD_IHAVEOPT);
		CHECK(start(memory_alone, one_mib, 10 * NS_PER_S, 0));
		for (unsigned s = 1; s < 10; s++) {
			if (trickle)
				conn_rig_send(&t, said + s - 1, 1);
			CHECK(lives_at(s * NS_PER_S));
		}
		CHECK(lives_at(10 * NS_PER_S - 1));
		CHECK(!lives_at(10 * NS_PER_S));
		conn_rig_stop(&t);
	}
}

TEST(one_that_reads_no_answer_is_cut_off_too)
{
	CHECK(start(memory_alone, one_mib, 10 * NS_PER_S, 0));
	t.out_room = 0;
	send_flags();
	conn_rig_option(&t, NBD_OPT_ABORT, "", 0);
	CHECK(lives_at(10 * NS_PER_S - 1));
	CHECK(!lives_at(10 * NS_PER_S));
	conn_rig_stop(&t);
}

TEST(the_time_that_opening_takes_is_not_the_clients)
{
	static const char *const slow_open[] = { "size", "1M", "delay-open", "60", NULL };
	CHECK(start(delay_memory, slow_open, 10 * NS_PER_S, 0));
	CHECK(conn_rig_got(&t, 18));
	CHECK(lives_at(5 * NS_PER_S));
	send_flags();
	conn_rig_option(&t, NBD_OPT_INFO, "\0\0\0\0\0\0", 6); /* opens, and closes again */
	conn_rig_turn(&t);
	for (unsigned s = 6; s <= 65; s++)
		CHECK(lives_at(s * NS_PER_S));
	CHECK(conn_rig_left(&t) > 0);
	CHECK(lives_at(70 * NS_PER_S - 1));
	CHECK(!lives_at(70 * NS_PER_S)); /* of its 10 seconds, 5 were left */
	conn_rig_stop(&t);
}

TEST(once_it_is_in_a_client_may_be_idle_for_ever)
{
	CHECK(start(memory_alone, one_mib, 10 * NS_PER_S, 0));
	CHECK(conn_rig_enter(&t));
	CHECK(lives_at(100000 * NS_PER_S));
	CHECK_EQ_U(t.loop.timers.count, 0);
	conn_rig_stop(&t);
}

TEST(with_an_idle_timeout_it_may_not)
{
	CHECK(start(memory_alone, one_mib, 10 * NS_PER_S, 5 * NS_PER_S));
	CHECK(conn_rig_enter(&t));
	CHECK(lives_at(4 * NS_PER_S));
	conn_rig_request(&t, 0, NBD_CMD_READ, 1, 0, 512);
	CHECK(lives_at(4 * NS_PER_S + 1));
	CHECK(conn_rig_got(&t, 16 + 512));
	CHECK(lives_at(9 * NS_PER_S)); /* the timer was not moved for the request, and looks again */
	CHECK_EQ_U(t.loop.timers.count, 1);
	CHECK(!lives_at(9 * NS_PER_S + 1));
	conn_rig_stop(&t);
}

TEST(half_a_request_and_answers_not_taken_are_idle_a_slow_request_is_not)
{
	static const char *const slow_read[] = { "size", "1M", "rdelay", "60", NULL };
	CHECK(start(memory_alone, one_mib, 0, 5 * NS_PER_S));
	CHECK(conn_rig_enter(&t));
	conn_rig_request(&t, 0, NBD_CMD_WRITE, 1, 0, 100000);
	conn_rig_send(&t, "abc", 3);
	conn_rig_turn(&t);
	CHECK(lives_at(5 * NS_PER_S - 1));
	CHECK(!lives_at(5 * NS_PER_S));
	conn_rig_stop(&t);

	CHECK(start(memory_alone, one_mib, 0, 5 * NS_PER_S));
	CHECK(conn_rig_enter(&t));
	t.out_room = 0;
	conn_rig_request(&t, 0, NBD_CMD_READ, 1, 0, 100000);
	conn_rig_turn(&t);
	CHECK(lives_at(5 * NS_PER_S - 1));
	CHECK(!lives_at(5 * NS_PER_S));
	conn_rig_stop(&t);

	CHECK(start(delay_memory, slow_read, 0, 5 * NS_PER_S));
	CHECK(conn_rig_enter(&t));
	conn_rig_request(&t, 0, NBD_CMD_READ, 1, 0, 512);
	conn_rig_turn(&t);
	for (unsigned s = 0; s < 64; s++)
		CHECK(lives_at(s * NS_PER_S));
	CHECK(conn_rig_got(&t, 16 + 512));
	CHECK(!lives_at(70 * NS_PER_S));
	conn_rig_stop(&t);
}

TEST(a_connection_holds_no_more_than_its_own_bound)
{
	CHECK(conn_rig_prepare(&t, memory_alone, big));
	t.config.max_bytes = 1 << 20;
	CHECK(conn_rig_connect(&t));
	CHECK(conn_rig_enter(&t));
	t.out_room = 0;
	for (unsigned i = 0; i < 100; i++)
		conn_rig_request(&t, 0, NBD_CMD_READ, i, 0, 400 << 10);
	conn_rig_turn(&t);
	CHECK_EQ_U(t.conn->flying, 3);
	t.out_room = SIZE_MAX;
	conn_rig_turn(&t);
	CHECK_EQ_U(conn_rig_left(&t), 100ull * ((400 << 10) + 16));
	conn_rig_stop(&t);
}

static bool start_in_a_crowd(uint64_t others, uint64_t max)
{
	if (!conn_rig_prepare(&t, memory_alone, big))
		return false;
	atomic_store(&total.bytes, others);
	total.max = max;
	t.config.total = &total;
	return conn_rig_connect(&t) && conn_rig_enter(&t);
}

TEST(when_all_hold_too_much_large_requests_come_one_by_one_and_small_ones_as_ever)
{
	CHECK(start_in_a_crowd(MIB(100), MIB(100)));
	t.out_room = 0;
	for (unsigned i = 0; i < 50; i++)
		conn_rig_request(&t, 0, NBD_CMD_READ, i, 0, 4096);
	conn_rig_turn(&t);
	CHECK_EQ_U(t.conn->flying, 50);
	CHECK_EQ_U(atomic_load(&total.bytes), MIB(100));
	for (unsigned i = 0; i < 50; i++)
		conn_rig_request(&t, 0, NBD_CMD_READ, i, 0, 1 << 20);
	conn_rig_turn(&t);
	CHECK_EQ_U(t.conn->flying, 51);
	CHECK(!t.want_in);
	CHECK(atomic_load(&total.bytes) > MIB(100));
	t.out_room = SIZE_MAX; /* the others still hold all of it: one at a time goes through */
	conn_rig_turn(&t);
	CHECK_EQ_U(conn_rig_left(&t), 50ull * (4096 + 16) + 50ull * ((1 << 20) + 16));
	CHECK_EQ_U(atomic_load(&total.bytes), MIB(100));
	conn_rig_stop(&t);
}

TEST(what_a_connection_held_is_given_back_however_it_ends)
{
	CHECK(start_in_a_crowd(0, MIB(100)));
	t.out_room = 0;
	for (unsigned i = 0; i < 10; i++)
		conn_rig_request(&t, 0, NBD_CMD_READ, i, 0, 1 << 20);
	conn_rig_request(&t, 0, NBD_CMD_WRITE, 11, 0, 1 << 20);
	conn_rig_send(&t, "abc", 3);
	conn_rig_turn(&t);
	CHECK_EQ_U(atomic_load(&total.bytes), MIB(11));
	t.conn->t.ready(&t.conn->t, TRANSPORT_GONE);
	conn_rig_turn(&t);
	CHECK(!t.conn);
	CHECK_EQ_U(atomic_load(&total.bytes), 0);
	conn_rig_stop(&t);
}

/* --- before it is let in --- */

static bool holds_little(void)
{
	return t.conn && (!t.conn->rx || t.conn->rx->size <= 4096 + 16 + 4) && t.conn->out.room <= 8192;
}

TEST(whoever_stops_in_the_handshake_holds_little)
{
	uint8_t option[16 + 60000] = { 0 };
	put_be32(put_be32(put_be64(option, NBD_IHAVEOPT), NBD_OPT_SET_META_CONTEXT), 60000);
	static const size_t said[] = { 0, 1, 8, 15, 16, 17, 16 + 1000, 16 + 4000 };
	for (unsigned i = 0; i < ARRAY_LEN(said); i++) {
		CHECK(start(memory_alone, one_mib, 0, 0));
		send_flags();
		conn_rig_send(&t, option, said[i]);
		conn_rig_turn(&t);
		CHECK(holds_little());
		CHECK(!t.conn->rx || t.conn->rx->len == t.conn->rx->size);
		conn_rig_stop(&t);
	}
}

TEST(what_it_says_while_it_must_wait_is_left_in_the_socket)
{
	static const char *const slow_open[] = { "size", "1M", "delay-open", "1", NULL };
	static uint8_t noise[100000];
	CHECK(start(delay_memory, slow_open, 0, 0));
	send_flags();
	conn_rig_option(&t, NBD_OPT_GO, "\0\0\0\0\0\0", 6);
	conn_rig_send(&t, noise, sizeof noise);
	conn_rig_turn(&t);
	CHECK(holds_little());
	CHECK(t.in.len - t.in_at > sizeof noise - 4200);
	conn_rig_stop(&t);
}

TEST(unread_answers_stop_the_reading_of_options_and_nothing_is_lost)
{
	CHECK(start(memory_alone, one_mib, 0, 0));
	t.out_room = 18;
	send_flags();
	for (unsigned i = 0; i < 1000; i++)
		conn_rig_option(&t, NBD_OPT_LIST, "", 0);
	conn_rig_turn(&t);
	CHECK(holds_little());
	CHECK(!t.want_in);
	t.out_room = SIZE_MAX;
	conn_rig_turn(&t);
	/* 1,000 times the export "" and an ACK */
	CHECK_EQ_U(conn_rig_left(&t), 18 + 1000 * (20 + 4 + 20));
	conn_rig_stop(&t);
}

TEST(the_largest_option_still_works_in_whatever_pieces)
{
	static const size_t pieces[] = { 0, 1, 1000, 4096, 5000 };
	enum { QUERIES = 3000, LEN = 8 + QUERIES * (4 + 15) };
	uint8_t *data = malloc(LEN), *p = put_be32(put_be32(data, 0), QUERIES);
	for (unsigned i = 0; i < QUERIES; i++) {
		memcpy(put_be32(p, 15), i == QUERIES - 1 ? "base:allocation" : "nobody:knows:it", 15);
		p += 19;
	}
	for (unsigned i = 0; i < ARRAY_LEN(pieces); i++) {
		CHECK(start(memory_alone, one_mib, 0, 0));
		t.piece = pieces[i];
		CHECK(conn_rig_got(&t, 18));
		send_flags();
		conn_rig_option(&t, NBD_OPT_STRUCTURED_REPLY, "", 0);
		conn_rig_option(&t, NBD_OPT_SET_META_CONTEXT, data, LEN);
		conn_rig_turn(&t);
		CHECK_EQ_U(conn_rig_left(&t), 20 + 20 + 4 + 15 + 20);
		CHECK(!t.conn->rx);
		conn_rig_stop(&t);
	}
	free(data);
}
