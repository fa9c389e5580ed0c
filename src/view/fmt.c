/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "base/util.h"
#include "view/fmt.h"

/* n in units of 1 << shift with up to 3 decimals, zeroes at the end cut off. */
static int scaled(char *out, uint64_t n, unsigned shift, unsigned decimals)
{
	static const unsigned pow10[] = { 1, 10, 100, 1000 };
	uint64_t whole = n >> shift, rest = shift ? n & ((1ull << shift) - 1) : 0;
	/* 10 bits above the unit are enough for three decimals, and cannot overflow */
	uint64_t frac = shift > 20 ? (rest >> (shift - 20)) * pow10[decimals] >> 20 : rest * pow10[decimals] >> shift;
	int len = snprintf(out, FMT_ROOM, "%" PRIu64, whole);

	if (!frac)
		return len;
	len += snprintf(out + len, (size_t)(FMT_ROOM - len), ".%0*" PRIu64, (int)decimals, frac);
	while (out[len - 1] == '0')
		out[--len] = '\0';
	return len;
}

static unsigned unit_of(uint64_t bytes)
{
	unsigned u = 0;
	while (u < 6 && bytes >> (10 * (u + 1)))
		u++;
	return u;
}

const char *fmt_size(char *out, uint64_t bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	unsigned u = unit_of(bytes), decimals = bytes >> (10 * u) >= 100 ? 0 : bytes >> (10 * u) >= 10 ? 1 : 2;
	int len = scaled(out, bytes, 10 * u, decimals);
	snprintf(out + len, (size_t)(FMT_ROOM - len), " %s", units[u]);
	return out;
}

const char *fmt_short(char *out, uint64_t bytes)
{
	unsigned u = unit_of(bytes);
	int len = scaled(out, bytes, 10 * u, 2);
	if (u)
		snprintf(out + len, (size_t)(FMT_ROOM - len), "%c", " KMGTPE"[u]);
	return out;
}

const char *fmt_count(char *out, uint64_t n)
{
	char digits[24];
	int len = snprintf(digits, sizeof digits, "%" PRIu64, n), o = 0;

	for (int i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			out[o++] = ',';
		out[o++] = digits[i];
	}
	out[o] = '\0';
	return out;
}

static int hms(char *out, uint64_t s)
{
	unsigned sec = (unsigned)(s % 60), min = (unsigned)(s / 60 % 60000);

	if (s >= 3600)
		return snprintf(out, FMT_ROOM, "%" PRIu64 ":%02u:%02u", s / 3600, min % 60, sec);
	return snprintf(out, FMT_ROOM, "%u:%02u", min, sec);
}

const char *fmt_clock(char *out, uint64_t ns)
{
	int len = hms(out, ns / NS_PER_S);
	snprintf(out + len, (size_t)(FMT_ROOM - len), ".%03u", (unsigned)(ns / NS_PER_MS % 1000));
	return out;
}

const char *fmt_tick(char *out, uint64_t ns)
{
	int len = (int)strlen(fmt_clock(out, ns));
	while (out[len - 1] == '0')
		out[--len] = '\0';
	if (out[len - 1] == '.')
		out[--len] = '\0';
	return out;
}
