/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>
#include "filters/filters.h"
#include "plugins/plugins.h"
#include "unit/conn_rig.h"
#include "unit/test.h"

static struct conn_rig t;
static const struct module *const memory_alone[] = { &mod_memory, NULL };
static const struct module *const delay_memory[] = { &mod_delay, &mod_memory, NULL };
static const char *const one_mib[] = { "size", "1M", NULL };
static const char *const big[] = { "size", "1G", NULL };
static const char *const slow[] = { "size", "1M", "rdelay", "40ms", NULL };

static void send_option(uint32_t option, const void *data, uint32_t len)
{
	conn_rig_option(&t, option, data, len);
}

static void send_request(uint16_t flags, uint16_t type, uint64_t cookie, uint64_t off, uint32_t len)
{
	conn_rig_request(&t, flags, type, cookie, off, len);
}

static bool enter(void)
{
	return conn_rig_enter(&t);
}

static bool got_simple(uint32_t err, uint64_t cookie)
{
	const uint8_t *p = conn_rig_got(&t, 16);
	return p && get_be32(p) == NBD_SIMPLE_REPLY_MAGIC && get_be32(p + 4) == err && get_be64(p + 8) == cookie;
}

TEST(a_session_is_the_same_in_whatever_pieces_it_comes)
{
	static const size_t pieces[] = { 0, 1, 2, 3, 7, 16, 27, 28, 29, 4095 };
	for (unsigned i = 0; i < ARRAY_LEN(pieces); i++) {
		uint8_t data[40000];
		memset(data, 'a' + (int)i, sizeof data);
		CHECK(conn_rig_start(&t, memory_alone, one_mib));
		t.piece = pieces[i];
		CHECK(enter());
		send_request(0, NBD_CMD_WRITE, 1, 1000, 600);
		conn_rig_send(&t, data, 600);
		send_request(0, NBD_CMD_WRITE, 2, 2000, 40000); /* more than stays in a receive buffer */
		conn_rig_send(&t, data, 40000);
		send_request(0, NBD_CMD_READ, 3, 1999, 2);
		send_request(0, 99, 4, 0, 0);
		send_request(0, NBD_CMD_FLUSH, 5, 0, 0);
		send_request(0, NBD_CMD_DISC, 0, 0, 0);
		conn_rig_turn(&t);
		CHECK(got_simple(0, 1));
		CHECK(got_simple(0, 2));
		CHECK(got_simple(0, 3));
		const uint8_t *p = conn_rig_got(&t, 2);
		CHECK(p && p[0] == 0 && p[1] == 'a' + i);
		CHECK(got_simple(22, 4));
		CHECK(got_simple(0, 5));
		CHECK_EQ_U(conn_rig_left(&t), 0);
		CHECK(!t.conn);
		conn_rig_stop(&t);
	}
}

TEST(a_client_that_takes_one_byte_at_a_time_gets_them_all_in_order)
{
	CHECK(conn_rig_start(&t, memory_alone, one_mib));
	CHECK(enter());
	t.out_room = 0;
	for (unsigned i = 0; i < 50; i++)
		send_request(0, NBD_CMD_READ, i, i * 4096, 100);
	conn_rig_turn(&t);
	CHECK_EQ_U(conn_rig_left(&t), 0);
	CHECK(t.want_out);
	for (unsigned i = 0; i < 50 * 116; i++) {
		t.out_room = 1;
		conn_rig_turn(&t);
	}
	for (unsigned i = 0; i < 50; i++) {
		CHECK(got_simple(0, i));
		CHECK(conn_rig_got(&t, 100));
	}
	CHECK_EQ_U(conn_rig_left(&t), 0);
	conn_rig_stop(&t);
}

TEST(a_client_that_never_reads_cannot_make_the_server_hold_more_than_its_bound)
{
	CHECK(conn_rig_start(&t, memory_alone, big));
	CHECK(enter());
	t.out_room = 0;
	for (unsigned i = 0; i < 300; i++)
		send_request(0, NBD_CMD_READ, i, 0, 1 << 20);
	conn_rig_turn(&t);
	CHECK(t.conn->bytes <= t.config.max_bytes + (1 << 20));
	CHECK(!t.want_in);
	CHECK(t.conn->flying < 100);
	t.out_room = SIZE_MAX; /* it reads after all: everything goes on */
	conn_rig_turn(&t);
	CHECK_EQ_U(conn_rig_left(&t), 300ull * ((1 << 20) + 16));
	conn_rig_stop(&t);
}

