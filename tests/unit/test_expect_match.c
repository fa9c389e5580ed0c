/* SPDX-License-Identifier: BSD-2-Clause */
/* Which regexp matches, and where.  A number in a comment is that of a defect of the library that ours replaces. */
#include "unit/expect_rig.h"

struct pieces {
	const char *pattern;
	const char *piece[4];
	const char *match;     /* NULL: none, to the end */
	uint32_t options;      /* of pcre2_compile() */
};

/* The pieces, then the end; after a text so long that some of it must be dropped. */
static void check_pieces(const struct pieces *c, size_t keep, size_t before)
{
	struct talk t;
	char filler[8192];
	mexp_regexp list[] = { { 100, .re = re_with(c->pattern, c->options) }, { 0 } };
	CHECK(talk_open(&t));
	mexp_set_keep(t.h, keep);
	memset(filler, '-', sizeof(filler));
	CHECK(talk_say(&t, filler, before));
	int r = before ? mexp_try_expect(t.h, list, NULL) : MEXP_AGAIN;
	for (size_t i = 0; i < ARRAY_LEN(c->piece) && c->piece[i] && r == MEXP_AGAIN; i++)
		r = talk_pieces(&t, list, NULL, c->piece[i], NULL);
	talk_end(&t);
	if (r == MEXP_AGAIN)
		r = mexp_try_expect(t.h, list, NULL);
	if (r != (c->match ? 100 : MEXP_EOF))
		test_failed(__FILE__, __LINE__, "'%s' on \"%s\" after %zu bytes, %zu kept: %d", c->pattern, c->piece[0], before, keep, r);
	else if (c->match)
		CHECK_MATCH(t.h, 0, c->match);
	talk_close(&t);
}

#define CHECK_PIECES(cases, after)                                                       \
	for (size_t i_ = 0; i_ < ARRAY_LEN(cases); i_++) {                               \
		check_pieces(&(cases)[i_], 0, after);                                    \
		check_pieces(&(cases)[i_], SIZE_MAX, after);                             \
	}

/* 5 */
TEST(what_a_match_may_look_back_at_is_there_when_all_before_has_been_dropped)
{
	static const struct pieces cases[] = {
		{ "^root", { "error: ", "root" }, NULL },
		{ "\\Aroot", { "error: ", "root" }, NULL },
		{ "\\Groot", { "error: ", "root" }, NULL },
		{ "root", { "error: ", "root" }, NULL, PCRE2_ANCHORED },
		{ "(?m)^root", { "error: ", "root", "\nroot " }, "root" },
		{ "(?m)^root", { "error: ", "\n", "root " }, "root" },
		{ "(?<!not )def", { "not ", "def" }, NULL },
		{ "(?<!not )def", { "n", "ot ", "def, def" }, "def" },
		{ "(?<=abc.)def", { "abc", ":def" }, "def" },
		{ "(?<=(?<=ab)cd)ef", { "ab", "cd", "ef" }, "ef" },
		{ "\\bdef", { "abc", "def" }, NULL },
		{ "\\Bdef", { "abc", "def" }, "def" },
		{ "(?<=-)x|\\Ay", { "-", "xy" }, "x" },
	};
	CHECK_PIECES(cases, 0);
	CHECK_PIECES(cases, 70);
	CHECK_PIECES(cases, 5000);
}

/* 6 */
TEST(a_match_that_touches_the_end_of_what_has_arrived_waits_for_more)
{
	static const struct pieces cases[] = {
		{ "[0-9]+", { "12", "34", " " }, "1234" },
		{ "[0-9]+", { "12", "34" }, "1234" },
		{ "foo$", { "foo", "bar" }, NULL },
		{ "foo$", { "foo" }, "foo" },
		{ "foo$", { "foo", "\n", "bar" }, NULL },
		{ "(?m)foo$", { "foo", "\n", "bar" }, "foo" },
		{ "foo(?!bar)", { "foo", "bar" }, NULL },
		{ "foo(?!bar)", { "foo", "ba", "d" }, "foo" },
		{ "foo\\b", { "foo", "d foo." }, "foo" },
		{ "foo\\z", { "foo", "foo" }, "foo" },
		{ "a(bc)?", { "ab", "c" }, "abc" },
		{ "ab|abcd", { "ab", "cd" }, "ab" },
		{ "cat|category", { "ca", "tegory" }, "cat" },
		{ "bar", { "foo", "bar" }, NULL, PCRE2_ANCHORED },
		{ "foo", { "foo", "bar" }, NULL, PCRE2_ENDANCHORED },
		{ "bar", { "foo", "bar" }, "bar", PCRE2_ENDANCHORED },
		{ "(.*)\\R", { "line\r", "\nnext" }, "line\r\n" },
		{ "a.*b", { "xa", "..", "b..", "b\n" }, "a..b..b" },
		{ "(?s)a.*b", { "xa", "..", "b..", "b" }, "a..b..b" },
	};
	CHECK_PIECES(cases, 0);
}

