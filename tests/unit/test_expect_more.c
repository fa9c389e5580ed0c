/* SPDX-License-Identifier: BSD-2-Clause */
/* What miniexpect does not have: many sessions, the text around a match, bounds of memory, other patterns. */
#include <sys/wait.h>
#include "unit/expect_rig.h"

enum { MANY = 40 };

TEST(of_many_sessions_those_with_an_answer_have_one)
{
	struct talk t[MANY];
	struct mexp_wait_for w[MANY + 1] = { 0 };
	const mexp_regexp *list = FOR("done");
	for (int i = 0; i < MANY; i++) {
		CHECK(talk_open(&t[i]));
		w[i] = (struct mexp_wait_for){ .h = t[i].h, .regexps = list };
	}
	w[MANY].result = 77; /* without a handle: skipped */
	CHECK_IS(mexp_expect_any(w, MANY + 1, 20), MEXP_TIMEOUT);
	for (int i = 0; i < MANY; i++)
		CHECK_IS(w[i].result, MEXP_AGAIN);
	CHECK(talk_say(&t[3], "do", 2) && talk_say(&t[7], "done", 4));
	talk_end(&t[9]);
	CHECK_IS(mexp_expect_any(w, MANY + 1, 10000), 2);
	for (int i = 0; i < MANY; i++)
		CHECK_IS(w[i].result, i == 7 ? 100 : i == 9 ? MEXP_EOF : MEXP_AGAIN);
	w[7].h = w[9].h = NULL;
	CHECK(talk_say(&t[3], "ne", 2));
	CHECK_IS(mexp_expect_any(w, MANY + 1, 10000), 1);
	CHECK_IS(w[3].result, 100);
	CHECK_IS(w[MANY].result, 77);
	CHECK_IS(mexp_expect_any(w, 0, 5), MEXP_TIMEOUT);
	for (int i = 0; i < MANY; i++)
		talk_close(&t[i]);
}

TEST(another_list_begins_another_wait)
{
	struct talk t;
	CHECK(talk_open(&t) && talk_say(&t, "one two", 7));
	CHECK_IS(mexp_try_expect(t.h, FOR("three"), NULL), MEXP_AGAIN);
	CHECK_IS(mexp_try_expect(t.h, LIST({ 1, .re = re("four") }, { 2, .re = re("two") }), NULL), 2);
	CHECK(talk_say(&t, "five", 4));
	CHECK_IS(mexp_try_expect(t.h, LIST({ 1, .re = re("four") }, { 2, .re = re("two") }), NULL), MEXP_AGAIN);
	CHECK_IS(mexp_try_expect(t.h, NULL, NULL), MEXP_AGAIN);
	CHECK_IS(mexp_try_expect(t.h, FOR("^five"), NULL), 100);
	talk_close(&t);
}

TEST(many_programs_can_be_awaited_together)
{
	enum { PROGRAMS = 12 };
	struct mexp_wait_for w[PROGRAMS] = { 0 };
	int r[PROGRAMS] = { 0 }, left = PROGRAMS, calls = 0;
	const mexp_regexp *list = FOR("result (\\d+)\n");
	for (int i = 0; i < PROGRAMS; i++) {
		w[i].h = sh(0, i % 3 ? "sleep 0.05; echo result 12; sleep 60" : "setsid sleep 1 & exit 1");
		w[i].regexps = list;
		CHECK(w[i].h);
	}
	while (left && calls++ < 1000) {
		int n = mexp_expect_any(w, PROGRAMS, 20000);
		CHECK(n > 0);
		left -= n;
		for (int i = 0; i < PROGRAMS; i++)
			if (w[i].h && w[i].result != MEXP_AGAIN) {
				r[i] = w[i].result;
				mexp_close(w[i].h);
				w[i].h = NULL;
			}
	}
	CHECK_IS(left, 0);
	for (int i = 0; i < PROGRAMS; i++)
		CHECK_IS(r[i], i % 3 ? 100 : MEXP_EOF);
}

TEST(the_timeout_of_each_session_holds_also_among_many)
{
	struct talk t[2];
	CHECK(talk_open(&t[0]) && talk_open(&t[1]));
	mexp_set_timeout_ms(t[1].h, 50);
	struct mexp_wait_for w[] = { { .h = t[0].h, .regexps = FOR("x") }, { .h = t[1].h, .regexps = FOR("x") } };
	uint64_t start = monotonic_ns();
	CHECK_IS(mexp_expect_any(w, 2, -1), 1);
	CHECK(ms_since(start) >= 50);
	CHECK_IS(w[0].result, MEXP_AGAIN);
	CHECK_IS(w[1].result, MEXP_TIMEOUT);
	talk_close(&t[0]);
	talk_close(&t[1]);
}

