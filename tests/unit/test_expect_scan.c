/* SPDX-License-Identifier: BSD-2-Clause */
/* What matching costs: bytes looked at (not time, which depends on the machine) and memory; and that the answer does not depend
 * on the pieces in which the text arrives. */
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include "unit/expect_rig.h"

enum {
	MB = 1 << 20,
	SMALL_SQUARED = 4096 * 4096 / 2,  /* bytes: what is that short is looked at each time */
};

/* --- the far end says much, from a thread --- */

struct flood {
	int fd;
	size_t bytes, piece;
	const char *filler; /* over and over */
	const char *last;
};

static void *pour(void *arg)
{
	const struct flood *f = arg;
	char block[64 << 10];
	size_t filler = strlen(f->filler), have = 0;
	for (size_t i = 0; i < sizeof(block); i++)
		block[i] = f->filler[i % filler];
	while (have < f->bytes) {
		ssize_t n = send(f->fd, block, MIN(f->piece, f->bytes - have), MSG_NOSIGNAL);
		if (n < 0)
			return NULL;
		have += (size_t)n;
	}
	if (send(f->fd, f->last, strlen(f->last), MSG_NOSIGNAL) < 0)
		test_failed(__FILE__, __LINE__, "cannot say the last: %s", strerror(errno));
	return NULL;
}

static int expect_flood(struct talk *t, struct flood *f, const mexp_regexp *list)
{
	pthread_t thread;
	f->fd = t->far;
	mexp_set_read_size(t->h, 64 << 10);
	if (pthread_create(&thread, NULL, pour, f) != 0)
		return MEXP_ERROR;
	int r = mexp_expect(t->h, list, NULL);
	if (r < 0)
		shutdown(t->far, SHUT_RDWR);
	pthread_join(thread, NULL);
	return r;
}

/* 8 */
TEST(each_byte_is_looked_at_a_few_times_whatever_the_regexp)
{
	static const struct {
		const char *pattern, *filler;
	} cases[] = {
		{ "END_MARKER", "abcdefghij" },
		{ ".*END_MARKER", "abcdefghij" },
		{ ".*END_MARKER", "line 1\nline 22\nline 333\n" },
		{ "\\w+ END_MARKER", "abc def " },
		{ "(?s)7.*END_MARKER", "line 777\n" },
		{ "[^\n]*(?<=x)END_MARKER", "abcdefghij" },
	};
	size_t bytes = PLAIN ? 8 * MB : MB;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct talk t;
		struct flood f = { .bytes = bytes, .piece = i % 2 ? 1000 : 64 << 10, .filler = cases[i].filler };
		f.last = "x END_MARKER xEND_MARKER.\n";
		char err[200];
		pcre2_code *code = mexp_compile(cases[i].pattern, MEXP_REGEX, err, sizeof(err)); /* JIT: no limit on the length */
		CHECK(code && talk_open(&t));
		mexp_set_timeout_ms(t.h, 60000);
		mexp_set_settle_ms(t.h, 1000);
		int r = expect_flood(&t, &f, LIST({ 100, .re = code }));
		if (r != 100 || t.h->state->scanned > 10 * bytes + SMALL_SQUARED)
			test_failed(__FILE__, __LINE__, "'%s': %d, looked at %llu bytes of %zu (pcre %d)", cases[i].pattern, r,
				    t.h->state->scanned, bytes, t.h->pcre_error);
		talk_close(&t);
		pcre2_code_free(code);
	}
}

/* 8 */
TEST(a_trickle_of_single_bytes_costs_no_more)
{
	struct talk t;
	unsigned n = PLAIN ? 200000 : 40000;
	CHECK(talk_open(&t));
	for (unsigned i = 0; i < n; i++) {
		CHECK(talk_say(&t, "x", 1));
		CHECK_IS(mexp_try_expect(t.h, FOR(".*END"), NULL), MEXP_AGAIN);
	}
	CHECK_IS(talk_pieces(&t, FOR(".*END"), NULL, "END\n", NULL), MEXP_AGAIN); /* not worth a look yet ... */
	mexp_set_timeout_ms(t.h, 5000);
	CHECK_IS(mexp_expect(t.h, FOR(".*END"), NULL), 100);                      /* ... but after some silence */
	if (t.h->state->scanned > 20ull * n + SMALL_SQUARED)
		test_failed(__FILE__, __LINE__, "looked at %llu bytes of %u", t.h->state->scanned, n);
	talk_close(&t);
}