TEST(small_requests_without_end_are_bounded_too)
{
	CHECK(conn_rig_start(&t, delay_memory, slow));
	CHECK(enter());
	for (unsigned i = 0; i < 40000; i++)
		send_request(0, NBD_CMD_READ, i, 0, 1);
	conn_rig_turn(&t);
	CHECK_EQ_U(t.conn->flying, CONN_MAX_FLYING);
	for (int i = 0; i < 5; i++) {
		t.loop.now += 40 * NS_PER_MS;
		conn_rig_turn(&t);
	}
	CHECK_EQ_U(conn_rig_left(&t), 40000 * 17);
	conn_rig_stop(&t);
}

TEST(the_largest_write_goes_through_and_a_larger_one_is_thrown_away)
{
	uint8_t *data = calloc(1, NBD_MAX_PAYLOAD + 1);
	CHECK(conn_rig_start(&t, memory_alone, big));
	CHECK(enter());
	data[NBD_MAX_PAYLOAD - 1] = 'z';
	send_request(0, NBD_CMD_WRITE, 1, 0, NBD_MAX_PAYLOAD);
	conn_rig_send(&t, data, NBD_MAX_PAYLOAD);
	send_request(0, NBD_CMD_WRITE, 2, 0, NBD_MAX_PAYLOAD + 1);
	conn_rig_send(&t, data, NBD_MAX_PAYLOAD + 1);
	send_request(0, NBD_CMD_READ, 3, NBD_MAX_PAYLOAD - 1, 1);
	conn_rig_turn(&t);
	CHECK(got_simple(0, 1));
	CHECK(got_simple(22, 2));
	CHECK(got_simple(0, 3));
	CHECK(conn_rig_got(&t, 1)[0] == 'z');
	conn_rig_stop(&t);
	free(data);
}

/* As a client of extended headers, which says a length of 64 bits and whether that many bytes follow. */
static void send_extended(uint16_t flags, uint16_t type, uint64_t cookie, uint64_t len)
{
	uint8_t head[32];
	put_be64(put_be64(put_be64(put_be16(put_be16(put_be32(head, NBD_EXTENDED_REQUEST_MAGIC), flags), type), cookie), 0), len);
	conn_rig_send(&t, head, sizeof head);
}

TEST(with_extended_headers_a_payload_over_the_largest_ends_the_connection)
{
	uint8_t *data = calloc(1, NBD_MAX_PAYLOAD);
	uint8_t flags[4];
	const uint8_t *p;

	CHECK(conn_rig_start(&t, memory_alone, big));
	CHECK(conn_rig_got(&t, 18));
	put_be32(flags, NBD_FLAG_FIXED_NEWSTYLE | NBD_FLAG_NO_ZEROES);
	conn_rig_send(&t, flags, 4);
	send_option(NBD_OPT_EXTENDED_HEADERS, "", 0);
	send_option(NBD_OPT_GO, "\0\0\0\0\0\0", 6);
	conn_rig_turn(&t);
	CHECK(conn_rig_got(&t, 20 + 20 + 12 + 20)); /* ACK; INFO_EXPORT; ACK */
	send_extended(NBD_CMD_FLAG_PAYLOAD_LEN, NBD_CMD_TRIM, 1, NBD_MAX_PAYLOAD); /* not wanted, but read over */
	conn_rig_send(&t, data, NBD_MAX_PAYLOAD);
	send_extended(0, NBD_CMD_FLUSH, 2, 0);
	conn_rig_turn(&t);
	p = conn_rig_got(&t, 32);
	CHECK(p && get_be64(p + 8) == 1 && conn_rig_got(&t, (uint32_t)get_be64(p + 24)));
	p = conn_rig_got(&t, 32);
	CHECK(p && get_be64(p + 8) == 2 && get_be16(p + 6) == NBD_REPLY_TYPE_NONE);
	CHECK(t.conn);
	send_extended(NBD_CMD_FLAG_PAYLOAD_LEN, NBD_CMD_TRIM, 3, NBD_MAX_PAYLOAD + 1);
	conn_rig_turn(&t);
	CHECK(!t.conn);
	CHECK_EQ_U(conn_rig_left(&t), 0);
	conn_rig_stop(&t);
	free(data);
}