TEST(the_text_before_a_match_it_and_what_came_after_it_can_be_had)
{
	struct talk t;
	CHECK(talk_open(&t));
	CHECK(!mexp_match(t.h, 0, NULL) && !mexp_after(t.h, NULL));
	CHECK_BEFORE(t.h, "");
	CHECK_IS(talk_pieces(&t, FOR("k(e)(y)?"), NULL, "before ke", " after", NULL), 100);
	CHECK_BEFORE(t.h, "before ");
	CHECK_MATCH(t.h, 0, "ke");
	CHECK_MATCH(t.h, 1, "e");
	CHECK(!mexp_match(t.h, 2, NULL) && !mexp_match(t.h, 99, NULL));
	CHECK_AFTER(t.h, " after");
	CHECK_IS(talk_pieces(&t, FOR("z"), NULL, "!", NULL), MEXP_AGAIN);
	CHECK_BEFORE(t.h, " after!");
	CHECK(!mexp_match(t.h, 0, NULL));
	talk_end(&t);
	CHECK_IS(mexp_try_expect(t.h, FOR("z"), NULL), MEXP_EOF);
	CHECK_BEFORE(t.h, " after!");
	CHECK_IS(mexp_lost(t.h), 0);
	talk_close(&t);
}

TEST(text_before_a_match_is_kept_as_far_as_was_asked)
{
	static const size_t keeps[] = { 0, 100, 5000, SIZE_MAX };
	char block[1000];
	memset(block, '.', sizeof(block));
	for (size_t i = 0; i < ARRAY_LEN(keeps); i++) {
		struct talk t;
		size_t len;
		CHECK(talk_open(&t));
		mexp_set_keep(t.h, keeps[i]);
		for (int n = 0; n < 10; n++) {
			CHECK(talk_say(&t, block, sizeof(block)));
			CHECK_IS(mexp_try_expect(t.h, FOR("END"), NULL), MEXP_AGAIN);
		}
		CHECK_IS(talk_pieces(&t, FOR("END"), NULL, "END", NULL), 100);
		mexp_before(t.h, &len);
		CHECK_IS(len + mexp_lost(t.h), 10000);
		CHECK(len >= MIN(keeps[i], (size_t)10000) && len <= (keeps[i] < 10000 ? keeps[i] + 100 : 10000));
		CHECK_IS(talk_pieces(&t, FOR("x"), NULL, "x", NULL), 100);
		CHECK_IS(mexp_lost(t.h), 0); /* since the last match */
		talk_close(&t);
	}
}

TEST(a_bound_for_the_buffer_is_kept_and_reported)
{
	struct talk t;
	char block[3000];
	memset(block, '.', sizeof(block));
	CHECK(talk_open(&t));
	mexp_set_max_buffer(t.h, 10000);
	mexp_set_keep(t.h, 0);
	int r = MEXP_AGAIN;
	for (int i = 0; i < 3 && r == MEXP_AGAIN; i++) {
		CHECK(talk_say(&t, block, sizeof(block)));
		r = mexp_try_expect(t.h, FOR("(?s)\\..*END"), NULL);
		CHECK(t.h->len <= 10000);
	}
	CHECK_IS(r, MEXP_AGAIN);
	CHECK(talk_say(&t, block, sizeof(block)));
	r = mexp_try_expect(t.h, FOR("(?s)\\..*END"), NULL);
	CHECK_IS(r, MEXP_FULL); /* the match might be all of it */
	CHECK_IS(t.h->len, 10000);
	t.h->next_match = 5000;
	CHECK_IS(mexp_try_expect(t.h, FOR("END"), NULL), MEXP_AGAIN);
	for (int i = 0; i < 10; i++) { /* nothing of this may be part of it */
		CHECK(talk_say(&t, block, sizeof(block)));
		CHECK_IS(mexp_try_expect(t.h, FOR("END"), NULL), MEXP_AGAIN);
		CHECK(t.h->len <= 10000);
	}
	CHECK_IS(talk_pieces(&t, FOR("END"), NULL, "END", NULL), 100);
	talk_close(&t);
}

