/* SPDX-License-Identifier: BSD-2-Clause */
/* STARTTLS and what comes behind it, over a socket that is memory: in pieces, with little room, and broken off anywhere. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "filters/filters.h"
#include "plugins/plugins.h"
#include "unit/test.h"
#include "unit/tls_client.h"

#define ALICE "00112233445566778899aabbccddeeff"

static struct conn_rig t;
static struct tls_client c;
static struct tls *keys;
static const struct module *const memory_alone[] = { &mod_memory, NULL };
static const struct module *const delay_memory[] = { &mod_delay, &mod_memory, NULL };
static const char *const disk[] = { "size", "64M", NULL };
static const char *const slow[] = { "size", "64M", "wdelay", "40ms", NULL };
static const char *const versions[] = { TLS_CLIENT_12, TLS_CLIENT_13 };

static void put_option(struct buf *b, uint32_t option, const void *data, uint32_t len)
{
	uint8_t head[16];
	put_be32(put_be32(put_be64(head, NBD_IHAVEOPT), option), len);
	buf_add(b, head, sizeof head);
	buf_add(b, data, len);
}

static void put_request(struct buf *b, uint16_t type, uint64_t cookie, uint64_t off, uint32_t len)
{
	uint8_t head[28];
	put_be32(put_be64(put_be64(put_be16(put_be16(put_be32(head, NBD_REQUEST_MAGIC), 0), type), cookie), off), len);
	buf_add(b, head, sizeof head);
}

static void say_option(uint32_t option, const void *data, uint32_t len)
{
	struct buf b = { .limit = 1 << 20 };
	put_option(&b, option, data, len);
	conn_rig_send(&t, b.p, b.len);
	buf_free(&b);
	conn_rig_turn(&t);
}

/* The type of the next option reply in plain text; its data is skipped. */
static uint32_t plain_reply(void)
{
	const uint8_t *p = conn_rig_got(&t, 20);
	if (!p || get_be64(p) != NBD_REP_MAGIC)
		return 0;
	uint32_t type = get_be32(p + 12);
	return conn_rig_got(&t, get_be32(p + 16)) ? type : 0;
}

static uint32_t reply(void)
{
	const uint8_t *p = tls_client_got(&c, 20);
	if (!p || get_be64(p) != NBD_REP_MAGIC)
		return 0;
	uint32_t type = get_be32(p + 12);
	return tls_client_got(&c, get_be32(p + 16)) ? type : 0;
}

static bool simple(uint32_t err, uint64_t cookie)
{
	const uint8_t *p = tls_client_got(&c, 16);
	return p && get_be32(p) == NBD_SIMPLE_REPLY_MAGIC && get_be32(p + 4) == err && get_be64(p + 8) == cookie;
}

static void say(struct buf *b)
{
	tls_client_send(&c, b->p, b->len);
	b->len = 0;
	tls_client_turn(&c);
}

/* A server with keys whose client has sent its flags. */
static bool start(const struct module *const *mods, const char *const *options)
{
	uint8_t flags[4];
	if (!keys)
		keys = tls_client_keys();
	if (!keys || !conn_rig_start(&t, mods, options) || !conn_rig_got(&t, 18))
		return false;
	t.config.tls = keys;
	put_be32(flags, NBD_FLAG_FIXED_NEWSTYLE | NBD_FLAG_NO_ZEROES);
	conn_rig_send(&t, flags, 4);
	conn_rig_turn(&t);
	return true;
}

/* ... and for whom STARTTLS was acknowledged. */
static bool start_tls(const struct module *const *mods, const char *const *options, const char *priority)
{
	if (!start(mods, options))
		return false;
	say_option(NBD_OPT_STARTTLS, NULL, 0);
	return plain_reply() == NBD_REP_ACK && tls_client_start(&c, &t, priority, "alice", ALICE);
}

/* ... and who is inside, by EXPORT_NAME. */
static bool enter(const struct module *const *mods, const char *const *options, const char *priority)
{
	struct buf b = { .limit = 1 << 20 };
	if (!start_tls(mods, options, priority) || tls_client_shake(&c) < 0)
		return false;
	put_option(&b, NBD_OPT_EXPORT_NAME, "", 0);
	say(&b);
	buf_free(&b);
	return tls_client_got(&c, 10);
}

