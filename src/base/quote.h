/* SPDX-License-Identifier: BSD-2-Clause */
/* quote: text made safe for a shell, a URI, a line of a log.
 * Each appends to b and returns false when b is full.  Pure functions, any thread. */
#pragma once
#include "base/buf.h"

/* One shell word that means exactly str; in double quotes when it needs any
 * ("" for the empty string), as nbdkit's log does. */
bool quote_shell(struct buf *b, const char *str);
/* Percent-encoding: all but RFC 3986 unreserved characters (and '/' when slash_ok). */
bool quote_uri(struct buf *b, const char *str, bool slash_ok);
