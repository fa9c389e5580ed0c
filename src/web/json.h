/* SPDX-License-Identifier: BSD-2-Clause */
/* json: text into JSON.  Pure functions, any thread.  Whoever fills a buf looks at its limit. */
#pragma once
#include "base/buf.h"

/* A string in quotes; bytes that are not UTF-8 become U+FFFD, and "</" is never in it (a page holds it in a script). */
void json_bytes(struct buf *b, const char *text, size_t n);
void json_string(struct buf *b, const char *text);
