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

char *logline_dec(char *p, uint64_t n)
{
	char digits[2 * LOGLINE_DIGITS]; /* the latter half: so that as many bytes can be copied, whatever the number */
	int i = LOGLINE_DIGITS;
	for (; n >= 100; n /= 100)
		put_pair(digits + (i -= 2), n % 100);
	if (n >= 10)
		put_pair(digits + (i -= 2), n);
	else
		digits[--i] = (char)('0' + n);
	memcpy(p, digits + i, LOGLINE_DIGITS);
	return p + LOGLINE_DIGITS - i;
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
