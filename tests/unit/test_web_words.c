/* SPDX-License-Identifier: BSD-2-Clause */
/* What a page says: the words of an address, JSON, the wish of a filter; and what it is told of cells. */
#include <stdio.h>
#include <stdlib.h>
#include "base/bytes.h"
#include "trace/event.h"
#include "unit/test.h"
#include "web/cells.h"
#include "web/json_in.h"
#include "web/query.h"
#include "web/wish.h"

static struct err e;

/* ---- query ---- */

static int add(struct query *q, const char *key, const char *value)
{
	return query_add(q, key, strlen(key), value, value ? strlen(value) : 0, &e);
}

TEST(a_query_holds_what_was_told)
{
	struct query q = { 0 };

	CHECK(add(&q, "t", "9223372036854775807") == 0);
	CHECK(add(&q, "order", "hilbert") == 0);
	CHECK(add(&q, "like", "a b") == 0);
	CHECK(add(&q, "disk", "0") == 0);
	CHECK_EQ_U(q.n[Q_T], INT64_MAX);
	CHECK_EQ_U(q.n[Q_ORDER], ORDER_HILBERT);
	CHECK_STR(q.like, "a b");
	CHECK(query_has(&q, Q_DISK));
	CHECK(!query_has(&q, Q_EVENT));
}

TEST(a_query_refuses_what_is_unknown_twice_or_out_of_bounds)
{
	static const char *const bad[][2] = {
		{ "t", "" },
		{ "t", "-1" },
		{ "t", "+1" },
		{ "t", " 1" },
		{ "t", "1 " },
		{ "t", "0x1" },
		{ "t", "9223372036854775808" },
		{ "t", "18446744073709551616" },
		{ "t", "000000000000000000001" },
		{ "t", NULL },
		{ "T", "1" },
		{ "tt", "1" },
		{ "", "1" },
		{ "w", "4097" },
		{ "zoom", "17" },
		{ "live", "2" },
		{ "order", "" },
		{ "order", "hil" },
		{ "order", "hilbertx" },
		{ "by", NULL },
	};
	char text[QUERY_TEXT_MAX + 2];
	struct query q = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		q = (struct query){ 0 };
		e.msg[0] = '\0';
		CHECK(add(&q, bad[i][0], bad[i][1]) < 0);
		CHECK(e.msg[0]);
	}
	q = (struct query){ 0 };
	CHECK(add(&q, "t", "1") == 0);
	CHECK(add(&q, "t", "1") < 0);
	memset(text, 'x', sizeof text);
	CHECK(query_add(&q, "like", 4, text, QUERY_TEXT_MAX + 1, &e) < 0);
	q = (struct query){ 0 };
	CHECK(query_add(&q, "like", 4, text, QUERY_TEXT_MAX, &e) == 0);
	CHECK_EQ_U(strlen(q.like), QUERY_TEXT_MAX);
	q = (struct query){ 0 };
	CHECK(query_add(&q, "like", 4, "a\0b", 3, &e) < 0);
}

/* ---- JSON ---- */

static struct json_in of(const char *text) { return (struct json_in){ .p = text, .end = text + strlen(text) }; }

/* NULL: it is bad. */
static const char *text_of(const char *json)
{
	static char out[16];
	struct json_in j = of(json);

	json_text(&j, out, sizeof out);
	return json_over(&j) ? out : NULL;
}

TEST(texts_of_json_are_read)
{
	static const char *const bad[] = {
		"",
		"a",
		"\"",
		"\"a",
		"\"a\" b",
		"\"\\",
		"\"\\\"",
		"\"\\x\"",
		"\"\\u12\"",
		"\"\\u 123\"",
		"\"\\u\x10\x11\x12\x13\"",
		"\"\\u0000\"",
		"\"\\ud800\"",
		"\"\\ud800\\u0041\"",
		"\"\\udc00\"",
		"\"\n\"",
		"\"0123456789abcdef\"",
		"'a'",
	};

	CHECK_STR(text_of("\"\""), "");
	CHECK_STR(text_of(" \"a b\"\n"), "a b");
	CHECK_STR(text_of("\"\\\"\\\\\\/\\n\\t\""), "\"\\/\n\t");
	CHECK_STR(text_of("\"\\u0041\\u00E9\\u20ac\""), "A\xc3\xa9\xe2\x82\xac");
	CHECK_STR(text_of("\"\\ud83d\\uDE00\""), "\xf0\x9f\x98\x80");
	CHECK_STR(text_of("\"0123456789abcde\""), "0123456789abcde");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		CHECK(!text_of(bad[i]));
}

TEST(numbers_of_json_are_whole_and_fit)
{
	static const char *const bad[] = { "", "-1", "1.5", "1e3", "x", "18446744073709551616", "1 2", "\"1\"", "+1" };
	struct json_in j = of(" 18446744073709551615 ");

	CHECK_EQ_U(json_number(&j), UINT64_MAX);
	CHECK(json_over(&j));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		j = of(bad[i]);
		json_number(&j);
		CHECK(!json_over(&j));
	}
}

TEST(brackets_and_commas_of_json_must_fit)
{
	static const struct {
		const char *text;
		unsigned elements;
		bool good;
	} all[] = {
		{ "[]", 0, true },    { "[1]", 1, true },    { " [ 1 , 2 ] ", 2, true }, { "[1,]", 2, false },
		{ "[,1]", 1, false }, { "[1 2]", 1, false }, { "[1", 1, false },         { "[1,2,3]]", 3, false },
		{ "1", 0, false },    { "", 0, false },
	};

	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		struct json_in j = of(all[i].text);
		unsigned n = 0;
		for (bool first = true; json_element(&j, &first); n++)
			json_number(&j);
		CHECK(json_over(&j) == all[i].good);
		if (all[i].good)
			CHECK_EQ_U(n, all[i].elements);
	}
}

