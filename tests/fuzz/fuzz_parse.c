/* SPDX-License-Identifier: BSD-2-Clause */
/* Any text as size, duration, boolean, number, and as something to quote.  What comes out must hold what parse.h
 * promises: a failure leaves the number alone and has words, a success is in range. */
#include <stdlib.h>
#include <string.h>
#include "base/parse.h"
#include "base/quote.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void must(bool promise)
{
	if (!promise)
		abort();
}

static void number(int (*parse)(const char *, const char *, uint64_t *, struct err *), const char *text)
{
	struct err e = { "" };
	uint64_t v = UINT64_MAX;
	if (parse("key", text, &v, &e) == 0)
		must(v <= INT64_MAX && !*e.msg);
	else
		must(v == UINT64_MAX && *e.msg && !strchr(e.msg, '\n') && strlen(e.msg) < sizeof e.msg);
}

static int from_5_to_500(const char *what, const char *str, uint64_t *out, struct err *e)
{
	int r = parse_u64(what, str, 5, 500, out, e);
	must(r < 0 || (*out >= 5 && *out <= 500));
	return r;
}

static int boolean(const char *what, const char *str, uint64_t *out, struct err *e)
{
	bool b;
	int r = parse_bool(what, str, &b, e);
	if (r == 0)
		*out = b;
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	char *text = strndup((const char *)p, n);
	struct buf b;

	if (!text)
		return 0;
	number(parse_size, text);
	number(parse_duration, text);
	number(from_5_to_500, text);
	number(boolean, text);
	buf_init(&b, 1000);
	bool whole = quote_shell(&b, text) && quote_uri(&b, text, n % 2);
	must(b.len <= 1000 && (whole || n * 5 + 2 >= 1000));
	buf_free(&b);
	free(text);
	return 0;
}