TEST(a_client_that_dies_takes_its_parked_requests_with_it)
{
	CHECK(conn_rig_start(&t, delay_memory, slow));
	CHECK(enter());
	for (unsigned i = 0; i < 100; i++)
		send_request(0, NBD_CMD_READ, i, 0, 512);
	conn_rig_turn(&t);
	CHECK_EQ_U(t.conn->flying, 100);
	conn_rig_end(&t);
	conn_rig_turn(&t); /* no time has passed */
	CHECK(!t.conn);
	CHECK_EQ_U(timers_next(&t.loop.timers), UINT64_MAX);
	conn_rig_stop(&t);
}

TEST(a_goodbye_waits_for_what_is_parked)
{
	CHECK(conn_rig_start(&t, delay_memory, slow));
	CHECK(enter());
	send_request(0, NBD_CMD_READ, 1, 0, 512);
	send_request(0, NBD_CMD_DISC, 0, 0, 0);
	conn_rig_turn(&t);
	CHECK(t.conn);
	t.loop.now += 40 * NS_PER_MS;
	conn_rig_turn(&t);
	CHECK(got_simple(0, 1));
	CHECK(!t.conn);
	conn_rig_stop(&t);
}

TEST(shutdown_answers_what_is_parked_and_ends)
{
	CHECK(conn_rig_start(&t, delay_memory, slow));
	CHECK(enter());
	send_request(0, NBD_CMD_READ, 1, 0, 512);
	conn_rig_turn(&t);
	conn_shutdown(t.conn);
	conn_rig_turn(&t);
	CHECK(got_simple(108, 1));
	CHECK(!t.conn);
	conn_rig_stop(&t);
}

static bool got_option_reply(uint32_t option, uint32_t type)
{
	const uint8_t *p = conn_rig_got(&t, 20);
	return p && get_be32(p + 8) == option && get_be32(p + 12) == type && conn_rig_got(&t, get_be32(p + 16));
}

/* Up to the options. */
static void haggle(void)
{
	uint8_t flags[4];
	put_be32(flags, NBD_FLAG_FIXED_NEWSTYLE);
	conn_rig_send(&t, flags, 4);
	conn_rig_turn(&t);
	conn_rig_got(&t, 18);
}

TEST(at_the_end_options_are_answered_with_shutdown)
{
	static const uint8_t query[100];
	CHECK(conn_rig_start(&t, memory_alone, one_mib));
	haggle();
	CHECK(conn_refuse(t.conn));
	send_option(NBD_OPT_LIST, "", 0);
	send_option(NBD_OPT_GO, query, sizeof query);
	send_option(99, query, sizeof query);
	send_option(NBD_OPT_STARTTLS, "", 0);
	conn_rig_turn(&t);
	CHECK(got_option_reply(NBD_OPT_LIST, NBD_REP_ERR_SHUTDOWN));
	CHECK(got_option_reply(NBD_OPT_GO, NBD_REP_ERR_SHUTDOWN));
	CHECK(got_option_reply(99, NBD_REP_ERR_SHUTDOWN));
	CHECK(got_option_reply(NBD_OPT_STARTTLS, NBD_REP_ERR_SHUTDOWN));
	send_option(NBD_OPT_ABORT, "", 0);
	conn_rig_turn(&t);
	CHECK(got_option_reply(NBD_OPT_ABORT, NBD_REP_ACK));
	CHECK(!t.conn);
	conn_rig_stop(&t);
}

TEST(at_the_end_export_name_cannot_be_answered_and_goodbye_is_said)
{
	CHECK(conn_rig_start(&t, memory_alone, one_mib));
	haggle();
	CHECK(conn_refuse(t.conn));
	send_option(NBD_OPT_EXPORT_NAME, "", 0);
	conn_rig_turn(&t);
	CHECK(!t.conn);
	CHECK_EQ_U(conn_rig_left(&t), 0);
	conn_rig_stop(&t);
}

