/* SPDX-License-Identifier: BSD-2-Clause */
/* What decoders rest on: checksums, sets of what was visited, names in UTF-16. */
#include <string.h>
#include "know/crc32c.h"
#include "know/fat.h"
#include "know/seen.h"
#include "unit/test.h"

TEST(crc32c_is_that_of_rfc_3720)
{
	uint8_t bytes[48];

	CHECK_EQ_U(~crc32c(~0u, "123456789", 9), 0xe3069283);
	memset(bytes, 0, 32);
	CHECK_EQ_U(~crc32c(~0u, bytes, 32), 0x8a9136aa);
	memset(bytes, 0xff, 32);
	CHECK_EQ_U(~crc32c(~0u, bytes, 32), 0x62a8ab43);
	for (unsigned i = 0; i < 32; i++)
		bytes[i] = (uint8_t)i;
	CHECK_EQ_U(~crc32c(~0u, bytes, 32), 0x46dd794e);
	/* In pieces of any length it is the same; with a hole as if that were zeroes. */
	for (unsigned cut = 0; cut <= 32; cut++)
		CHECK_EQ_U(~crc32c(crc32c(~0u, bytes, cut), bytes + cut, 32 - cut), 0x46dd794e);
	uint32_t want = crc32c_holed(bytes, 32, 8);
	memset(bytes + 8, 0, 4);
	CHECK_EQ_U(~crc32c(~0u, bytes, 32), want);
}

TEST(a_set_knows_what_was_seen)
{
	struct seen s = { .key = NULL };

	for (uint64_t i = 0; i < 5000; i++)
		CHECK(seen_add(&s, i * 4096));
	for (uint64_t i = 0; i < 5000; i++)
		CHECK(!seen_add(&s, i * 4096));
	CHECK(seen_add(&s, 1) && seen_add(&s, UINT64_MAX - 1));
	CHECK(!seen_add(&s, UINT64_MAX)); /* never: a walk that meets it ends */
	CHECK_EQ_U(s.count, 5002);
	seen_free(&s);
	CHECK(seen_add(&s, 0));
	seen_free(&s);
}

TEST(what_is_to_do_is_done_last_first)
{
	struct know_todo t = { .node = NULL };
	struct know_todo_node n;

	CHECK(!todo_take(&t, &n));
	for (unsigned i = 0; i < 1000; i++)
		CHECK(todo_add(&t, i, i % 8));
	for (unsigned i = 1000; i-- > 0;) {
		CHECK(todo_take(&t, &n));
		CHECK_EQ_U(n.at, i);
		CHECK_EQ_U(n.level, i % 8);
	}
	CHECK(!todo_take(&t, &n));
	todo_free(&t);
}

TEST(utf16_becomes_utf8)
{
	char to[40];
	static const uint8_t text[] = { 'a', 0, 0xe4, 0, 0xac, 0x20, 0x3d, 0xd8, 0x00, 0xde, 0, 0, 'x', 0 };
	static const uint8_t alone[] = { 0x3d, 0xd8, 'b', 0 };

	CHECK_STR(fat_utf8(to, sizeof to, text, 7), "a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80");
	CHECK_STR(fat_utf8(to, sizeof to, text, 2), "a\xc3\xa4");
	CHECK_STR(fat_utf8(to, 6, text, 7), "a\xc3\xa4"); /* a character that might not fit is left out */
	CHECK_STR(fat_utf8(to, sizeof to, alone, 2), "\xed\xa0\xbd" "b"); /* half of a pair, as Windows has them in names */
	CHECK_STR(fat_utf8(to, sizeof to, alone, 0), "");
}
