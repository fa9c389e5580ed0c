/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "expect/private.h"
#include "fuzz/expect_case.h"
#include "base/util.h"

enum { GROUPS = 8, MATCHES_MAX = 40 };

struct answer {
	size_t which;
	size_t group[GROUPS][2]; /* in the whole text */
};

struct answers {
	struct answer a[MATCHES_MAX];
	size_t n;
	bool broken, limit;
};

static void note(struct answers *all, const struct expect_case *c, size_t which, pcre2_match_data *md, size_t pos)
{
	const size_t *o = pcre2_get_ovector_pointer(md);
	uint32_t groups = 0;
	pcre2_pattern_info(c->re[which], PCRE2_INFO_CAPTURECOUNT, &groups);
	struct answer *a = &all->a[all->n++];
	memset(a, 0xff, sizeof(*a));
	a->which = which;
	for (size_t i = 0; i < GROUPS && i <= groups; i++)
		for (int side = 0; side < 2; side++)
			a->group[i][side] = o[i * 2 + (size_t)side] == PCRE2_UNSET ? PCRE2_UNSET : pos + o[i * 2 + (size_t)side];
}

/* PCRE2 can be asked in several ways, and (10.42) now and then answers differently: its JIT finds (?>.b++|)a at the a of "abc", and
 * what it knows of a pattern's length makes it overlook (?>\S+?\Bb)([^a]ab) in "abbxabc".  Each of its answers is right. */
enum way { AS_COMPILED, NO_JIT, NO_START_OPTIMIZE, WAYS };

/* What is first in the text from pos on: 1; 0: nothing; -1: PCRE2 gives up. */
static int one_shot(const struct expect_case *c, size_t pos, const pcre2_code *empty, enum way way, pcre2_match_context *context,
		    struct answers *first)
{
	pcre2_match_data *best = NULL;
	size_t which = 0, start = 0;
	bool gives_up = false;
	for (size_t i = 0; i < c->n; i++) {
		const pcre2_code *re = way == NO_START_OPTIMIZE ? c->truth[i] : c->re[i];
		uint32_t options = (uint32_t)c->options[i] | (way == NO_JIT ? PCRE2_NO_JIT : 0);
		pcre2_match_data *md = pcre2_match_data_create_from_pattern(re, NULL);
		if (c->re[i] == empty) /* nothing is not found twice in a place */
			options |= PCRE2_NOTEMPTY_ATSTART;
		int rc = pcre2_match(re, (PCRE2_SPTR)c->text + pos, c->len - pos, 0, options, md, context);
		gives_up |= rc < 0 && rc != PCRE2_ERROR_NOMATCH;
		if (rc >= 0 && (!best || pcre2_get_startchar(md) < start)) {
			pcre2_match_data_free(best);
			best = md;
			which = i;
			start = pcre2_get_startchar(md);
		} else
			pcre2_match_data_free(md);
	}
	first->n = 0;
	if (best)
		note(first, c, which, best, pos);
	pcre2_match_data_free(best);
	return gives_up ? -1 : first->n > 0;
}

/* The same groups.  Where they are not, does PCRE2 itself say so, too, when it begins elsewhere?  It (10.42) sometimes leaves a
 * group of a start that failed: ((x)*+ does. */
static bool same_groups(const struct expect_case *c, const struct answer *a, const struct answer *b, size_t pos)
{
	if (memcmp(a->group, b->group, sizeof(a->group)) == 0)
		return true;
	bool same = false;
	pcre2_match_data *md = pcre2_match_data_create_from_pattern(c->re[a->which], NULL);
	for (size_t i = 0; i <= (a->group[0][1] - pos) * 2 && !same; i++) {
		struct answers again = { .n = 0 };
		int rc = pcre2_match(c->re[a->which], (PCRE2_SPTR)c->text + pos, c->len - pos, i / 2,
				     (uint32_t)c->options[a->which] | (i % 2 ? PCRE2_NO_JIT : 0), md, NULL);
		if (rc >= 0)
			note(&again, c, a->which, md, pos);
		same = rc >= 0 && memcmp(again.a[0].group, b->group, sizeof(b->group)) == 0;
	}
	pcre2_match_data_free(md);
	return same && memcmp(a->group[0], b->group[0], sizeof(a->group[0])) == 0;
}

/* Is each answer in pieces the one of the text that was left?  At the first that is not, *pos and *first are what it should be. */
static enum expect_verdict confirm(const struct expect_case *c, const struct answers *many, pcre2_match_context *context, size_t *pos,
				   struct answers *first)
{
	const pcre2_code *empty = NULL;
	*pos = 0;
	for (size_t i = 0; i <= many->n && i < MATCHES_MAX; i++) {
		const struct answer *a = &many->a[i];
		bool right = false, ways_differ = false;
		for (int way = 0; way < WAYS && !right; way++) {
			struct answers other;
			int found = one_shot(c, *pos, empty, (enum way)way, context, way ? &other : first);
			const struct answer *is = way ? &other.a[0] : &first->a[0];
			if (found < 0)
				return EXPECT_UNKNOWN;
			if (way && (other.n != first->n || (found && memcmp(is, &first->a[0], sizeof(*is)) != 0)))
				ways_differ = true;
			right = i == many->n ? !found && !many->broken : found && a->which == is->which && same_groups(c, is, a, *pos);
		}
		if (!right)
			return ways_differ ? EXPECT_UNKNOWN : EXPECT_DIFFERS;
		if (i < many->n) {
			empty = a->group[0][0] == a->group[0][1] ? c->re[a->which] : NULL;
			*pos = a->group[0][1];
		}
	}
	return EXPECT_SAME;
}

