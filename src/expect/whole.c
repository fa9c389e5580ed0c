/* SPDX-License-Identifier: BSD-2-Clause */
/* The text is whole.  One of megabytes is not left to pcre2_match() alone: (?s)x.*y that has no y costs it the square of the
 * length.  Start by start, with the possible starts found as while more comes, it can be given up with an error. */
#include "expect/private.h"

enum {
	TRIES_MIN = 4,
	TRIES_BYTES = 256 << 20, /* looked at, before it is given up */
};

int mx_scan_whole(mexp_h *h, const mexp_regexp *x, const struct mx_want *w, size_t len, pcre2_match_data *md)
{
	struct mx_want at = *w;
	uint64_t bytes = 0;
	if (len - w->from < h->state->large || w->anchored || w->at_end)
		return mx_match(h, x, w, len, 0, md);
	for (unsigned tries = 0;; tries++) {
		int rc = mx_match(h, x, &at, len, PCRE2_ANCHORED, md);
		if (rc != PCRE2_ERROR_NOMATCH || at.from == len)
			return rc;
		bytes += len - at.from;
		h->state->gave_up = tries >= TRIES_MIN && bytes > TRIES_BYTES;
		if (h->state->gave_up)
			return h->pcre_error = PCRE2_ERROR_MATCHLIMIT;
		at.from++;
		if (at.utf)
			at.from = mx_char_next(h->buffer, at.from, len);
		rc = mx_match(h, x, &at, len, PCRE2_PARTIAL_HARD, md);
		if (rc == PCRE2_ERROR_PARTIAL)
			at.from = pcre2_get_ovector_pointer(md)[0];
		else if (rc == PCRE2_ERROR_NOMATCH)
			at.from = len;
		else
			return rc;
	}
}
