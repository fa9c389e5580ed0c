/* SPDX-License-Identifier: BSD-2-Clause */
#include "trace/logline.h"
#include <errno.h>
#include <stdio.h>

/* Two digits at a time: half the divisions. */
static const char pairs[201] =
	"0001020304050607080910111213141516171819202122232425262728293031323334353637383940414243444546474849"
	"5051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899";

static inline void put_pair(char *p, uint64_t n)
{
	memcpy(p, pairs + n * 2, 2);
}

/* How many digits n has. */
static inline int count_digits(uint64_t n)
{
	static const uint64_t tens[LOGLINE_DIGITS] = {
		0, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000, 10000000000, 100000000000,
		1000000000000, 10000000000000, 100000000000000, 1000000000000000, 10000000000000000, 100000000000000000,
		1000000000000000000, 10000000000000000000u,
	};
	int most = (64 - __builtin_clzll(n | 1)) * 1233 >> 12; /* 1233 / 4096 is log10(2) and a little more */
	return most + (n >= tens[most]);
}

/* Straight into its place: digits that are gathered elsewhere and then copied at once have to reach the cache first, behind all
 * that was stored before. */
char *logline_dec(char *p, uint64_t n)
{
	char *end = p + count_digits(n), *at = end;
	for (; n >= 100; n /= 100)
		put_pair(at -= 2, n % 100);
	if (n >= 10)
		put_pair(at - 2, n);
	else
		at[-1] = (char)('0' + n);
	return end;
}

char *logline_hex(char *p, uint64_t n)
{
	int digits = n ? (67 - __builtin_clzll(n)) / 4 : 1;
	*p++ = '0';
	*p++ = 'x';
	for (int i = digits - 1; i >= 0; i--, n >>= 4)
		p[i] = "0123456789abcdef"[n & 15];
	return p + digits;
}

char *logline_stamp(char *p, struct logstamp *cache, const struct timespec *now)
{
	if (now->tv_sec != cache->second || !cache->text[0]) {
		struct tm tm;
		gmtime_r(&now->tv_sec, &tm);
		strftime(cache->text, sizeof cache->text, "%Y-%m-%d %H:%M:%S.", &tm);
		cache->second = now->tv_sec;
	}
	memcpy(p, cache->text, LOGSTAMP_LEN - 6);
	uint32_t us = (uint32_t)(now->tv_nsec / 1000);
	put_pair(p + LOGSTAMP_LEN - 6, us / 10000);
	put_pair(p + LOGSTAMP_LEN - 4, us / 100 % 100);
	put_pair(p + LOGSTAMP_LEN - 2, us % 100);
	return p + LOGSTAMP_LEN;
}

const char *logline_error(int err)
{
	switch (err) {
	case EROFS:
	case EPERM:
		return "EPERM";
	case EIO:
		return "EIO";
	case ENOMEM:
		return "ENOMEM";
	case EFBIG:
	case EDQUOT:
	case ENOSPC:
		return "ENOSPC";
	case ESHUTDOWN:
		return "ESHUTDOWN";
	case EOPNOTSUPP:
		return "ENOTSUP";
	case EOVERFLOW:
		return "EOVERFLOW";
	default:
		return "EINVAL";
	}
}