/* 7 */
TEST(a_character_may_arrive_in_pieces)
{
	static const struct pieces cases[] = {
		{ "\\w END", { "\303", "\251", " END" }, "\303\251 END", PCRE2_UTF | PCRE2_UCP },
		{ "\\w END", { "\303", "\251", " END" }, "\303\251 END", PCRE2_UTF | PCRE2_UCP | PCRE2_MATCH_INVALID_UTF },
		{ "^.$", { "\360\237", "\230", "\200" }, "\360\237\230\200", PCRE2_UTF },
		{ ".", { "\303" }, NULL, PCRE2_UTF | PCRE2_MATCH_INVALID_UTF }, /* never complete */
		{ "[^a]", { "a\342", "\202", "\254" }, "\342\202\254", PCRE2_UTF },
	};
	CHECK_PIECES(cases, 0);
	static const char text[] = "x\303\251\342\202\254\360\237\230\200z";
	for (size_t cut = 1; cut < sizeof(text) - 1; cut++)
		for (size_t cut2 = cut; cut2 < sizeof(text) - 1; cut2++) {
			char piece[3][16] = { "", "", "" };
			memcpy(piece[0], text, cut);
			memcpy(piece[1], text + cut, cut2 - cut);
			memcpy(piece[2], text + cut2, sizeof(text) - 1 - cut2);
			bool three = cut2 > cut;
			struct pieces c = { .pattern = "x\\x{e9}\\x{20ac}(.)z", .match = text, .options = PCRE2_UTF };
			c.piece[0] = piece[0];
			c.piece[1] = three ? piece[1] : piece[2];
			c.piece[2] = three ? piece[2] : NULL;
			check_pieces(&c, 0, 0);
			check_pieces(&c, 0, 5001);
			c.options |= PCRE2_MATCH_INVALID_UTF;
			check_pieces(&c, 0, 0);
			check_pieces(&c, 0, 5001);
		}
}

TEST(broken_utf_8_matches_nothing_when_the_regexp_allows_for_it_and_is_an_error_when_not)
{
	static const char *const broken[] = {
		"\xff", "\xc0\x80", "\xe0\x80\x80", "\xed\xa0\x80", "\xf8\x88\x80\x80\x80", "\x80", "\xf4\x90\x80\x80",
	};
	for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
		struct pieces c = { "<.>|end", { "<", broken[i], "> end" }, "end", PCRE2_UTF | PCRE2_MATCH_INVALID_UTF };
		check_pieces(&c, 0, 0);
		struct talk t;
		CHECK(talk_open(&t));
		const mexp_regexp *strict = LIST({ 100, .re = re_with("<.>|end", PCRE2_UTF) });
		CHECK_IS(talk_pieces(&t, strict, NULL, "<", broken[i], "> end", NULL), MEXP_PCRE_ERROR);
		CHECK(mexp_get_pcre_error(t.h) < PCRE2_ERROR_PARTIAL);
		talk_close(&t);
	}
}

TEST(a_regexp_for_the_beginning_of_the_text_waits_for_the_text)
{
	struct talk t;
	CHECK(talk_open(&t));
	CHECK_IS(mexp_try_expect(t.h, FOR("^root"), NULL), MEXP_AGAIN);
	CHECK_IS(talk_pieces(&t, FOR("^root"), NULL, "ro", "ot", NULL), 100);
	talk_close(&t);
	mexp_h *h = sh(0, "sleep 0.1; echo root");
	CHECK(h);
	CHECK_IS(mexp_expect(h, FOR("^root"), NULL), 100);
	CHECK_IS(mexp_expect(h, NULL, NULL), MEXP_EOF);
	CHECK_IS(mexp_close(h), 0);
}

TEST(every_byte_can_be_matched)
{
	struct talk t;
	char all[256], want[260];
	CHECK(talk_open(&t));
	for (int i = 0; i < 256; i++)
		all[i] = (char)i;
	CHECK(talk_say(&t, all, 256) && talk_say(&t, "END", 3));
	CHECK_IS(mexp_expect(t.h, FOR("(?s)\\x00.*?\\xffEND"), NULL), 100);
	size_t len;
	memcpy(want, all, 256);
	memcpy(want + 256, "END", 3);
	const char *got = mexp_match(t.h, 0, &len);
	CHECK(got && len == 259 && memcmp(got, want, 259) == 0);
	CHECK_IS(t.h->buffer[t.h->len], 0);
	talk_close(&t);
}

