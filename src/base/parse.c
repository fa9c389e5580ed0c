/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/parse.h"
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* strtoull, but without its leading blanks, signs and silent overflow. */
static int take_number(const char *what, const char *str, int radix, uint64_t *out, char **end, struct err *e)
{
	if (!*str)
		return err_set(e, "%s: empty string where we expected a number", what);
	if (*str == '-')
		return err_set(e, "%s: negative numbers are not allowed: \"%s\"", what, str);
	if (!isdigit((unsigned char)*str))
		return err_set(e, "%s: could not parse number: \"%s\"", what, str);
	errno = 0;
	unsigned long long n = strtoull(str, end, radix);
	if (errno)
		return err_set(e, "%s: number out of range: \"%s\"", what, str);
	*out = n;
	return 0;
}

int parse_u64(const char *what, const char *str, uint64_t min, uint64_t max, uint64_t *out, struct err *e)
{
	char *end;
	uint64_t n = 0;
	if (take_number(what, str, 0, &n, &end, e) < 0)
		return -1;
	if (*end)
		return err_set(e, "%s: could not parse number: \"%s\": trailing garbage", what, str);
	if (n < min || n > max)
		return err_set(e, "%s: number out of range %" PRIu64 " to %" PRIu64 ": \"%s\"", what, min, max, str);
	*out = n;
	return 0;
}

int parse_unsigned(const char *what, const char *str, unsigned min, unsigned max, unsigned *out, struct err *e)
{
	uint64_t n = 0;
	if (parse_u64(what, str, min, max, &n, e) < 0)
		return -1;
	*out = (unsigned)n;
	return 0;
}

static int size_shift(const char *suffix)
{
	static const char letters[] = "bkmgtpe";
	const char *at = *suffix ? strchr(letters, tolower((unsigned char)*suffix)) : letters;
	if (*suffix && suffix[1])
		return -1;
	if (*suffix == 's' || *suffix == 'S')
		return 9;
	return at ? (int)(at - letters) * 10 : -1;
}

int parse_size(const char *what, const char *str, uint64_t *out, struct err *e)
{
	char *end;
	uint64_t n = 0;
	if (take_number(what, str, 10, &n, &end, e) < 0)
		return -1;
	int shift = size_shift(end);
	if (shift < 0)
		return err_set(e, "%s: could not parse size \"%s\": unknown suffix '%s'", what, str, end);
	if (n > (uint64_t)INT64_MAX >> shift)
		return err_set(e, "%s: could not parse size \"%s\": number too large", what, str);
	*out = n << shift;
	return 0;
}

static uint64_t duration_unit(const char *s)
{
	static const struct { const char *name; uint64_t ns; } units[] = {
		{ "", NS_PER_S }, { "s", NS_PER_S }, { "ms", NS_PER_MS }, { "us", NS_PER_US },
		{ "\xc2\xb5s", NS_PER_US }, { "\xce\xbcs", NS_PER_US }, { "ns", 1 }, { "m", 60 * NS_PER_S }, { "h", 3600 * NS_PER_S },
	};
	for (size_t i = 0; i < ARRAY_LEN(units); i++)
		if (strcmp(s, units[i].name) == 0)
			return units[i].ns;
	return 0;
}

int parse_duration(const char *what, const char *str, uint64_t *out, struct err *e)
{
	if (!*str)
		return err_set(e, "%s: empty string where we expected a duration", what);
	if (*str == '-')
		return err_set(e, "%s: a duration cannot be negative: \"%s\"", what, str);

	/* Digits by hand: no locale, no exponent, no hex, and exact to the nanosecond. */
	uint64_t whole = 0, frac = 0, scale = 1;
	const char *s = str;
	bool digits = false;
	for (; isdigit((unsigned char)*s); s++, digits = true)
		if (__builtin_mul_overflow(whole, 10, &whole) || __builtin_add_overflow(whole, (uint64_t)(*s - '0'), &whole))
			goto too_long;
	if (*s == '.') {
		for (s++; isdigit((unsigned char)*s); s++, digits = true)
			if (scale < NS_PER_S) {
				frac = frac * 10 + (uint64_t)(*s - '0');
				scale *= 10;
			}
	}
	uint64_t unit = duration_unit(s);
	if (!digits || !unit)
		return err_set(e, "%s: could not parse duration \"%s\": expected for example 2, 1.5, 40ms or 100us", what, str);

	uint64_t ns;
	unsigned __int128 part = (unsigned __int128)frac * unit / scale;
	if (__builtin_mul_overflow(whole, unit, &ns) || __builtin_add_overflow(ns, (uint64_t)part, &ns) || ns > INT64_MAX)
		goto too_long;
	*out = ns;
	return 0;
too_long:
	return err_set(e, "%s: duration out of range: \"%s\"", what, str);
}

int parse_bool(const char *what, const char *str, bool *out, struct err *e)
{
	static const char *const yes[] = { "1", "true", "t", "yes", "y", "on", "enable", "enabled" };
	static const char *const no[] = { "0", "false", "f", "no", "n", "off", "disable", "disabled" };
	for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
		if (strcasecmp(str, yes[i]) == 0)
			return *out = true, 0;
		if (strcasecmp(str, no[i]) == 0)
			return *out = false, 0;
	}
	return err_set(e, "%s: could not decipher boolean (%s)", what, str);
}