static void stop(void)
{
	tls_client_stop(&c);
	conn_rig_stop(&t);
	tls_free(keys);
	keys = NULL;
}

static void fill_random(uint8_t *p, size_t n)
{
	uint32_t x = 12345;
	for (size_t i = 0; i < n; i++) {
		x = x * 1664525 + 1013904223;
		p[i] = (uint8_t)(x >> 24);
	}
}

TEST(a_client_is_who_its_key_says_by_both_versions)
{
	for (unsigned i = 0; i < ARRAY_LEN(versions); i++) {
		CHECK(enter(memory_alone, disk, versions[i]));
		CHECK(t.conn->client.tls);
		CHECK_STR(t.conn->client.peer.tls_psk_user, "alice");
		CHECK(!t.conn->client.peer.tls_dn && !t.conn->client.peer.tls_issuer_dn);
		stop();
	}
}

static void a_session(const char *priority, size_t piece, size_t out_room)
{
	enum { LEN = 300000 };
	struct buf b = { .limit = 1 << 20 };
	uint8_t *data = malloc(LEN);
	fill_random(data, LEN);
	CHECK(start_tls(memory_alone, disk, priority));
	t.piece = piece;
	c.out_room = out_room;
	CHECK_EQ_U(tls_client_shake(&c), 0);
	put_option(&b, NBD_OPT_EXPORT_NAME, "", 0);
	say(&b);
	CHECK(tls_client_got(&c, 10));
	put_request(&b, NBD_CMD_WRITE, 1, 77, LEN);
	buf_add(&b, data, LEN);
	for (unsigned i = 2; i < 20; i++)
		put_request(&b, NBD_CMD_READ, i, 77 + i, 1000 * i);
	put_request(&b, NBD_CMD_READ, 20, 77, LEN);
	put_request(&b, NBD_CMD_DISC, 0, 0, 0);
	say(&b);
	CHECK(simple(0, 1));
	for (unsigned i = 2; i < 20; i++) {
		CHECK(simple(0, i));
		const uint8_t *got = tls_client_got(&c, 1000 * i);
		CHECK(got && memcmp(got, data + i, 1000 * i) == 0);
	}
	CHECK(simple(0, 20));
	const uint8_t *got = tls_client_got(&c, LEN);
	CHECK(got && memcmp(got, data, LEN) == 0);
	CHECK_EQ_U(tls_client_left(&c), 0);
	CHECK(!t.conn);
	free(data);
	buf_free(&b);
	stop();
}

TEST(a_session_is_the_same_in_whatever_pieces_it_comes_and_goes)
{
	static const struct { size_t piece, room; } with[] = {
		{ 0, 0 }, { 1, 0 }, { 5, 37 }, { 1000, 1 }, { 0, 16383 }, { 16406, 16406 }, { 0, 100000 },
	};
	for (unsigned i = 0; i < ARRAY_LEN(with); i++)
		for (unsigned k = 0; k < ARRAY_LEN(versions); k++)
			a_session(versions[k], with[i].piece, with[i].room);
}

TEST(the_server_says_goodbye_as_tls_has_it)
{
	struct buf b = { .limit = 1 << 20 };
	for (unsigned i = 0; i < ARRAY_LEN(versions); i++) {
		CHECK(enter(memory_alone, disk, versions[i]));
		put_request(&b, NBD_CMD_DISC, 0, 0, 0);
		say(&b);
		CHECK(c.ended && !c.error && !t.conn);
		stop();
	}
	buf_free(&b);
}