TEST(with_a_bound_but_no_list_the_end_is_reached)
{
	mexp_h *h = sh(0, "head -c 100000 /dev/zero");
	CHECK(h);
	mexp_set_max_buffer(h, 10000);
	int r = mexp_expect(h, NULL, NULL);
	CHECK(r == MEXP_EOF || r == MEXP_FULL); /* whichever, but not for ever */
	CHECK(h->len <= 10000);
	mexp_close(h);
}

/* --- patterns --- */

struct compiled {
	const char *pattern;
	unsigned flags;
	const char *text, *match; /* NULL: none */
};

static void check_compiled(const struct compiled *c)
{
	struct talk t;
	char err[200] = "";
	pcre2_code *code = mexp_compile(c->pattern, c->flags, err, sizeof(err));
	CHECK_STR(err, "");
	CHECK(code && talk_open(&t));
	CHECK(talk_say(&t, c->text, strlen(c->text)));
	talk_end(&t);
	int r = mexp_expect(t.h, LIST({ 100, .re = code }), NULL);
	if (r != (c->match ? 100 : MEXP_EOF))
		test_failed(__FILE__, __LINE__, "'%s' (%u) on \"%s\": %d", c->pattern, c->flags, c->text, r);
	else if (c->match)
		CHECK_MATCH(t.h, 0, c->match);
	pcre2_code_free(code);
	talk_close(&t);
}

TEST(patterns_are_regexps_or_the_text_itself_or_globs)
{
	static const struct compiled cases[] = {
		{ "a.c", MEXP_REGEX, "xabcx", "abc" },
		{ "a.c", MEXP_EXACT, "abc a.c", "a.c" },
		{ "A.C", MEXP_EXACT | MEXP_ICASE, "abc a.c", "a.c" },
		{ "ABC", MEXP_ICASE, "abc", "abc" },
		{ "(*)[\\E", MEXP_EXACT, "x(*)[\\E", "(*)[\\E" },
		{ "\303\251", MEXP_EXACT | MEXP_UTF | MEXP_ICASE, "\303\211", "\303\211" },
		{ "<.>", MEXP_UTF, "<\303\251>", "<\303\251>" },
		{ "<.>", MEXP_REGEX, "<\303\251>", NULL },
		{ "<.>", MEXP_UTF, "<\377> <\303\251>", "<\303\251>" },
		{ "a*c", MEXP_GLOB, "xab\nc c", "ab\nc" },
		{ "a?c", MEXP_GLOB, "ac abc", "abc" },
		{ "a[0-9]c", MEXP_GLOB, "abc a5c", "a5c" },
		{ "a[!0-9]c", MEXP_GLOB, "a5c abc", "abc" },
		{ "a[^0-9]c", MEXP_GLOB, "a5c abc", "abc" },
		{ "a[]]c", MEXP_GLOB, "abc a]c", "a]c" },
		{ "a[!]]c", MEXP_GLOB, "a]c abc", "abc" },
		{ "a[b", MEXP_GLOB, "a[b", "a[b" },
		{ "a[]-a]c", MEXP_GLOB, "a_c", "a_c" },
		{ "a[\\]]c", MEXP_GLOB, "a]c", "a]c" },
		{ "a[[]c", MEXP_GLOB, "a[c", "a[c" },
		{ "a[.^$]c", MEXP_GLOB, "abc a^c", "a^c" },
		{ "\\*\\?\\[", MEXP_GLOB, "ab *?[", "*?[" },
		{ "(a)+{1}|$^#", MEXP_GLOB, "(a)+{1}|$^#", "(a)+{1}|$^#" },
		{ "a\\", MEXP_GLOB, "a\\", "a\\" },
		{ "A*C", MEXP_GLOB | MEXP_ICASE, "abc", "abc" },
		{ "<?>", MEXP_GLOB | MEXP_UTF, "<\342\202\254>", "<\342\202\254>" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		check_compiled(&cases[i]);
}

TEST(what_is_wrong_with_a_pattern_is_told)
{
	char err[200] = "", small[8];
	CHECK(!mexp_compile("a(b", MEXP_REGEX, err, sizeof(err)));
	CHECK(strstr(err, "parenthes") && strstr(err, "a(b") && strstr(err, "3"));
	CHECK(!mexp_compile("a(b", MEXP_REGEX, NULL, 0));
	memset(small, 'x', sizeof(small));
	CHECK(!mexp_compile("a(b", MEXP_REGEX, small, 4));
	CHECK(strlen(small) == 3 && small[4] == 'x');
}
