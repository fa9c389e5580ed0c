/* SPDX-License-Identifier: BSD-2-Clause */
/* logline: the bytes of a line of nbdkit's log, formatted by hand, for each request costs two.
 * The format is that of nbdkit-log-filter(1).  Each put returns the address behind what it wrote;
 * the caller has the room: LOGLINE_MAX holds any line made of numbers.  Pure functions, any thread. */
#pragma once
#include <stdint.h>
#include <string.h>
#include <time.h>

enum {
	LOGLINE_MAX = 512,
	LOGSTAMP_LEN = 26, /* "2026-08-06 02:07:23.080415" */
	LOGLINE_DIGITS = 20, /* of 2^64-1 */
};

/* The date changes once a second, the microseconds always. */
struct logstamp {
	time_t second;
	char text[32]; /* valid for second */
};

/* LOGSTAMP_LEN bytes, UTC. */
char *logline_stamp(char *p, struct logstamp *cache, const struct timespec *now);
char *logline_dec(char *p, uint64_t n);
char *logline_hex(char *p, uint64_t n); /* with 0x */
/* "EIO" ...: one of the eight that the protocol has; EINVAL for the rest. */
const char *logline_error(int err);

static inline char *logline_text(char *p, const char *text)
{
	size_t n = strlen(text);
	memcpy(p, text, n);
	return p + n;
}