TEST(input_that_waits_inside_gnutls_is_not_forgotten_while_the_socket_is_empty)
{
	enum { LEN = 32 << 20, READS = 200 };
	struct buf b = { .limit = 80 << 20 };
	for (unsigned k = 0; k < ARRAY_LEN(versions); k++) {
		CHECK(enter(delay_memory, slow, versions[k]));
		for (unsigned i = 0; i < 2; i++) {
			put_request(&b, NBD_CMD_WRITE, i, 0, LEN);
			CHECK(buf_reserve(&b, LEN));
			memset(b.p + b.len, 'x', LEN);
			b.len += LEN;
		}
		for (unsigned i = 0; i < READS; i++)
			put_request(&b, NBD_CMD_READ, 2 + i, i, 1);
		say(&b);
		CHECK_EQ_U(t.conn->bytes, 2 * LEN); /* as much as it may hold: the reads wait */
		CHECK(!t.want_in && t.conn->flying == 2);
		CHECK_EQ_U(t.in.len - t.in_at, 0);  /* and not in the socket */
		t.loop.now += 40 * NS_PER_MS;
		tls_client_turn(&c);
		CHECK_EQ_U(tls_client_left(&c), 2 * 16 + READS * 17);
		stop();
	}
	buf_free(&b);
}

TEST(a_write_that_is_refused_does_not_end_the_connection)
{
	struct buf b = { .limit = 80 << 20 };
	for (unsigned k = 0; k < ARRAY_LEN(versions); k++) {
		uint64_t size = 64 << 20, places[] = { size, size - 1, UINT64_MAX - 5, 0 };
		uint32_t lens[] = { 512, 1 << 20, 100000, NBD_MAX_PAYLOAD + 1 };
		CHECK(enter(memory_alone, disk, versions[k]));
		for (unsigned i = 0; i < ARRAY_LEN(places); i++) {
			put_request(&b, NBD_CMD_WRITE, i, places[i], lens[i]);
			CHECK(buf_reserve(&b, lens[i]));
			memset(b.p + b.len, 'x', lens[i]);
			b.len += lens[i];
			say(&b);
			CHECK(simple(28, i)); /* ENOSPC */
		}
		put_request(&b, NBD_CMD_READ, 9, 0, 1);
		say(&b);
		CHECK(simple(0, 9) && tls_client_got(&c, 1) && t.conn);
		stop();
	}
	buf_free(&b);
}

TEST(what_was_agreed_on_in_plain_text_is_forgotten)
{
	static const uint8_t query[] = "\0\0\0\0\0\0\0\1\0\0\0\17base:allocation";
	struct buf b = { .limit = 1 << 20 };
	CHECK(start(memory_alone, disk));
	say_option(NBD_OPT_STRUCTURED_REPLY, NULL, 0);
	CHECK_EQ_U(plain_reply(), NBD_REP_ACK);
	say_option(NBD_OPT_SET_META_CONTEXT, query, sizeof query - 1);
	CHECK_EQ_U(plain_reply(), NBD_REP_META_CONTEXT);
	CHECK_EQ_U(plain_reply(), NBD_REP_ACK);
	say_option(NBD_OPT_INFO, "\0\0\0\1x\0\0", 7);
	CHECK_EQ_U(plain_reply(), NBD_REP_INFO);
	CHECK_EQ_U(plain_reply(), NBD_REP_ACK);
	say_option(NBD_OPT_STARTTLS, NULL, 0);
	CHECK_EQ_U(plain_reply(), NBD_REP_ACK);
	CHECK_STR(t.conn->client.export, "");
	CHECK(!t.conn->client.tls); /* not before the handshake is over */
	unsigned options = t.conn->options;
	CHECK(tls_client_start(&c, &t, TLS_CLIENT_13, "alice", ALICE));
	CHECK_EQ_U(tls_client_shake(&c), 0);
	put_option(&b, NBD_OPT_SET_META_CONTEXT, query, sizeof query - 1);
	say(&b);
	CHECK_EQ_U(reply(), NBD_REP_ERR_INVALID); /* structured replies first */
	put_option(&b, NBD_OPT_EXPORT_NAME, "", 0);
	say(&b);
	const uint8_t *p = tls_client_got(&c, 10);
	CHECK(p && !(get_be16(p + 8) & NBD_FLAG_SEND_DF));
	CHECK_EQ_U(t.conn->options, options + 2); /* the bound is on all of them */
	put_request(&b, NBD_CMD_BLOCK_STATUS, 1, 0, 512);
	put_request(&b, NBD_CMD_READ, 2, 0, 1);
	say(&b);
	CHECK(simple(22, 1) && simple(0, 2));
	buf_free(&b);
	stop();
}