TEST(a_catastrophic_regexp_is_an_error_and_no_hang)
{
	static const char *const patterns[] = { "(a+)+$", "(a|aa)+$", "(?:a*)*b", "^(([a-z])+.)+[A-Z]([a-z])+$" };
	for (size_t i = 0; i < ARRAY_LEN(patterns) * 2; i++) {
		struct talk t;
		pcre2_code *code = i % 2 ? mexp_compile(patterns[i / 2], MEXP_REGEX, NULL, 0) : re(patterns[i / 2]);
		CHECK(code && talk_open(&t));
		const mexp_regexp *list = LIST({ 100, .re = code });
		CHECK_IS(talk_pieces(&t, list, NULL, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", NULL), MEXP_AGAIN);
		int r = talk_pieces(&t, list, NULL, "!\n", NULL);
		if (r != MEXP_AGAIN) { /* PCRE2 sees through some of them */
			CHECK_IS(r, MEXP_PCRE_ERROR);
			CHECK_IS(mexp_get_pcre_error(t.h), PCRE2_ERROR_MATCHLIMIT);
		} else
			CHECK(i / 2 >= 2);
		talk_close(&t);
		if (i % 2)
			pcre2_code_free(code);
	}
}

/* 22 */
TEST(to_wait_for_the_end_takes_no_memory_for_the_text)
{
	struct talk t;
	struct flood f = { .bytes = PLAIN ? 1024 * (size_t)MB : 200 * (size_t)MB, .piece = 64 << 10, .filler = "text\n", .last = "END" };
	CHECK(talk_open(&t));
	mexp_set_timeout_ms(t.h, 100000);
	pthread_t thread;
	f.fd = t.far;
	mexp_set_read_size(t.h, 64 << 10);
	CHECK(pthread_create(&thread, NULL, pour, &f) == 0);
	unsigned long long seen = 0;
	while (mexp_try_expect(t.h, NULL, NULL) == MEXP_AGAIN && seen < f.bytes + 3) {
		seen = mexp_lost(t.h) + t.h->len;
		CHECK(t.h->state->store_size <= 8 * MB);
		poll(&(struct pollfd){ .fd = mexp_get_fd(t.h), .events = POLLIN }, 1, 10);
	}
	pthread_join(thread, NULL);
	CHECK_IS(seen, f.bytes + 3);
	talk_end(&t);
	CHECK_IS(mexp_expect(t.h, NULL, NULL), MEXP_EOF);
	CHECK(t.h->len >= MB && memcmp(t.h->buffer + t.h->len - 3, "END", 3) == 0);
	talk_close(&t);
}

TEST(to_wait_for_a_text_that_does_not_come_takes_no_memory_either)
{
	struct talk t;
	struct flood f = { .bytes = 30 * (size_t)MB, .piece = 64 << 10, .filler = "some text\n", .last = "END" };
	CHECK(talk_open(&t));
	mexp_set_timeout_ms(t.h, 100000);
	CHECK_IS(expect_flood(&t, &f, FOR("END")), 100);
	CHECK_IS(mexp_lost(t.h) + (size_t)t.h->next_match, f.bytes + 3);
	CHECK(t.h->state->store_size <= 8 * MB);
	talk_close(&t);
}

/* 21.  The text is zeros that malloc() has not touched: it needs addresses, not memory. */
TEST(a_text_of_more_than_2_gib_is_matched_at_its_end)
{
	size_t bytes = 5ull << 29;
	struct talk t;
	CHECK(talk_open(&t));
	if (UNDER_TSAN || UNDER_ASAN || mx_room(t.h, bytes) < 0) {
		printf("skip more_than_2_gib: %s\n", PLAIN ? strerror(errno) : "a sanitizer touches all of the memory");
		talk_close(&t);
		return;
	}
	mx_arrived(t.h, bytes);
	memcpy(t.h->buffer + bytes - 5, "END\n.", 5);
	CHECK_IS(mexp_try_expect(t.h, FOR("END\n"), NULL), 100);
	CHECK_IS(t.h->next_match, bytes - 1);
	CHECK_MATCH(t.h, 0, "END\n");
	talk_close(&t);
}

/* --- any pieces --- */

static uint32_t seed = 1;

static uint32_t dice(uint32_t n)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % n;
}

/* All of the text at once, from pos on. */
static bool at_once(const pcre2_code *code, const char *text, size_t len, size_t pos, size_t *o)
{
	pcre2_match_data *md = pcre2_match_data_create(16, NULL);
	int rc = pcre2_match(code, (PCRE2_SPTR)text + pos, len - pos, 0, 0, md, NULL);
	if (rc > 0) {
		o[0] = pcre2_get_ovector_pointer(md)[0];
		o[1] = pcre2_get_ovector_pointer(md)[1];
	}
	pcre2_match_data_free(md);
	return rc > 0;
}

/* Every match until the end, as all at once has it. */
static void check_any_pieces(const char *pattern, const char *text, size_t len, size_t keep)
{
	struct talk t;
	size_t pos = 0, said = 0, o[2] = { 0 };
	const pcre2_code *code = re(pattern);
	CHECK(talk_open(&t));
	mexp_set_keep(t.h, keep);
	for (int r = 100; r == 100;) {
		while ((r = mexp_try_expect(t.h, LIST({ 100, .re = code }), NULL)) == MEXP_AGAIN) {
			size_t n = 1 + dice(4) * dice(4);
			n = MIN(n, len - said);
			if (n)
				talk_say(&t, text + said, n);
			else
				talk_end(&t);
			said += n;
		}
		int want = at_once(code, text, len, pos, o) ? 100 : MEXP_EOF;
		size_t got_len, before;
		const char *got = mexp_match(t.h, 0, &got_len);
		mexp_before(t.h, &before);
		bool same = r == want && (r != 100 || (got_len == o[1] - o[0] && before + mexp_lost(t.h) == o[0]));
		if (!same || (r == 100 && memcmp(got, text + pos + o[0], got_len) != 0)) {
			test_failed(__FILE__, __LINE__, "'%s' on \"%.*s\" from %zu: %d (%.*s), at once %d (%.*s)", pattern, (int)len, text,
				    pos, r, got ? (int)got_len : 0, got ? got : "", want, (int)(o[1] - o[0]), text + pos + o[0]);
			break;
		}
		pos += o[1];
	}
	talk_close(&t);
}

TEST(the_answer_does_not_depend_on_the_pieces)
{
	static const char *const patterns[] = {
		"ab", "a+", "[ab]+c", "^ab", "(?m)^ab", "ab$", "(?m)ab$", "a.*b", "(?s)a.*b", "(?s)a.*?b",
		"(a)(b)?c", "\\bab\\b", "\\Bb", "(?<!a)b", "(?<=ab)c", "(?<=(?<=a)b)c", "a(?!b)", "a(?=bc)",
		"(?:ab|abc)\\n", "abc|ab|a", "a{2,4}", "a{2,4}?b", "(a|b)\\1", "(?>a+)b", "a++b", "c\\z", "c\\Z",
		"\\Aab", "(?i)AB", "[^a]b", ".\\n", "\\R", "(?:a|ab)(?:c|bcd)", "(?<=\\n)a|(?<=b)\\n", "(?<=^|b)a",
		"(?|(a)b|(b)c)", "a(*SKIP)b|b", "a\\Kb|cc", "aabb|abb|bb",
	};
	char text[400];
	int rounds = PLAIN ? 60 : 10;
	for (int round = 0; round < rounds; round++)
		for (size_t i = 0; i < ARRAY_LEN(patterns); i++) {
			size_t len = round % 4 ? dice(24) : 100 + dice(300), rare = round % 3 ? 1 : 40;
			for (size_t k = 0; k < len; k++)
				text[k] = dice((uint32_t)rare) ? '-' : "aaabbbcc\n "[dice(10)];
			check_any_pieces(patterns[i], text, len, round % 2 ? 0 : SIZE_MAX);
		}
}