/* ---- wishes ---- */

static struct wish wish;

static int read_wish(const char *text) { return wish_read(&wish, text, strlen(text), &e); }

TEST(a_wish_is_read)
{
	CHECK(read_wish("{}") == 0);
	CHECK(!wish.ops && !wish.has_conns && !wish.has_region && !wish.path[0]);
	CHECK(read_wish(
		      "{\"ops\":[\"write\",\"trim\"],\"connections\":[{\"disk\":1,\"id\":7},{\"id\":8}],\"path\":\"/a\"}") ==
	      0);
	CHECK_EQ_U(wish.ops, 1u << EV_WRITE | 1u << EV_TRIM);
	CHECK_EQ_U(wish.conns, 2);
	CHECK_EQ_U(wish.conn[0].disk, 1);
	CHECK_EQ_U(wish.conn[1].id, 8);
	CHECK_STR(wish.path, "/a");
	CHECK(read_wish("{\"region\":{\"disk\":2,\"box\":[1,2,3,4],\"order\":\"hilbert\",\"cols\":8,\"zoom\":1}}") ==
	      0);
	CHECK(wish.has_region && wish.hilbert && wish.to == 0);
	CHECK_EQ_U(wish.area.y, 2);
	CHECK_EQ_U(wish.area.h, 4);
	CHECK(read_wish("{\"connections\":[]}") == 0);
	CHECK(wish.has_conns && !wish.conns); /* of nobody */
}

TEST(a_wish_that_is_none_is_refused)
{
	static const char *const bad[] = {
		"",
		"[]",
		"{",
		"{}}",
		"{\"x\":1}",
		"{\"ops\":\"write\"}",
		"{\"ops\":[\"Write\"]}",
		"{\"ops\":[1]}",
		"{\"connections\":[{\"x\":1}]}",
		"{\"region\":{\"from\":2,\"to\":1}}",
		"{\"region\":{\"from\":0,\"to\":9223372036854775808}}",
		"{\"region\":{\"box\":[1,2,3]}}",
		"{\"region\":{\"box\":[1,2,3,4,5]}}",
		"{\"region\":{\"box\":[0,0,4097,1]}}",
		"{\"region\":{\"box\":[0,0,4096,4096]}}",
		"{\"region\":{\"box\":[4294967296,0,1,1]}}",
		"{\"region\":{\"order\":\"x\"}}",
		"{\"region\":{\"zoom\":17}}",
		"{\"path\":1}",
	};
	char text[8192];

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		e.msg[0] = '\0';
		CHECK(read_wish(bad[i]) < 0);
		CHECK(e.msg[0]);
	}
	snprintf(text, sizeof text, "{\"path\":\"%04096d\"}", 0);
	CHECK(read_wish(text) < 0);
	snprintf(text, sizeof text, "{\"path\":\"%04095d\"}", 0);
	CHECK(read_wish(text) == 0);
}

TEST(a_wish_has_a_bounded_number_of_connections)
{
	for (unsigned n = WISH_CONNS_MAX; n <= WISH_CONNS_MAX + 1; n++) {
		char text[4 * WISH_CONNS_MAX + 64], *p = text + snprintf(text, 32, "{\"connections\":[");
		for (unsigned i = 0; i < n; i++)
			p += snprintf(p, 4, i ? ",{}" : "{}");
		snprintf(p, 4, "]}");
		CHECK((read_wish(text) == 0) == (n == WISH_CONNS_MAX));
	}
}

/* ---- cells ---- */

/* n entries told in bytes, as a reader sees them; false: they are not told by exactly these. */
static bool cells_get(const uint8_t *p, const uint8_t *end, uint16_t *cell, size_t n)
{
	while (end - p >= 4 && n) {
		size_t count = get_le16(p) & CELLS_MOST;
		bool as_they_are = get_le16(p) & CELLS_AS_THEY_ARE;
		if (!count || count > n || (as_they_are && (size_t)(end - p) < 2 + 2 * count))
			return false;
		for (size_t i = 0; i < count; i++)
			*cell++ = get_le16(p + 2 + (as_they_are ? 2 * i : 0));
		p += as_they_are ? 2 + 2 * count : 4;
		n -= count;
	}
	return p == end && !n;
}

TEST(cells_come_back_as_they_were_in_hardly_more_than_two_bytes_each)
{
	enum { MOST = 3 * CELLS_MOST };
	uint16_t *cell = malloc(MOST * sizeof *cell), *got = malloc(MOST * sizeof *got);
	uint8_t *to = malloc(cells_room(MOST));
	uint64_t x = 88172645463325252u;

	for (unsigned round = 0; round < 300; round++) {
		/* lengths around the longest run, of few values and of many: long runs, short ones and none */
		size_t n = round < 8 ? round : round % 3 == 0 ? CELLS_MOST + round % 8 - 4 : x % MOST;
		unsigned values = round % 5 + 1, turn = 1 + round % 70;
		uint16_t now = 0;
		for (size_t i = 0; i < n; i++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			if (x % turn == 0)
				now = (uint16_t)((x >> 32) % values * 4999);
			cell[i] = round % 7 ? now : (uint16_t)x;
		}
		const uint8_t *end = cells_put(to, cell, n);
		CHECK((size_t)(end - to) <= cells_room(n));
		CHECK(cells_get(to, end, got, n) && !memcmp(cell, got, n * sizeof *cell));
	}
	memset(cell, 0, MOST * sizeof *cell);
	CHECK_EQ_U((size_t)(cells_put(to, cell, MOST) - to), 12);
	free(cell);
	free(got);
	free(to);
}
