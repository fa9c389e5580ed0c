/* SPDX-License-Identifier: BSD-2-Clause */
/* MEXP_ORDER_LEFTMOST: the regexp that matches first in the text, whatever the pieces it comes in.  One that has matched waits for
 * those that may turn out to match before it. */
#include "expect/private.h"

static bool beats(const struct mexp_state *s, size_t i, size_t than)
{
	size_t a = s->want[i].open, b = than < s->wants ? s->want[than].open : SIZE_MAX;
	return a < b || (a == b && i < than);
}

int mx_find_leftmost(mexp_h *h, const mexp_regexp *list, pcre2_match_data *md, enum mx_end end, bool quiet, size_t *winner)
{
	struct mexp_state *s = h->state;
	size_t best = s->wants;
	for (size_t i = 0; i < s->wants; i++) {
		struct mx_want *w = &s->want[i];
		if (!w->found && (end != MX_MORE || mx_worth_it(h, w, quiet))) {
			int rc = mx_try(h, list, i, end, md);
			if (rc < 0)
				return rc;
			w->found = rc > 0;
			if (rc > 0 && !w->anchored)
				w->open = w->from = pcre2_get_startchar(md);
		}
		if (w->found && beats(s, i, best))
			best = i;
	}
	if (best == s->wants)
		return 0;
	for (size_t i = 0; i < s->wants && end == MX_MORE; i++) {
		struct mx_want *w = &s->want[i];
		if (w->dead || w->found || !beats(s, i, best))
			continue;
		return 0; /* it may turn out to match before; also when its text was left out just now */
	}
	*winner = best;
	return mx_try(h, list, best, end, md);
}
