/* SPDX-License-Identifier: BSD-2-Clause */
/* expect_rig: what the tests of the expect library share.  In a talk the test itself is the program: a handle has one end of a
 * socketpair, the test writes into the other, piece by piece, and nothing depends on time.  sh() is for real programs. */
#pragma once
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "expect/private.h"
#include "unit/test.h"

struct talk {
	mexp_h *h;
	int far;          /* the program's end, or -1 */
};

/* The handle has a long timeout and settles nothing by silence. */
bool talk_open(struct talk *t);
bool talk_say(struct talk *t, const char *bytes, size_t len);
void talk_end(struct talk *t);    /* the program is at its end */
void talk_close(struct talk *t);
/* Says one piece after the other, NULL at the end, each when the one before has been looked at: the first answer that is not
 * MEXP_AGAIN, or that. */
int talk_pieces(struct talk *t, const mexp_regexp *list, pcre2_match_data *md, ...) __attribute__((sentinel));

mexp_h *sh(unsigned flags, const char *script);

/* Compiled by PCRE2 as it is, without JIT; lives to the end.  Main thread. */
pcre2_code *re_with(const char *pattern, uint32_t options);
pcre2_code *re(const char *pattern);

uint64_t ms_since(uint64_t ns);   /* CLOCK_MONOTONIC */
void pause_ms(int ms);
size_t open_fds(void);            /* of this process */

/* As many as the machine can take in a moment. */
#define PLAIN (!UNDER_ASAN && !UNDER_TSAN)

#define LIST(...) ((const mexp_regexp[]){ __VA_ARGS__, { 0 } })
#define FOR(pattern) LIST({ 100, .re = re(pattern) })

/* For numbers that may be negative, and calls that set errno. */
#define CHECK_IS(a, b)                                                                   \
	do {                                                                             \
		long long check_a_ = (long long)(a);                                     \
		const char *check_why_ = strerror(errno);                                \
		long long check_b_ = (long long)(b);                                     \
		if (check_a_ != check_b_) {                                              \
			test_failed(__FILE__, __LINE__, "%s == %s: %lld is not %lld (errno: %s)", #a, #b, \
				    check_a_, check_b_, check_why_);                     \
			return;                                                          \
		}                                                                        \
	} while (0)

/* call is mexp_before(h, &got), mexp_match(h, n, &got) or mexp_after(h, &got). */
#define CHECK_TEXT(call, want)                                                           \
	do {                                                                             \
		size_t got = 0;                                                          \
		const char *check_p_ = (call);                                           \
		if (!check_p_ || got != strlen(want) || memcmp(check_p_, want, got) != 0) { \
			test_failed(__FILE__, __LINE__, "%s is \"%.*s\", not \"%s\"", #call, \
				    check_p_ ? (int)MIN(got, (size_t)200) : 6, check_p_ ? check_p_ : "(null)", want); \
			return;                                                          \
		}                                                                        \
	} while (0)
#define CHECK_BEFORE(h, want) CHECK_TEXT(mexp_before(h, &got), want)
#define CHECK_MATCH(h, n, want) CHECK_TEXT(mexp_match(h, n, &got), want)
#define CHECK_AFTER(h, want) CHECK_TEXT(mexp_after(h, &got), want)
