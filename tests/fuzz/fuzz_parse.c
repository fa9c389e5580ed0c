/* SPDX-License-Identifier: BSD-2-Clause */
/* Any text as size, duration, boolean, number, and as something to quote; and the same for plug-ins.  What comes out must hold
 * what parse.h and nbdkit-plugin(3) promise: a failure leaves the number alone and has words, a success is in range. */
/* Aims at src: base/parse base/quote bridge/api_parse */
#define NBDKIT_API_VERSION 2
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/parse.h"
#include "base/quote.h"
#include "base/say.h"
#include "nbdkit-plugin.h"

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

/* The numbers of plug-ins: all that fit one type fit the wider one, too, and are the same. */
static void plugin_numbers(const char *text)
{
	int8_t i8 = 77;
	int16_t i16 = 77;
	int32_t i32 = 77;
	int64_t i64 = 77;
	uint8_t u8 = 77;
	uint16_t u16 = 77;
	uint32_t u32 = 77;
	uint64_t u64 = 77;
	int r8 = nbdkit_parse_int8_t("n", text, &i8), r16 = nbdkit_parse_int16_t("n", text, &i16);
	int r32 = nbdkit_parse_int32_t("n", text, &i32), r64 = nbdkit_parse_int64_t("n", text, &i64);
	must(r8 < 0 ? i8 == 77 : r16 == 0 && i8 == i16);
	must(r16 < 0 ? i16 == 77 : r32 == 0 && i16 == i32);
	must(r32 < 0 ? i32 == 77 : r64 == 0 && i32 == i64);
	must(r64 == 0 || i64 == 77);
	r8 = nbdkit_parse_uint8_t("n", text, &u8), r16 = nbdkit_parse_uint16_t("n", text, &u16);
	r32 = nbdkit_parse_uint32_t("n", text, &u32), r64 = nbdkit_parse_uint64_t("n", text, &u64);
	must(r8 < 0 ? u8 == 77 : r16 == 0 && u8 == u16);
	must(r16 < 0 ? u16 == 77 : r32 == 0 && u16 == u32);
	must(r32 < 0 ? u32 == 77 : r64 == 0 && u32 == u64);
	must(r64 == 0 || u64 == 77);
}

static void plugin_others(const char *text)
{
	unsigned sec = 77, nsec = 77;
	double d = 77;
	uint64_t size;
	struct err e;
	int64_t n = nbdkit_parse_size(text);
	must(n >= -1 && (parse_size("size", text, &size, &e) < 0 || (uint64_t)n == size)); /* which is stricter */
	int truth = nbdkit_parse_bool(text);
	must(truth >= -1 && truth <= 1);
	must(nbdkit_parse_probability("p", text, &d) < 0 ? d == 77 : isfinite(d) && d >= 0);
	must(nbdkit_parse_delay("d", text, &sec, &nsec) < 0 ? sec == 77 && nsec == 77 : nsec < 1000000000);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	char *text = strndup((const char *)p, n);
	struct buf b;

	if (!text)
		return 0;
	say_start("fuzz", SAY_NULL, false);
	plugin_numbers(text);
	plugin_others(text);
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
