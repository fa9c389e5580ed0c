/* SPDX-License-Identifier: BSD-2-Clause */
#include "trace/logline.h"
#include <errno.h>
#include <stdio.h>

char *logline_dec(char *p, uint64_t n)
{
	char digits[20];
	int i = sizeof digits;
	do
		digits[--i] = (char)('0' + n % 10);
	while (n /= 10);
	memcpy(p, digits + i, sizeof digits - (size_t)i);
	return p + (sizeof digits - (size_t)i);
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
	for (int i = LOGSTAMP_LEN - 1; i >= LOGSTAMP_LEN - 6; i--, us /= 10)
		p[i] = (char)('0' + us % 10);
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
