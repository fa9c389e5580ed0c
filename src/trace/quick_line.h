/* SPDX-License-Identifier: BSD-2-Clause */
/* quick_line: nearly all lines of a log have one of two shapes, and need no parser:
 *
 *     STAMP connection=N Read id=N offset=0xN count=0xN ...      with fua=N and the like before the dots
 *     STAMP connection=N ...Read id=N return=0
 *
 * in a second that the line before was in as well.  What is said of them here is exactly what
 * log_parse_line() says; all other lines, and all that are odd in any way, are left to it.
 * No I/O; one thread at a time.  Only read_log.c, and what tests it, include this. */
#pragma once
#include "trace/read_log.h"

/* One line with a newline at p[n].  True: *ev is what it says; false: ask log_parse_line(). */
bool quick_line(const struct log_reader *r, const char *p, size_t n, struct event *ev);

/* Six digits as a number, from the eight bytes of ".dddddd "; false when they are anything else. */
bool quick_micros(const char *p, uint32_t *us);

extern const uint8_t log_digit_of[256]; /* a hex digit's value and one; 0: no digit */