/* In pieces. */
static void pieces(const struct expect_case *c, struct answers *all)
{
	mexp_regexp list[EXPECT_PATTERNS_MAX + 1] = { 0 };
	mexp_h *h = mx_new();
	size_t fed = 0, piece = 0, pos = 0;
	bool more = true;
	for (size_t i = 0; i < c->n; i++)
		list[i] = (mexp_regexp){ .r = (int)i + 1, .re = c->re[i], .options = c->options[i] };
	if (!h)
		abort();
	mexp_set_order(h, MEXP_ORDER_LEFTMOST);
	if (c->eager_forget)
		mexp_set_keep(h, 0);
	if (c->by_start)
		h->state->large = 0;
	h->next_match = 0;
	mx_begin(h, list);
	while (all->n < MATCHES_MAX) {
		int r = mx_scan(h, list, NULL, more ? MX_MORE : MX_END, !c->large_scans);
		if (r > 0) {
			pos = fed - h->len;
			note(all, c, (size_t)r - 1, h->state->used, pos);
			mx_begin(h, list);
		} else if (r == MEXP_PCRE_ERROR || r == MEXP_ERROR) {
			all->broken = true;
			all->limit = h->pcre_error == PCRE2_ERROR_MATCHLIMIT || h->pcre_error == PCRE2_ERROR_HEAPLIMIT;
			break;
		} else if (!more)
			break;
		else {
			mx_forget(h);
			size_t n = c->pieces[piece++ % c->n_pieces];
			n = MIN(MAX(n, (size_t)1), c->len - fed);
			more = n > 0;
			if (mx_room(h, n) < 0)
				abort();
			memcpy(h->buffer + h->len, c->text + fed, n);
			mx_arrived(h, n);
			fed += n;
		}
	}
	mexp_close(h);
}

/* PCRE2 10.42 looks at broken UTF-8 as pieces of good UTF-8.  What it then finds beside the breaks depends on how it is asked:
 * with JIT or without, with PCRE2_PARTIAL_HARD or without, from which offset.  And in this mode (and in that of UTF-8, in an anchored
 * match) it lets a lookbehind see only as far as it has counted, which for one in another is too little. */
static bool no_truth(const struct expect_case *c)
{
	pcre2_match_data *md = pcre2_match_data_create(1, NULL);
	int error;
	size_t at;
	pcre2_code *any = pcre2_compile((PCRE2_SPTR) "", 0, PCRE2_UTF, &error, &at, NULL);
	bool broken = pcre2_match(any, (PCRE2_SPTR)c->text, c->len, 0, 0, md, NULL) < 0, lenient = false, utf = false;
	for (size_t i = 0; i < c->n; i++) {
		uint32_t options = 0;
		pcre2_pattern_info(c->re[i], PCRE2_INFO_ALLOPTIONS, &options);
		lenient |= (options & PCRE2_MATCH_INVALID_UTF) != 0;
		utf |= (options & PCRE2_UTF) != 0;
	}
	pcre2_code_free(any);
	pcre2_match_data_free(md);
	return (lenient && broken) || (c->nested && (lenient || (utf && c->by_start)));
}

static void tell(const struct answers *a, const char *name, char *why, size_t len)
{
	size_t at = strlen(why);
	at += (size_t)snprintf(why + at, len - at, " %s:", name);
	for (size_t i = 0; i < a->n && at < len; i++)
		at += (size_t)snprintf(why + at, len - at, " #%zu[%zd,%zd)", a->a[i].which,
				       (ssize_t)a->a[i].group[0][0], (ssize_t)a->a[i].group[0][1]);
	if (a->broken && at < len)
		snprintf(why + at, len - at, " error");
}

/* With JIT for all patterns: do pieces make a difference there, too? */
static bool only_without_jit(const struct expect_case *c, pcre2_match_context *context)
{
	struct expect_case jit = *c;
	struct answers many = { .n = 0 }, first;
	bool all = true, any = false;
	size_t pos;
	for (size_t i = 0; i < c->n; i++) {
		size_t size = 0;
		pcre2_pattern_info(c->re[i], PCRE2_INFO_JITSIZE, &size);
		any |= !size;
		jit.re[i] = pcre2_code_copy(c->truth[i]);
		jit.options[i] &= ~(int)PCRE2_ANCHORED; /* which a match with JIT cannot be, but a pattern */
		all &= pcre2_jit_compile(jit.re[i], PCRE2_JIT_COMPLETE | PCRE2_JIT_PARTIAL_HARD) == 0;
	}
	pieces(&jit, &many);
	bool right = any && all && confirm(&jit, &many, context, &pos, &first) == EXPECT_SAME;
	for (size_t i = 0; i < c->n; i++)
		pcre2_code_free(jit.re[i]);
	return right;
}

enum expect_verdict expect_case_run(const struct expect_case *c, char *why, size_t len)
{
	struct answers many = { .n = 0 }, first = { .n = 0 };
	size_t pos;
	pcre2_match_context *context = pcre2_match_context_create(NULL);
	if (!context)
		abort();
	pcre2_set_match_limit(context, 1000000);
	pieces(c, &many);
	enum expect_verdict verdict = many.limit || no_truth(c) ? EXPECT_UNKNOWN : confirm(c, &many, context, &pos, &first);
	if (verdict == EXPECT_DIFFERS) {
		snprintf(why, len, " after %zu", pos);
		tell(&first, "in one", why, len);
		tell(&many, "in pieces", why, len);
		if (only_without_jit(c, context))
			verdict = EXPECT_OVERLOOKED;
	}
	pcre2_match_context_free(context);
	return verdict;
}