TEST(plain_text_behind_starttls_is_never_taken_for_what_came_inside)
{
	struct buf b = { .limit = 1 << 20 };
	for (unsigned late = 0; late < 2; late++) {
		CHECK(start(memory_alone, disk));
		put_option(&b, NBD_OPT_STARTTLS, NULL, 0);
		size_t first = b.len;
		put_option(&b, NBD_OPT_LIST, NULL, 0);
		conn_rig_send(&t, b.p, late ? first : b.len);
		conn_rig_turn(&t);
		if (late)
			conn_rig_send(&t, b.p + first, b.len - first);
		conn_rig_turn(&t);
		CHECK(!t.conn);
		if (late)
			CHECK_EQ_U(plain_reply(), NBD_REP_ACK);
		while (conn_rig_left(&t)) { /* TLS records: an alert */
			const uint8_t *p = conn_rig_got(&t, 5);
			CHECK(p && p[0] == 21 && conn_rig_got(&t, get_be16(p + 3)));
		}
		b.len = 0;
		stop();
	}
	buf_free(&b);
}

TEST(answers_that_wait_for_room_go_out_in_plain_text_before_tls_begins)
{
	CHECK(start(memory_alone, disk));
	t.out_room = 0;
	say_option(NBD_OPT_LIST, NULL, 0);
	say_option(NBD_OPT_STARTTLS, NULL, 0);
	CHECK(!t.want_in && t.want_out && !conn_rig_left(&t)); /* what the client says is not looked at before */
	CHECK(tls_client_start(&c, &t, TLS_CLIENT_13, "alice", ALICE));
	for (unsigned i = 0; i < 30; i++) {
		t.out_room = 1;
		conn_rig_turn(&t);
	}
	t.out_room = SIZE_MAX;
	conn_rig_turn(&t);
	CHECK_EQ_U(plain_reply(), NBD_REP_SERVER);
	CHECK_EQ_U(plain_reply(), NBD_REP_ACK);
	CHECK_EQ_U(plain_reply(), NBD_REP_ACK);
	CHECK_EQ_U(tls_client_shake(&c), 0);
	CHECK(t.conn->client.tls);
	stop();
}

TEST(starttls_has_no_data_comes_once_and_needs_keys)
{
	struct buf b = { .limit = 1 << 20 };
	CHECK(start(memory_alone, disk));
	say_option(NBD_OPT_STARTTLS, "x", 1);
	CHECK_EQ_U(plain_reply(), NBD_REP_ERR_INVALID);
	t.config.tls = NULL;
	say_option(NBD_OPT_STARTTLS, NULL, 0);
	CHECK_EQ_U(plain_reply(), NBD_REP_ERR_POLICY);
	t.config.tls = keys;
	say_option(NBD_OPT_STARTTLS, NULL, 0);
	CHECK_EQ_U(plain_reply(), NBD_REP_ACK);
	CHECK(tls_client_start(&c, &t, TLS_CLIENT_13, "alice", ALICE));
	CHECK_EQ_U(tls_client_shake(&c), 0);
	put_option(&b, NBD_OPT_STARTTLS, NULL, 0);
	put_option(&b, NBD_OPT_LIST, NULL, 0);
	say(&b);
	CHECK_EQ_U(reply(), NBD_REP_ERR_INVALID);
	CHECK_EQ_U(reply(), NBD_REP_SERVER);
	CHECK_EQ_U(reply(), NBD_REP_ACK);
	buf_free(&b);
	stop();
}