/* An option whose answer waits below: it comes up now, and so does the next. */
TEST(at_the_end_an_option_that_is_being_answered_is_answered)
{
	static const char *const slow_open[] = { "size", "1M", "delay-open", "1s", NULL };
	static const uint8_t query[6];
	CHECK(conn_rig_start(&t, delay_memory, slow_open));
	haggle();
	send_option(NBD_OPT_GO, query, sizeof query);
	conn_rig_turn(&t);
	CHECK_EQ_U(conn_rig_left(&t), 0);
	CHECK(conn_refuse(t.conn));
	send_option(NBD_OPT_LIST, "", 0);
	conn_rig_turn(&t);
	CHECK(got_option_reply(NBD_OPT_GO, NBD_REP_ERR_SHUTDOWN));
	CHECK(got_option_reply(NBD_OPT_LIST, NBD_REP_ERR_SHUTDOWN));
	CHECK(t.conn);
	conn_shutdown(t.conn);
	conn_rig_turn(&t);
	CHECK(!t.conn);
	conn_rig_stop(&t);
}

TEST(at_the_end_who_cannot_be_told_or_is_past_the_handshake_is_not_refused_but_ended)
{
	CHECK(conn_rig_start(&t, memory_alone, one_mib));
	CHECK(enter());
	CHECK(!conn_refuse(t.conn));
	conn_rig_stop(&t);
	CHECK(conn_rig_prepare(&t, memory_alone, one_mib));
	t.config.oldstyle = true;
	CHECK(conn_rig_connect(&t));
	CHECK(!conn_refuse(t.conn));
	conn_rig_stop(&t);
}

TEST(shutdown_does_not_wait_for_ever_for_a_client_that_reads_nothing)
{
	CHECK(conn_rig_start(&t, memory_alone, one_mib));
	CHECK(enter());
	t.out_room = 0;
	send_request(0, NBD_CMD_READ, 1, 0, 512);
	conn_rig_turn(&t);
	conn_shutdown(t.conn);
	conn_rig_turn(&t);
	CHECK(t.conn);
	t.loop.now += CONN_LINGER_NS;
	conn_rig_turn(&t);
	CHECK(!t.conn);
	conn_rig_stop(&t);
}

TEST(a_request_without_its_magic_ends_the_connection)
{
	CHECK(conn_rig_start(&t, memory_alone, one_mib));
	CHECK(enter());
	conn_rig_send(&t, "0123456789012345678901234567", 28);
	conn_rig_turn(&t);
	CHECK(!t.conn);
	conn_rig_stop(&t);
}

TEST(half_a_write_is_not_written)
{
	CHECK(conn_rig_start(&t, memory_alone, one_mib));
	CHECK(enter());
	send_request(0, NBD_CMD_WRITE, 1, 0, 100000);
	conn_rig_send(&t, "half", 4);
	conn_rig_turn(&t);
	CHECK_EQ_U(t.conn->flying, 1);
	conn_rig_end(&t);
	conn_rig_turn(&t);
	CHECK(!t.conn);
	conn_rig_stop(&t);
}

TEST(an_idle_connection_holds_no_receive_buffer)
{
	CHECK(conn_rig_start(&t, memory_alone, one_mib));
	CHECK(enter());
	send_request(0, NBD_CMD_READ, 1, 0, 512);
	conn_rig_turn(&t);
	CHECK(!t.conn->rx);
	send_request(0, NBD_CMD_WRITE, 1, 0, 512); /* and no data */
	conn_rig_turn(&t);
	CHECK(!t.conn->rx);
	CHECK(t.conn->small);
	conn_rig_stop(&t);
}

TEST(options_without_end_and_a_client_that_reads_none_of_the_answers)
{
	uint8_t flags[4];
	CHECK(conn_rig_start(&t, memory_alone, one_mib));
	put_be32(flags, NBD_FLAG_FIXED_NEWSTYLE);
	conn_rig_send(&t, flags, 4);
	t.out_room = 0;
	for (unsigned i = 0; i < 5000; i++)
		send_option(NBD_OPT_LIST, "", 0);
	conn_rig_turn(&t);
	CHECK(t.conn && t.conn->out.len < 8192);
	conn_rig_stop(&t);
}
