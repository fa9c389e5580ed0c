/* SPDX-License-Identifier: BSD-2-Clause */
/* json: text into JSON (RFC 8259).  Pure functions, any thread.
 * They say whether the end of it had room: after an append that failed, look at the next one's answer. */
#pragma once
#include "base/buf.h"

/* A string in quotes; text may be NULL when n is 0.  Each byte that is not UTF-8 becomes U+FFFD; control characters and '<' are escaped,
 * so that it does nothing to a terminal, and in a script of a page does not end it. */
bool json_bytes(struct buf *b, const char *text, size_t n);
bool json_string(struct buf *b, const char *text);
