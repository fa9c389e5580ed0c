/* SPDX-License-Identifier: BSD-2-Clause */
/* buf: bytes that grow up to a limit set when they are made.
 * No input can grow one without bound: past the limit an append fails, and the
 * buffer stays as it was.  Zeroed memory with a limit is a valid empty buffer.
 * Owned by whoever holds the struct; one thread at a time. */
#pragma once
#include <stdbool.h>
#include <stdarg.h>
#include "base/util.h"

struct buf {
	char *p;      /* len bytes, ours; NULL while empty */
	size_t len;   /* bytes in use */
	size_t room;  /* bytes allocated */
	size_t limit; /* bytes never exceeded */
};

void buf_init(struct buf *b, size_t limit);
void buf_free(struct buf *b); /* b is empty again, with its limit */

/* Room for n more bytes at b->p + b->len; false over the limit or out of memory. */
bool buf_grow(struct buf *b, size_t n); /* when there is none yet */
static inline bool buf_reserve(struct buf *b, size_t n) { return n <= b->room - b->len || buf_grow(b, n); }
static inline void buf_swap(struct buf *a, struct buf *b)
{
	struct buf t = *a;
	*a = *b;
	*b = t;
}
bool buf_add(struct buf *b, const void *p, size_t n);
bool buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
bool buf_vprintf(struct buf *b, const char *fmt, va_list ap) PRINTF_LIKE(2, 0);
/* The text so far as a C string (a NUL behind len); "" when nothing could be had. */
const char *buf_str(struct buf *b);
