/* SPDX-License-Identifier: BSD-2-Clause */
/* What a browser sends: the words of an address, a filter in JSON, a Host; and text on its way into JSON and back.
 * The first byte says which.  Aims at src: web/query web/wish web/json_in web/host base/json */
#include <string.h>
#include "base/json.h"
#include "base/utf8.h"
#include "fuzz/input.h"
#include "web/host.h"
#include "web/json_in.h"
#include "web/query.h"
#include "web/wish.h"

/* key=value&key=value: as they come out of the library, which takes them apart. */
static void words(const char *p, size_t n)
{
	struct query q = { 0 };
	struct err e = { 0 };
	int rc = 0;

	for (const char *end = p + n; p < end && rc == 0;) {
		const char *stop = memchr(p, '&', (size_t)(end - p));
		stop = stop ? stop : end;
		const char *equal = memchr(p, '=', (size_t)(stop - p));
		uint32_t before = q.given;
		size_t key = (size_t)((equal ? equal : stop) - p), value = equal ? (size_t)(stop - equal - 1) : 0;
		rc = query_add(&q, p, key, equal ? equal + 1 : NULL, value, &e);
		MUST(rc == 0 ? __builtin_popcount(q.given) == __builtin_popcount(before) + 1 : e.msg[0] != '\0');
		p = stop + 1;
	}
	MUST(rc < 0 || (q.n[Q_W] <= QUERY_SIDE_MAX && q.n[Q_H] <= QUERY_SIDE_MAX && q.n[Q_T] <= INT64_MAX && q.n[Q_ZOOM] <= 16));
	MUST(memchr(q.like, '\0', sizeof q.like));
}

static void wish(const char *p, size_t n)
{
	static struct wish w;
	struct err e = { 0 };

	if (wish_read(&w, p, n, &e) < 0) {
		MUST(e.msg[0]);
		return;
	}
	MUST(w.conns <= WISH_CONNS_MAX && memchr(w.path, '\0', sizeof w.path) && w.to <= INT64_MAX && w.from <= w.to);
	MUST((uint64_t)w.area.w * w.area.h <= QUERY_UNITS_MAX);
}

/* Text that is UTF-8 comes back as it was, and nothing of it is left that a page or a terminal would take for its own. */
static void round_trip(const char *p, size_t n)
{
	struct buf b = { .limit = 6 * n + 2 };
	static char back[1 << 16];
	bool whole = true;

	if (n >= sizeof back)
		return;
	MUST(json_bytes(&b, p, n));
	for (size_t i = 0; i < b.len; i++)
		MUST((unsigned char)b.p[i] >= 0x20 && b.p[i] != 0x7f && b.p[i] != '<');
	for (size_t i = 0, len = 1; i < n && whole; i += len)
		whole = p[i] && (len = utf8_len(p + i, n - i));
	struct json_in j = { .p = b.p, .end = b.p + b.len };
	json_text(&j, back, sizeof back);
	if (whole)
		MUST(json_over(&j) && strlen(back) == n && memcmp(back, p, n) == 0);
	buf_free(&b);
}

static void host(const char *p, size_t n)
{
	static char text[1 << 12], name[1 << 12];
	const struct host here = { .loopback = true };

	if (n >= sizeof text)
		return;
	memcpy(text, p, n);
	text[n] = '\0';
	if (!host_is_ours(&here, text))
		return;
	memcpy(name, *text == '[' ? text + 1 : text, sizeof name - 1);
	MUST(strncasecmp(name, "localhost", 9) == 0 || strncmp(name, "127.", 4) == 0 || strchr("0:", *name));
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static void (*const all[])(const char *, size_t) = { words, wish, round_trip, host };

	if (!n)
		return 0;
	char *exact = malloc(n); /* so that a byte beyond it is seen */
	memcpy(exact, p + 1, n - 1);
	all[*p % 4](exact, n - 1);
	free(exact);
	return 0;
}
