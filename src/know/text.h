/* SPDX-License-Identifier: BSD-2-Clause */
/* text: words put together in the room that there is, and bytes of disks made fit to be shown.  Pure functions. */
#pragma once
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include "base/util.h"

struct text {
	char *to;             /* room bytes, the caller's; a C string after each call */
	size_t room, at;      /* room > 0 */
};

void text_add(struct text *t, const char *fmt, ...) PRINTF_LIKE(2, 3); /* what does not fit is cut */
void text_quote(struct text *t, const char *s); /* UTF-8 that can be shown; other bytes as \xNN */
/* Bytes of the UTF-8 sequence at p that may be shown as it is; 0: none is there.  n: bytes there are. */
unsigned text_take(const uint8_t *p, size_t n);