/* 4 */
TEST(what_arrived_before_a_timeout_is_there_after_it)
{
	struct talk t;
	CHECK(talk_open(&t) && talk_say(&t, "pass", 4));
	mexp_set_timeout_ms(t.h, 5);
	for (int i = 0; i < 3; i++)
		CHECK_IS(mexp_expect(t.h, FOR("password:"), NULL), MEXP_TIMEOUT);
	CHECK_BEFORE(t.h, "pass");
	CHECK_STR(t.h->buffer, "pass");
	CHECK_IS(t.h->next_match, -1);
	CHECK(talk_say(&t, "word:", 5));
	CHECK_IS(mexp_expect(t.h, FOR("password:"), NULL), 100);
	CHECK_MATCH(t.h, 0, "password:");
	talk_close(&t);
}

TEST(another_list_after_a_timeout_sees_all_of_the_text)
{
	struct talk t;
	CHECK(talk_open(&t) && talk_say(&t, "one two", 7));
	mexp_set_timeout_ms(t.h, 5);
	CHECK_IS(mexp_expect(t.h, FOR("three"), NULL), MEXP_TIMEOUT);
	CHECK_IS(mexp_expect(t.h, FOR("^one"), NULL), 100);
	CHECK_IS(mexp_expect(t.h, FOR("two"), NULL), 100);
	talk_end(&t);
	CHECK_IS(mexp_expect(t.h, NULL, NULL), MEXP_EOF);
	CHECK_IS(mexp_expect(t.h, NULL, NULL), MEXP_EOF); /* also again */
	talk_close(&t);
}

/* 23 */
TEST(a_regexp_that_matches_nothing_at_all_does_so_once)
{
	struct talk t;
	CHECK(talk_open(&t));
	CHECK_IS(mexp_try_expect(t.h, FOR("x*?"), NULL), MEXP_AGAIN); /* before anything has arrived, nothing is known */
	CHECK(talk_say(&t, "aXb", 3));
	mexp_set_timeout_ms(t.h, 200);
	int r = 100, n = 0;
	for (; r == 100 && n < 10; n++)
		r = mexp_expect(t.h, FOR("x*"), NULL);
	CHECK_IS(r, MEXP_TIMEOUT);
	CHECK(n < 6);
	talk_end(&t);
	for (n = 0; n < 10 && r; n++)
		r = mexp_expect(t.h, FOR("x*"), NULL);
	CHECK_IS(r, MEXP_EOF);
	talk_close(&t);
}

/* 27 */
TEST(the_first_of_the_list_wins_unless_the_order_is_that_of_the_text)
{
	struct talk t;
	const mexp_regexp *list = LIST({ 1, .re = re("hello") }, { 2, .re = re("world") });
	CHECK(talk_open(&t));
	CHECK_IS(talk_pieces(&t, list, NULL, "world hello", NULL), 1);
	CHECK_BEFORE(t.h, "world ");
	CHECK_IS(mexp_try_expect(t.h, list, NULL), MEXP_AGAIN);
	talk_close(&t);
	CHECK(talk_open(&t));
	mexp_set_order(t.h, MEXP_ORDER_LEFTMOST);
	CHECK_IS(talk_pieces(&t, list, NULL, "world hello", NULL), 2);
	CHECK_BEFORE(t.h, "");
	CHECK_IS(mexp_try_expect(t.h, list, NULL), 1);
	CHECK_BEFORE(t.h, " ");
	talk_close(&t);
}

TEST(in_the_order_of_the_text_a_match_does_not_wait_for_one_that_can_only_be_at_the_beginning)
{
	struct talk t;
	CHECK(talk_open(&t) && talk_say(&t, "x bar", 5));
	mexp_set_order(t.h, MEXP_ORDER_LEFTMOST);
	CHECK_IS(mexp_try_expect(t.h, LIST({ 1, .re = re("^foo") }, { 2, .re = re("bar") }), NULL), 2);
	CHECK(talk_say(&t, "fo", 2));
	CHECK_IS(mexp_try_expect(t.h, LIST({ 1, .re = re("^foo") }, { 2, .re = re("o") }), NULL), MEXP_AGAIN);
	CHECK(talk_say(&t, "o", 1));
	CHECK_IS(mexp_try_expect(t.h, LIST({ 1, .re = re("^foo") }, { 2, .re = re("o") }), NULL), 1);
	talk_close(&t);
}

