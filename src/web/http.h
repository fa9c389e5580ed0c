/* SPDX-License-Identifier: BSD-2-Clause */
/* http: a session for browsers: an address with a token, the files of the page, and the session's answers.
 *
 * Whoever knows the address may ask; so it has 128 random bits.  A connection has a thread of its own and at most HTTP_CONNECTIONS are
 * served at once; one that sends no whole request, or does not take its answer, is closed in bounded time. */
#pragma once
#include "web/session.h"

#define HTTP_CONNECTIONS 64u
#define HTTP_BODY_MAX 65536u /* bytes of a POST */
#define HTTP_ADDRESS_MAX 512u

struct http;

/* where: ADDR:PORT, ADDR, :PORT or ""; the default is 127.0.0.1 and any free port.  The session is borrowed.  NULL with e set. */
struct http *http_start(struct session *s, const char *where, struct err *e);
/* "http://127.0.0.1:41234/TOKEN/" */
const char *http_address(const struct http *h);
/* Returns when no thread of it asks the session any more.  NULL is fine. */
void http_stop(struct http *h);
