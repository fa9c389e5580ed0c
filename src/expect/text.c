/* SPDX-License-Identifier: BSD-2-Clause */
#include "expect/private.h"

static const char *give(const mexp_h *h, size_t from, size_t to, size_t *len)
{
	if (len)
		*len = to - from;
	return h->buffer + from;
}

static const char *nothing(size_t *len)
{
	if (len)
		*len = 0;
	return NULL;
}

const char *mexp_before(const mexp_h *h, size_t *len)
{
	return give(h, 0, h->state->used ? h->state->start : h->len, len);
}

const char *mexp_match(const mexp_h *h, unsigned n, size_t *len)
{
	const struct mexp_state *s = h->state;
	unsigned set = h->pcre_error > 0 ? (unsigned)h->pcre_error : s->used ? pcre2_get_ovector_count(s->used) : 0;
	if (!s->used || n >= set) /* beyond those, match data still has groups of another regexp's match */
		return nothing(len);
	const size_t *o = pcre2_get_ovector_pointer(s->used) + (size_t)n * 2;
	if (n == 0)
		return give(h, s->start, s->end, len);
	if (o[0] == PCRE2_UNSET || o[0] > o[1] || o[1] > h->len)
		return nothing(len);
	return give(h, o[0], o[1], len);
}

const char *mexp_after(const mexp_h *h, size_t *len)
{
	return h->state->used ? give(h, h->state->end, h->len, len) : nothing(len);
}
