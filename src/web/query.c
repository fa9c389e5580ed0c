/* SPDX-License-Identifier: BSD-2-Clause */
#include "web/query.h"
#include <inttypes.h>
#include <string.h>

static const struct word {
	const char *name;
	uint64_t max;           /* of a number; 0: a choice */
	const char *choices[4];
} words[Q_WORDS] = {
	[Q_DISK] = { "disk", 1023, { 0 } },
	[Q_T] = { "t", INT64_MAX, { 0 } },
	[Q_FROM] = { "from", INT64_MAX, { 0 } },
	[Q_TO] = { "to", INT64_MAX, { 0 } },
	[Q_EVENT] = { "event", INT64_MAX, { 0 } },
	[Q_AT] = { "at", INT64_MAX, { 0 } },
	[Q_X] = { "x", UINT32_MAX, { 0 } },
	[Q_Y] = { "y", UINT32_MAX, { 0 } },
	[Q_W] = { "w", QUERY_SIDE_MAX, { 0 } },
	[Q_H] = { "h", QUERY_SIDE_MAX, { 0 } },
	[Q_PX] = { "px", UINT32_MAX, { 0 } },
	[Q_PY] = { "py", UINT32_MAX, { 0 } },
	[Q_COLS] = { "cols", UINT32_MAX, { 0 } },
	[Q_ZOOM] = { "zoom", 16, { 0 } },
	[Q_FILTER] = { "filter", INT64_MAX, { 0 } },
	[Q_LIVE] = { "live", 1, { 0 } },
	[Q_KEEP] = { "keep", 1, { 0 } },
	[Q_CONTENTS] = { "contents", 1, { 0 } },
	[Q_ORDER] = { "order", 0, { "row", "hilbert" } },
	[Q_WHAT] = { "what", 0, { "offset", "latency" } },
	[Q_BY] = { "by", 0, { "event", "flush", "mark" } },
	[Q_WAY] = { "way", 0, { "next", "last" } },
	[Q_LIKE] = { "like", 0, { 0 } },
};

static bool is(const char *name, const char *s, size_t len)
{
	return strlen(name) == len && memcmp(name, s, len) == 0;
}

/* Decimal digits and nothing else. */
static int number(const struct word *w, const char *s, size_t len, uint64_t *out, struct err *e)
{
	uint64_t n = 0;

	if (!len || len > 20)
		return err_set(e, "%s: a number of 1 to 20 digits is expected", w->name);
	for (size_t i = 0; i < len; i++) {
		if (s[i] < '0' || s[i] > '9' || __builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, s[i] - '0', &n))
			return err_set(e, "%s: a number is expected", w->name);
	}
	if (n > w->max)
		return err_set(e, "%s: at most %" PRIu64, w->name, w->max);
	*out = n;
	return 0;
}

static int choose(const struct word *w, const char *s, size_t len, uint64_t *out, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(w->choices) && w->choices[i]; i++)
		if (is(w->choices[i], s, len)) {
			*out = i;
			return 0;
		}
	return err_set(e, "%s: there is no such choice", w->name);
}

static int text(struct query *q, const char *s, size_t len, struct err *e)
{
	if (len > QUERY_TEXT_MAX || memchr(s, '\0', len))
		return err_set(e, "like: a text of at most %d bytes is expected", QUERY_TEXT_MAX);
	memcpy(q->like, s, len);
	q->like[len] = '\0';
	return 0;
}

int query_add(struct query *q, const char *key, size_t key_len, const char *value, size_t len, struct err *e)
{
	for (unsigned i = 0; i < Q_WORDS; i++) {
		const struct word *w = &words[i];
		if (!is(w->name, key, key_len))
			continue;
		if (q->given >> i & 1)
			return err_set(e, "%s: told twice", w->name);
		q->given |= 1u << i;
		if (!value)
			return err_set(e, "%s: a value is expected", w->name);
		if (i == Q_LIKE)
			return text(q, value, len, e);
		return w->max ? number(w, value, len, &q->n[i], e) : choose(w, value, len, &q->n[i], e);
	}
	return err_set(e, "an unknown word is in the address");
}