TEST(where_tls_is_required_nothing_else_is_answered_before)
{
	static const uint32_t options[] = { NBD_OPT_LIST, NBD_OPT_INFO, NBD_OPT_GO, NBD_OPT_STRUCTURED_REPLY, NBD_OPT_EXTENDED_HEADERS,
					    NBD_OPT_LIST_META_CONTEXT, NBD_OPT_SET_META_CONTEXT, 4, 99, UINT32_MAX };
	static uint8_t data[200000];
	struct buf b = { .limit = 1 << 20 };
	CHECK(start(memory_alone, disk));
	t.config.tls_required = true;
	for (unsigned i = 0; i < ARRAY_LEN(options); i++) {
		say_option(options[i], data, i % 2 ? 17 : i % 3 ? sizeof data : 0);
		CHECK_EQ_U(plain_reply(), NBD_REP_ERR_TLS_REQD);
		CHECK_EQ_U(conn_rig_left(&t), 0);
	}
	say_option(NBD_OPT_STARTTLS, NULL, 0);
	CHECK_EQ_U(plain_reply(), NBD_REP_ACK);
	CHECK(tls_client_start(&c, &t, TLS_CLIENT_13, "alice", ALICE));
	CHECK_EQ_U(tls_client_shake(&c), 0);
	put_option(&b, 99, NULL, 0);
	put_option(&b, NBD_OPT_LIST, NULL, 0);
	say(&b);
	CHECK_EQ_U(reply(), NBD_REP_ERR_UNSUP);
	CHECK_EQ_U(reply(), NBD_REP_SERVER);
	buf_free(&b);
	stop();

	CHECK(start(memory_alone, disk));
	t.config.tls_required = true;
	say_option(NBD_OPT_EXPORT_NAME, NULL, 0);
	CHECK(!t.conn && !conn_rig_left(&t));
	stop();
	CHECK(start(memory_alone, disk));
	t.config.tls_required = true;
	say_option(NBD_OPT_ABORT, NULL, 0);
	CHECK_EQ_U(plain_reply(), NBD_REP_ACK);
	CHECK(!t.conn);
	stop();
}

TEST(strangers_and_the_versions_of_old_are_sent_away_with_an_alert)
{
	static const struct { const char *priority, *user, *key; } who[] = {
		{ TLS_CLIENT_13, "alice", "ff112233445566778899aabbccddeeff" },
		{ TLS_CLIENT_12, "alice", "ff112233445566778899aabbccddeeff" },
		{ TLS_CLIENT_13, "mallory", ALICE }, { TLS_CLIENT_12, "mallory", ALICE },
		{ TLS_CLIENT_13, "", ALICE }, { TLS_CLIENT_12, "alicf", ALICE },
		{ "NORMAL:-VERS-ALL:+VERS-TLS1.1:+ECDHE-PSK:+DHE-PSK", "alice", ALICE },
		{ "NORMAL:-VERS-ALL:+VERS-TLS1.0:+ECDHE-PSK", "alice", ALICE },
		{ "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+PSK", "alice", ALICE }, { "NORMAL", "alice", ALICE },
	};
	for (unsigned i = 0; i < ARRAY_LEN(who); i++) {
		CHECK(start(memory_alone, disk));
		say_option(NBD_OPT_STARTTLS, NULL, 0);
		CHECK_EQ_U(plain_reply(), NBD_REP_ACK);
		CHECK(tls_client_start(&c, &t, who[i].priority, who[i].user, who[i].key));
		CHECK_EQ_U(tls_client_shake(&c), GNUTLS_E_FATAL_ALERT_RECEIVED);
		CHECK(!t.conn);
		stop();
	}
}

TEST(a_client_may_break_off_anywhere_in_the_handshake)
{
	for (unsigned k = 0; k < ARRAY_LEN(versions); k++)
		for (size_t at = 1;; at += 13) {
			CHECK(start_tls(memory_alone, disk, versions[k]));
			gnutls_handshake(c.session); /* it sends its first words */
			if (t.in.len - t.in_at > at) {
				t.in.len = t.in_at + at;
			} else {
				at += 13 * 20;
				conn_rig_turn(&t);
				gnutls_handshake(c.session); /* and an answer */
			}
			bool by_us = at % 2;
			conn_rig_turn(&t);
			if (!by_us)
				conn_rig_end(&t);
			conn_rig_turn(&t);
			CHECK(by_us || !t.conn);
			stop(); /* the server ends it */
			if (at > 1000)
				break;
		}
}

