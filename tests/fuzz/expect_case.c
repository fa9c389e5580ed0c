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
	bool broken;
};

static void note(struct answers *all, size_t which, pcre2_match_data *md, size_t pos)
{
	const size_t *o = pcre2_get_ovector_pointer(md);
	struct answer *a = &all->a[all->n++];
	memset(a, 0xff, sizeof(*a));
	a->which = which;
	for (size_t i = 0; i < GROUPS && i < pcre2_get_ovector_count(md); i++)
		for (int side = 0; side < 2; side++)
			a->group[i][side] = o[i * 2 + (size_t)side] == PCRE2_UNSET ? PCRE2_UNSET : pos + o[i * 2 + (size_t)side];
}

/* In one piece. */
static void whole(const struct expect_case *c, struct answers *all, pcre2_match_context *context)
{
	const pcre2_code *empty = NULL;
	size_t pos = 0;
	while (all->n < MATCHES_MAX) {
		pcre2_match_data *best = NULL;
		size_t which = 0, start = 0;
		for (size_t i = 0; i < c->n; i++) {
			pcre2_match_data *md = pcre2_match_data_create_from_pattern(c->re[i], NULL);
			int rc = pcre2_match(c->re[i], (PCRE2_SPTR)c->text + pos, c->len - pos, 0,
					     (uint32_t)c->options[i] | (c->re[i] == empty ? PCRE2_NOTEMPTY_ATSTART : 0), md, context);
			if (rc < 0 && rc != PCRE2_ERROR_NOMATCH)
				all->broken = true;
			if (rc >= 0 && (!best || pcre2_get_startchar(md) < start)) {
				pcre2_match_data_free(best);
				best = md;
				which = i;
				start = pcre2_get_startchar(md);
			} else
				pcre2_match_data_free(md);
		}
		if (!best || all->broken) {
			pcre2_match_data_free(best);
			return;
		}
		note(all, which, best, pos);
		size_t end = pcre2_get_ovector_pointer(best)[1];
		empty = end == 0 ? c->re[which] : NULL;
		pos += end;
		pcre2_match_data_free(best);
	}
}

static bool equal(const struct answers *a, const struct answers *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (memcmp(&a->a[i], &b->a[i], sizeof(a->a[i])) != 0)
			return false;
	return true;
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
			note(all, (size_t)r - 1, h->state->used, pos);
			mx_begin(h, list);
		} else if (r == MEXP_PCRE_ERROR || r == MEXP_ERROR) {
			all->broken = true;
			break;
		} else if (!more)
			break;
		else {
			mx_forget(h);
			size_t n = MAX(1, c->pieces[piece++ % c->n_pieces]);
			n = MIN(n, c->len - fed);
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

static void tell(const struct answers *a, const char *name, char *why, size_t len)
{
	size_t at = strlen(why);
	at += (size_t)snprintf(why + at, len - at, " %s:", name);
	for (size_t i = 0; i < a->n && at < len; i++)
		at += (size_t)snprintf(why + at, len - at, " #%zu[%zd,%zd)", a->a[i].which, (ssize_t)a->a[i].group[0][0], (ssize_t)a->a[i].group[0][1]);
	if (a->broken && at < len)
		snprintf(why + at, len - at, " error");
}

enum expect_verdict expect_case_run(const struct expect_case *c, char *why, size_t len)
{
	struct answers one = { .n = 0 }, many = { .n = 0 };
	pcre2_match_context *context = pcre2_match_context_create(NULL);
	if (!context)
		abort();
	pcre2_set_match_limit(context, 10000000);
	whole(c, &one, context);
	pcre2_match_context_free(context);
	if (one.broken)
		return EXPECT_UNKNOWN;
	pieces(c, &many);
	if (!many.broken && equal(&one, &many))
		return EXPECT_SAME;
	*why = 0;
	tell(&one, "in one", why, len);
	tell(&many, "in pieces", why, len);
	return EXPECT_DIFFERS;
}
