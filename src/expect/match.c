/* SPDX-License-Identifier: BSD-2-Clause */
/* Text that arrives in pieces, against a list of regexps: the answer is the one that pcre2_match() would give for all of the
 * text at once, in time linear in its length.
 *
 * Each regexp has its own `open`, before which no match can begin.  PCRE2_PARTIAL_HARD from there (in fact from BACK bytes
 * before, `from`) gives a match that more text cannot change; or says where one may have begun (`open` goes there); or that none has
 * (`open` goes to the end).  What may have begun is only looked at again when the text has grown by half of it, so the sum of all
 * scans is a small multiple of the text.  pcre2partial(3), "Multi-segment matching", says why it must be HARD, and why some text
 * before it has to stay. */
#include <errno.h>
#include <stdlib.h>
#include "expect/private.h"
#include "base/util.h"

enum {
	CONTEXT_MIN = 64,   /* bytes kept before `from`: PCRE2 counts lookbehinds, but not nested ones, \b or \G */
	SMALL = 4096,       /* bytes: scanned again each time */
	MATCH_LIMIT = 10000000, /* steps of pcre2_match() for each start, or 4 for each byte: against (a+)+$ */
	BACK = 16,          /* bytes before `open` that are scanned again: PCRE2's interpreter (10.42) does not count all that it should
			     * as the middle of a match, (?s).{2} before the last byte, \n(?m)^; and where it begins it sees only as
			     * far back as it counts, with PCRE2_UTF */
};

int mx_begin(mexp_h *h, const mexp_regexp *list)
{
	struct mexp_state *s = h->state;
	size_t n = 0;
	if (s->kept && h->next_match == -1)
		; /* after a timeout nothing is lost */
	else {
		size_t next = h->next_match < 0 || (size_t)h->next_match > h->len ? h->len : (size_t)h->next_match;
		if (next != s->end)
			s->empty = NULL;
		mx_drop(h, next);
		s->lost = 0;
	}
	h->next_match = -1;
	s->kept = true;
	s->used = NULL;
	while (list && list[n].r > 0)
		n++;
	if (n > s->wants_max) {
		struct mx_want *want = reallocarray(s->want, n, sizeof(*want));
		if (!want)
			return MEXP_ERROR;
		s->want = want;
		s->wants_max = n;
	}
	s->wants = n;
	for (size_t i = 0; i < n; i++) {
		struct mx_want *w = &s->want[i];
		uint32_t compiled = 0, lookbehind = 0;
		pcre2_pattern_info(list[i].re, PCRE2_INFO_ALLOPTIONS, &compiled);
		pcre2_pattern_info(list[i].re, PCRE2_INFO_MAXLOOKBEHIND, &lookbehind);
		uint32_t options = compiled | (uint32_t)list[i].options;
		*w = (struct mx_want){
			.re = list[i].re,
			.anchored = options & PCRE2_ANCHORED, .at_end = options & PCRE2_ENDANCHORED,
			.utf = compiled & PCRE2_UTF, .lenient = compiled & PCRE2_MATCH_INVALID_UTF,
			.context = MAX((size_t)CONTEXT_MIN, (size_t)lookbehind * 8),
		};
		/* The text no longer has its beginning: what is left of it begins as the rest of something. */
		if (s->lost) {
			w->dead = w->anchored;
			size_t from = MIN(h->len, w->context);
			w->from = w->open = w->seen = w->utf ? mx_char_next(h->buffer, from, h->len) : from;
		}
	}
	return 0;
}

bool mx_same_list(const mexp_h *h, const mexp_regexp *list)
{
	size_t i = 0;
	for (; list && list[i].r > 0; i++)
		if (i == h->state->wants || h->state->want[i].re != list[i].re)
			return false;
	return i == h->state->wants;
}

static size_t visible(const mexp_h *h, const struct mx_want *w, enum mx_end end)
{
	return w->utf && !(end == MX_END && w->lenient) ? h->len - mx_char_unfinished(h->buffer, h->len) : h->len;
}