TEST(a_record_that_was_tampered_with_ends_the_connection)
{
	struct buf b = { .limit = 1 << 20 };
	for (unsigned k = 0; k < ARRAY_LEN(versions); k++) {
		CHECK(enter(memory_alone, disk, versions[k]));
		put_request(&b, NBD_CMD_READ, 1, 0, 1);
		tls_client_send(&c, b.p, b.len);
		put_request(&b, NBD_CMD_WRITE, 2, 0, 4000);
		buf_reserve(&b, 4000);
		memset(b.p + b.len, 'x', 4000);
		b.len += 4000;
		tls_client_send(&c, b.p + 28, b.len - 28);
		t.in.p[t.in.len - 1000] ^= 1;
		b.len = 0;
		tls_client_turn(&c);
		CHECK(!t.conn && c.error == GNUTLS_E_FATAL_ALERT_RECEIVED);
		stop();
	}
	buf_free(&b);
}

TEST(keys_may_change_but_nobody_negotiates_anew)
{
	struct buf b = { .limit = 1 << 20 };
	CHECK(enter(memory_alone, disk, TLS_CLIENT_13));
	for (unsigned i = 0; i < 5; i++) {
		CHECK_EQ_U(gnutls_session_key_update(c.session, GNUTLS_KU_PEER), 0);
		put_request(&b, NBD_CMD_READ, i, 0, 1);
		say(&b);
		CHECK(simple(0, i) && tls_client_got(&c, 1));
	}
	stop();
	CHECK(enter(memory_alone, disk, TLS_CLIENT_12));
	CHECK(gnutls_handshake(c.session) < 0);
	tls_client_turn(&c);
	CHECK(!t.conn);
	buf_free(&b);
	stop();
}

TEST(empty_records_and_a_client_that_goes_without_a_word)
{
	struct buf b = { .limit = 1 << 20 };
	for (unsigned k = 0; k < ARRAY_LEN(versions); k++) {
		CHECK(enter(memory_alone, disk, versions[k]));
		put_request(&b, NBD_CMD_READ, 1, 0, 1);
		CHECK(tls_client_send(&c, b.p, 3));
		gnutls_record_send(c.session, "", 0);
		CHECK(tls_client_send(&c, b.p + 3, b.len - 3));
		b.len = 0;
		tls_client_turn(&c);
		CHECK(simple(0, 1) && tls_client_got(&c, 1));
		put_request(&b, NBD_CMD_READ, 2, 0, 1);
		CHECK(tls_client_send(&c, b.p, b.len));
		b.len = 0;
		conn_rig_end(&t);
		tls_client_turn(&c);
		CHECK(!t.conn);
		stop();
	}
	buf_free(&b);
}

static const char *psk_file(const char *text, size_t len)
{
	static struct err e;
	char path[] = "/tmp/blkscope-keys-XXXXXX";
	struct tls_options o = { .psk = path };
	int fd = mkstemp(path);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
	if (!f)
		return "no file";
	fwrite(text, 1, len, f);
	fclose(f);
	e.msg[0] = '\0';
	tls_free(tls_new(&o, &e));
	unlink(path);
	return e.msg;
}

TEST(a_file_of_keys_is_read_with_care)
{
	static const struct { const char *text, *why; } bad[] = {
		{ "", "no key" }, { "\n\r\n", "no key" }, { "alice", "NAME:KEY" }, { "alice\n", "NAME:KEY" },
		{ ":00", "name" }, { "a:", "key must" },
		{ "a:0", "key must" }, { "a:0g", "not hexadecimal" }, { "a:00 ", "key must" },
		{ "#61:00", "hexadecimal" }, { "a:00\nb:0x00", "line 2" },
	};
	for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
		const char *why = psk_file(bad[i].text, strlen(bad[i].text));
		CHECK(strstr(why, bad[i].why));
	}
	CHECK(strstr(psk_file("a:00\0b:00", 9), "NAME:KEY"));
	CHECK_STR(psk_file("a:00", 4), "");
	char *much = malloc((1 << 20) + 2);
	memset(much, 'a', (1 << 20) + 2);
	CHECK(strstr(psk_file(much, (1 << 20) + 2), "1 MiB"));
	memcpy(much, "a:", 2);
	CHECK(strstr(psk_file(much, 2 + 2 * 256 + 2), "256 bytes"));
	CHECK_STR(psk_file(much, 2 + 2 * 256), "");
	free(much);
}
