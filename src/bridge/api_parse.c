/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers, sizes and times for plug-ins: nbdkit-plugin(3), "Parsing numbers" and what follows; nbdkit_parse_delay(3),
 * nbdkit_parse_probability(3). */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/parse.h"
#include "nbdkit-plugin.h"

static int refuse(const char *what, const char *str, const char *why)
{
	nbdkit_error("%s: could not parse number: \"%s\": %s", what, str, why);
	errno = EINVAL;
	return -1;
}

/* Decimal, 0x hex or 0 octal, with blanks in front as strtol takes them. */
static int parse_signed(const char *what, const char *str, int64_t min, int64_t max, int64_t *out)
{
	char *end;
	errno = 0;
	long long n = strtoll(str, &end, 0);
	if (errno)
		return refuse(what, str, strerror(errno));
	if (end == str)
		return refuse(what, str, "empty string where we expected a number");
	if (*end)
		return refuse(what, str, "trailing garbage");
	if (n < min || n > max)
		return refuse(what, str, "out of range");
	*out = n;
	return 0;
}

static int parse_natural(const char *what, const char *str, uint64_t max, uint64_t *out)
{
	char *end;
	const char *s = str;
	while (isspace((unsigned char)*s))
		s++;
	if (*s == '-')
		return refuse(what, str, "negative numbers are not allowed");
	errno = 0;
	unsigned long long n = strtoull(s, &end, 0);
	if (errno)
		return refuse(what, str, strerror(errno));
	if (end == s)
		return refuse(what, str, "empty string where we expected a number");
	if (*end)
		return refuse(what, str, "trailing garbage");
	if (n > max)
		return refuse(what, str, "out of range");
	*out = n;
	return 0;
}

#define SIGNED(name, type, min, max)                                  \
	int name(const char *what, const char *str, type *r)          \
	{                                                             \
		int64_t n;                                            \
		if (parse_signed(what, str, min, max, &n) < 0)        \
			return -1;                                    \
		if (r)                                                \
			*r = (type)n;                                 \
		return 0;                                             \
	}
#define UNSIGNED(name, type, max)                                     \
	int name(const char *what, const char *str, type *r)          \
	{                                                             \
		uint64_t n;                                           \
		if (parse_natural(what, str, max, &n) < 0)            \
			return -1;                                    \
		if (r)                                                \
			*r = (type)n;                                 \
		return 0;                                             \
	}
SIGNED(nbdkit_parse_int, int, INT_MIN, INT_MAX)
SIGNED(nbdkit_parse_int8_t, int8_t, INT8_MIN, INT8_MAX)
SIGNED(nbdkit_parse_int16_t, int16_t, INT16_MIN, INT16_MAX)
SIGNED(nbdkit_parse_int32_t, int32_t, INT32_MIN, INT32_MAX)
SIGNED(nbdkit_parse_int64_t, int64_t, INT64_MIN, INT64_MAX)
UNSIGNED(nbdkit_parse_unsigned, unsigned, UINT_MAX)
UNSIGNED(nbdkit_parse_uint8_t, uint8_t, UINT8_MAX)
UNSIGNED(nbdkit_parse_uint16_t, uint16_t, UINT16_MAX)
UNSIGNED(nbdkit_parse_uint32_t, uint32_t, UINT32_MAX)
UNSIGNED(nbdkit_parse_uint64_t, uint64_t, UINT64_MAX)

/* Blanks and a sign may stand in front, as nbdkit has it; parse_size() is stricter. */
int64_t nbdkit_parse_size(const char *str)
{
	const char *digits = str + strspn(str, " \t\n\v\f\r");
	bool minus = *digits == '-';
	struct err e;
	uint64_t n;

	if ((minus || *digits == '+') && isdigit((unsigned char)digits[1]))
		digits++;
	if (parse_size("size", digits, &n, &e) == 0) {
		if (!minus || n == 0)
			return (int64_t)n;
		err_set(&e, "size: negative numbers are not allowed: \"%s\"", str);
	}
	nbdkit_error("%s", e.msg);
	errno = EINVAL;
	return -1;
}

int nbdkit_parse_bool(const char *str)
{
	struct err e;
	bool b;
	if (parse_bool("boolean", str, &b, &e) == 0)
		return b;
	nbdkit_error("could not decipher boolean (%s)", str);
	errno = EINVAL;
	return -1;
}

/* 0.1, 1e-1, 10%, 1:10 or 1/10: finite and not negative, but more than 1 is the caller's affair. */
int nbdkit_parse_probability(const char *what, const char *str, double *r)
{
	char *end;
	double d = strtod(str, &end), below = 1;
	bool ok = end != str;
	if (ok && *end == '%') {
		below = 100;
		end++;
	} else if (ok && (*end == ':' || *end == '/')) {
		const char *second = end + 1;
		below = strtod(second, &end);
		ok = end != second;
	}
	d /= below;
	if (!ok || *end || !isfinite(d) || signbit(d)) {
		nbdkit_error("%s: could not parse probability \"%s\": expected for example 0.5, 50%% or 1:2", what, str);
		errno = EINVAL;
		return -1;
	}
	if (r)
		*r = d;
	return 0;
}

int nbdkit_parse_delay(const char *what, const char *str, unsigned *sec, unsigned *nsec)
{
	struct err e;
	uint64_t ns = 0;
	int rc = parse_duration(what, str, &ns, &e);
	if (rc == 0 && ns / NS_PER_S > UINT_MAX)
		rc = err_set(&e, "%s: duration out of range: \"%s\"", what, str);
	if (rc < 0) {
		nbdkit_error("%s", e.msg);
		errno = EINVAL;
		return -1;
	}
	if (sec)
		*sec = (unsigned)(ns / NS_PER_S);
	if (nsec)
		*nsec = (unsigned)(ns % NS_PER_S);
	return 0;
}