int mx_match(mexp_h *h, const mexp_regexp *x, const struct mx_want *w, size_t len, uint32_t options, pcre2_match_data *md)
{
	struct mexp_state *s = h->state;
	options |= (uint32_t)x->options & ~(PCRE2_PARTIAL_HARD | PCRE2_PARTIAL_SOFT);
	if (x->re == s->empty && w->from == 0)
		options |= PCRE2_NOTEMPTY_ATSTART;
	uint64_t limit = MAX((uint64_t)MATCH_LIMIT, 4 * (uint64_t)(len - w->from));
	pcre2_set_match_limit(s->context, (uint32_t)MIN(limit, (uint64_t)UINT32_MAX));
	int rc = pcre2_match(x->re, (PCRE2_SPTR)h->buffer, len, w->from, options, md, s->context);
	if (rc == PCRE2_ERROR_JIT_STACKLIMIT)
		rc = pcre2_match(x->re, (PCRE2_SPTR)h->buffer, len, w->from, options | PCRE2_NO_JIT, md, s->context);
	s->scanned += len - w->from;
	return h->pcre_error = rc;
}

/* Without JIT, PCRE2 (10.42) does not count a repeated \R at a CR that ends the text as the middle of a match. */
static bool ends_in_cr(const mexp_h *h, pcre2_match_data *md, size_t len)
{
	return pcre2_get_ovector_pointer(md)[1] == len && len && h->buffer[len - 1] == '\r';
}

/* Does the match end where it does even if an LF follows? */
static bool stays_so(mexp_h *h, const mexp_regexp *x, const struct mx_want *w, size_t len, pcre2_match_data *md)
{
	char next = h->buffer[len];
	h->buffer[len] = '\n';
	int rc = mx_match(h, x, w, len + 1, PCRE2_PARTIAL_HARD, md);
	h->buffer[len] = next;
	return rc >= 0 && pcre2_get_ovector_pointer(md)[1] == len;
}

/* As long as more may come. */
static int scan_more(mexp_h *h, const mexp_regexp *x, struct mx_want *w, size_t len, pcre2_match_data *md)
{
	if (w->at_end) {
		w->pending = true;
		w->seen = len;
		return PCRE2_ERROR_NOMATCH;
	}
	int rc = mx_match(h, x, w, len, PCRE2_PARTIAL_HARD, md);
	if (rc >= 0 && ends_in_cr(h, md, len) && !stays_so(h, x, w, len, md))
		rc = PCRE2_ERROR_PARTIAL;
	w->seen = len;
	w->pending = rc == PCRE2_ERROR_PARTIAL;
	if (w->anchored) {
		w->open = rc == PCRE2_ERROR_NOMATCH ? len : 0;
		w->dead = rc == PCRE2_ERROR_NOMATCH && len > BACK;
	} else if (rc == PCRE2_ERROR_PARTIAL || rc == PCRE2_ERROR_NOMATCH) {
		w->open = w->pending ? pcre2_get_startchar(md) : len;
		size_t from = w->open - MIN(w->open, (size_t)BACK);
		if (w->utf)
			from = mx_char_start(h->buffer, from);
		w->from = MAX(w->from, from);
	}
	return rc;
}

int mx_try(mexp_h *h, const mexp_regexp *list, size_t i, enum mx_end end, pcre2_match_data *md)
{
	struct mx_want *w = &h->state->want[i];
	size_t len = visible(h, w, end);
	if (w->dead || w->from > len)
		return 0;
	int rc = end == MX_MORE ? scan_more(h, &list[i], w, len, md) : mx_scan_whole(h, &list[i], w, len, md);
	return rc >= 0 ? 1 : rc == PCRE2_ERROR_NOMATCH || rc == PCRE2_ERROR_PARTIAL ? 0 : MEXP_PCRE_ERROR;
}

bool mx_worth_it(const mexp_h *h, const struct mx_want *w, bool quiet)
{
	size_t len = visible(h, w, MX_MORE);
	if (w->dead || w->found || len <= w->seen) /* of no text at all, PCRE2 would say what need not hold of any */
		return false;
	return quiet || w->seen - w->from < SMALL || (len - w->seen) * 2 >= w->seen - w->from;
}

/* Regexp i matches; those before it may have been left out just now. */
static int first_after_all(mexp_h *h, const mexp_regexp *list, size_t i, pcre2_match_data *md, size_t *winner)
{
	bool overwritten = false;
	for (*winner = 0; *winner < i; ++*winner) {
		if (!mx_worth_it(h, &h->state->want[*winner], true))
			continue;
		int rc = mx_try(h, list, *winner, MX_MORE, md);
		if (rc)
			return rc;
		overwritten = true;
	}
	return overwritten ? mx_try(h, list, i, MX_MORE, md) : 1;
}

