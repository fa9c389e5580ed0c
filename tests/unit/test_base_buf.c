/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/buf.h"
#include "base/quote.h"
#include "unit/test.h"
#include <stdlib.h>

TEST(a_buffer_never_passes_its_limit)
{
	struct buf b;
	buf_init(&b, 10);
	CHECK(buf_add(&b, "12345678", 8));
	CHECK(!buf_add(&b, "abc", 3));
	CHECK_EQ_U(b.len, 8);
	CHECK(memcmp(b.p, "12345678", 8) == 0);
	CHECK(buf_add(&b, "90", 2));
	CHECK(!buf_add(&b, "x", 1));
	CHECK(b.room <= 10);
	CHECK(!buf_reserve(&b, SIZE_MAX));
	CHECK(!buf_reserve(&b, 1));
	CHECK(buf_reserve(&b, 0));
	buf_free(&b);
	CHECK(b.p == NULL && b.len == 0);
	CHECK(buf_add(&b, "again", 5));
	buf_free(&b);
	buf_free(&b);
}

TEST(a_buffer_with_limit_zero_holds_nothing)
{
	struct buf b = { 0 };
	CHECK(buf_add(&b, "", 0));
	CHECK(!buf_add(&b, "x", 1));
	CHECK_STR(buf_str(&b), "");
	buf_free(&b);
}

TEST(a_buffer_grows_and_keeps_what_it_holds)
{
	struct buf b;
	buf_init(&b, 1 << 20);
	for (unsigned i = 0; i < 10000; i++)
		CHECK(buf_printf(&b, "%05u", i));
	CHECK_EQ_U(b.len, 50000);
	CHECK(memcmp(b.p, "0000000001", 10) == 0);
	CHECK(memcmp(b.p + 49995, "09999", 5) == 0);
	CHECK_EQ_U(strlen(buf_str(&b)), 50000);
	buf_free(&b);
}

TEST(a_printf_that_does_not_fit_leaves_the_buffer_alone)
{
	struct buf b;
	buf_init(&b, 8);
	CHECK(buf_printf(&b, "%s", "abc"));
	CHECK(!buf_printf(&b, "%s", "defghijkl"));
	CHECK_EQ_U(b.len, 3);
	CHECK_STR(buf_str(&b), "abc");
	buf_free(&b);
}

static void check_shell(const char *in, const char *want)
{
	struct buf b;
	buf_init(&b, 4096);
	CHECK(quote_shell(&b, in));
	CHECK_STR(buf_str(&b), want);
	buf_free(&b);
}

TEST(shell_quoting_is_bare_where_it_can_be)
{
	check_shell("", "\"\"");
	check_shell("disk0", "disk0");
	check_shell("a-b_c=d,e:f/g.h", "a-b_c=d,e:f/g.h");
	check_shell("a b", "\"a b\"");
	check_shell("a\"b", "\"a\\\"b\"");
	check_shell("$HOME`x`\\", "\"\\$HOME\\`x\\`\\\\\"");
	check_shell("it's", "\"it's\"");
	check_shell("a*b?", "\"a*b?\"");
	check_shell("\xc3\xa9", "\"\xc3\xa9\"");
}

/* The shell itself is the judge: what it unquotes is what went in. */
TEST(a_shell_gets_back_exactly_what_was_quoted)
{
	static const char *const words[] = {
		"plain", "two words", "$(echo no)", "`echo no`", "a\\b", "\"q\"", "'q'", "*", "~", "#c", "a;b", "a|b&c", "{a,b}", "!!",
	};
	struct buf b;
	buf_init(&b, 65536);
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		CHECK(buf_add(&b, "test ", 5));
		CHECK(quote_shell(&b, words[i]));
		CHECK(buf_printf(&b, " = \"$W%zu\" || exit 1; ", i));
		char name[16] = { 'W', i < 10 ? (char)('0' + i) : '1', i < 10 ? '\0' : (char)('0' + i - 10) };
		setenv(name, words[i], 1);
	}
	CHECK(system(buf_str(&b)) == 0);
	buf_free(&b);
}

TEST(uri_quoting_escapes_all_but_unreserved_characters)
{
	struct buf b;
	buf_init(&b, 4096);
	CHECK(quote_uri(&b, "aZ09-_.~/ ?#%\xff", true));
	CHECK_STR(buf_str(&b), "aZ09-_.~/%20%3F%23%25%FF");
	b.len = 0;
	CHECK(quote_uri(&b, "a/b", false));
	CHECK_STR(buf_str(&b), "a%2Fb");
	buf_free(&b);
}

TEST(quoting_into_a_full_buffer_says_so)
{
	struct buf b;
	buf_init(&b, 4);
	CHECK(!quote_shell(&b, "a b c d"));
	b.len = 0;
	CHECK(!quote_uri(&b, "\xff\xff", false));
	CHECK(b.len <= 4);
	buf_free(&b);
}