TEST(in_the_order_of_the_text_a_match_waits_for_another_that_has_begun_before_it)
{
	struct talk t;
	const mexp_regexp *list = LIST({ 1, .re = re("b") }, { 2, .re = re("a.*c") });
	CHECK(talk_open(&t));
	mexp_set_order(t.h, MEXP_ORDER_LEFTMOST);
	CHECK_IS(talk_pieces(&t, list, NULL, "xa", "b", "-", NULL), MEXP_AGAIN);
	CHECK_IS(talk_pieces(&t, list, NULL, "\n", NULL), 1); /* . is no newline */
	CHECK_BEFORE(t.h, "xa");
	CHECK_IS(talk_pieces(&t, list, NULL, "xa", "b", "c\n", NULL), 2);
	CHECK_MATCH(t.h, 0, "abc");
	CHECK_IS(talk_pieces(&t, list, NULL, "xa", "b", NULL), MEXP_AGAIN);
	talk_end(&t);
	CHECK_IS(mexp_try_expect(t.h, list, NULL), 1);
	talk_close(&t);
}

TEST(in_the_order_of_the_text_of_two_at_the_same_place_the_first_of_the_list_wins)
{
	struct talk t;
	CHECK(talk_open(&t));
	mexp_set_order(t.h, MEXP_ORDER_LEFTMOST);
	CHECK_IS(talk_pieces(&t, LIST({ 1, .re = re("abc") }, { 2, .re = re("ab") }), NULL, "ab", NULL), MEXP_AGAIN);
	CHECK_IS(talk_pieces(&t, LIST({ 1, .re = re("abc") }, { 2, .re = re("ab") }), NULL, "c", NULL), 1);
	CHECK_IS(talk_pieces(&t, LIST({ 2, .re = re("ab") }, { 1, .re = re("abc") }), NULL, "ab", NULL), 2);
	talk_close(&t);
}

TEST(the_first_of_the_list_wins_also_when_it_was_not_worth_a_look)
{
	struct talk t;
	char block[10001];
	const mexp_regexp *list = LIST({ 1, .re = re("a.*END1") }, { 2, .re = re("END2") });
	CHECK(talk_open(&t));
	memset(block, 'x', sizeof(block) - 1);
	block[sizeof(block) - 1] = 0;
	block[0] = 'a';
	CHECK_IS(talk_pieces(&t, list, NULL, block, "END1 END2\n", NULL), 1);
	CHECK_AFTER(t.h, " END2\n");
	talk_close(&t);
}

TEST(what_is_left_of_a_text_after_a_timeout_is_not_its_beginning)
{
	static const struct {
		const char *pattern;
		uint32_t options;
	} cases[] = { { "^-" }, { "\\A-" }, { "-", PCRE2_ANCHORED }, { "^.", PCRE2_UTF }, { "(?<![a-z])-" } };
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct talk t;
		char block[10000];
		mexp_regexp list[] = { { 100, .re = re_with(cases[i].pattern, cases[i].options) }, { 0 } };
		CHECK(talk_open(&t));
		mexp_set_keep(t.h, 0);
		memset(block, i == 4 ? 'a' : '-', sizeof(block));
		CHECK(talk_say(&t, block, sizeof(block)));
		CHECK_IS(mexp_try_expect(t.h, FOR("z"), NULL), MEXP_AGAIN);
		mexp_set_timeout_ms(t.h, 1);
		CHECK_IS(mexp_expect(t.h, FOR("z"), NULL), MEXP_TIMEOUT);
		CHECK(mexp_lost(t.h) > 0 && t.h->len > 0);
		CHECK(talk_say(&t, "-", 1));
		CHECK_IS(mexp_expect(t.h, list, NULL), MEXP_TIMEOUT);
		talk_close(&t);
	}
}

TEST(text_is_not_dropped_up_to_the_middle_of_a_character)
{
	for (size_t keep = 100; keep < 108; keep++) {
		struct talk t;
		char block[10001];
		size_t len;
		CHECK(talk_open(&t));
		mexp_set_keep(t.h, keep);
		for (size_t i = 0; i < sizeof(block) - 1; i++)
			block[i] = "\360\237\230\200"[i % 4];
		block[sizeof(block) - 1] = 0;
		const mexp_regexp *list = LIST({ 100, .re = re_with("END", PCRE2_UTF) });
		CHECK_IS(talk_pieces(&t, list, NULL, block, block, "END", NULL), 100);
		const char *before = mexp_before(t.h, &len);
		CHECK(mexp_lost(t.h) > 0 && len >= keep && (before[0] & 0xff) == 0xf0);
		talk_close(&t);
	}
}

TEST(a_list_ends_at_the_first_entry_that_is_not_positive)
{
	struct talk t;
	CHECK(talk_open(&t));
	mexp_regexp list[] = { { 7, .re = re("x") }, { 0, .re = re("y") }, { 8, .re = re("y") } };
	CHECK_IS(talk_pieces(&t, list, NULL, "y", NULL), MEXP_AGAIN);
	list[1].r = -5;
	CHECK_IS(talk_pieces(&t, list, NULL, "y", NULL), MEXP_AGAIN);
	CHECK_IS(talk_pieces(&t, list, NULL, "x", NULL), 7);
	talk_close(&t);
}