/* Each finder: 1 and *winner, with its match in md; 0; MEXP_PCRE_ERROR. */
static int find_first(mexp_h *h, const mexp_regexp *list, pcre2_match_data *md, enum mx_end end, bool quiet, size_t *winner)
{
	for (size_t i = 0; i < h->state->wants; i++) {
		if (end == MX_MORE && !mx_worth_it(h, &h->state->want[i], quiet))
			continue;
		int rc = mx_try(h, list, i, end, md);
		if (rc > 0 && end == MX_MORE)
			return first_after_all(h, list, i, md, winner);
		*winner = i;
		if (rc)
			return rc;
	}
	return 0;
}

static pcre2_match_data *own_data(struct mexp_state *s, const mexp_regexp *list)
{
	uint32_t pairs = 1;
	for (size_t i = 0; i < s->wants; i++) {
		uint32_t groups = 0;
		pcre2_pattern_info(list[i].re, PCRE2_INFO_CAPTURECOUNT, &groups);
		pairs = MAX(pairs, groups + 1);
	}
	if (!s->own || pcre2_get_ovector_count(s->own) < pairs) {
		pcre2_match_data_free(s->own);
		s->own = pcre2_match_data_create(pairs, NULL);
	}
	return s->own;
}

int mx_scan(mexp_h *h, const mexp_regexp *list, pcre2_match_data *md, enum mx_end end, bool quiet)
{
	struct mexp_state *s = h->state;
	size_t winner = 0;
	s->gave_up = false;
	if (!s->wants)
		return MEXP_AGAIN;
	if (!md && !(md = own_data(s, list)))
		return errno = ENOMEM, MEXP_ERROR;
	int rc = (s->order == MEXP_ORDER_LEFTMOST ? mx_find_leftmost : find_first)(h, list, md, end, quiet, &winner);
	if (rc == 0 || (rc == MEXP_PCRE_ERROR && end == MX_PAUSE && s->gave_up)) /* it may be easy when more has come */
		return MEXP_AGAIN;
	if (rc < 0)
		return rc;
	const size_t *o = pcre2_get_ovector_pointer(md);
	s->used = md;
	s->start = MIN(o[0], o[1]); /* (?=ab\K) ends before it starts */
	s->end = o[1];
	s->kept = false;
	s->empty = s->start == s->end ? list[winner].re : NULL;
	h->next_match = (ssize_t)o[1];
	return list[winner].r;
}

bool mx_pending(const mexp_h *h)
{
	if (h->len == 0 && h->state->wants)
		return true;
	for (size_t i = 0; i < h->state->wants; i++)
		if (h->state->want[i].pending || h->state->want[i].found)
			return true;
	return false;
}

bool mx_postponed(const mexp_h *h, size_t *bytes)
{
	*bytes = 0;
	for (size_t i = 0; i < h->state->wants; i++) {
		const struct mx_want *w = &h->state->want[i];
		if (!w->dead && !w->found && visible(h, w, MX_MORE) > w->seen)
			*bytes = MAX(*bytes, h->len - w->from);
	}
	return *bytes > 0;
}

static void forget(mexp_h *h, size_t keep)
{
	struct mexp_state *s = h->state;
	size_t n = h->len;
	for (size_t i = 0; i < s->wants; i++) {
		const struct mx_want *w = &s->want[i];
		if (!w->dead)
			n = MIN(n, w->from);
		keep = MAX(keep, w->context);
	}
	if (n <= keep)
		return;
	n = mx_char_start(h->buffer, n - keep);
	mx_drop(h, n);
	s->lost += n;
	for (size_t i = 0; i < s->wants; i++) {
		struct mx_want *w = &s->want[i];
		w->from = w->from > n ? w->from - n : 0;
		w->open = w->open > n ? w->open - n : 0;
		w->seen = w->seen > n ? w->seen - n : 0;
	}
}

void mx_forget(mexp_h *h)
{
	const struct mexp_state *s = h->state;
	if (!s->max_is_set)
		return forget(h, s->keep);
	forget(h, MIN(s->keep, s->max_buffer / 2));
	if (h->len >= s->max_buffer) /* a match comes before what was before it */
		forget(h, 0);
}
