/* SPDX-License-Identifier: BSD-2-Clause */
/* utf8: characters of UTF-8 (RFC 3629: shortest form, no surrogates, nothing beyond U+10FFFF).  Pure functions, any thread. */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* Bytes of the character at p, of left bytes, which are 1 or more; 0: it is none. */
static inline unsigned utf8_len(const void *text, size_t left)
{
	const uint8_t *p = text;
	unsigned n = *p < 0x80 ? 1 : *p >= 0xc2 && *p < 0xe0 ? 2 : (*p & 0xf0) == 0xe0 ? 3 : *p >= 0xf0 && *p < 0xf5 ? 4 : 0;

	if (n > left)
		return 0;
	for (unsigned i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] > 0x9f) || (*p == 0xf0 && p[1] < 0x90) || (*p == 0xf4 && p[1] > 0x8f))
		return 0;
	return n;
}

/* The code point of a character of n bytes, as utf8_len() has it. */
static inline uint32_t utf8_get(const void *text, unsigned n)
{
	const uint8_t *p = text;
	uint32_t c = n == 1 ? *p : *p & (0x7fu >> n);

	for (unsigned i = 1; i < n; i++)
		c = c << 6 | (p[i] & 0x3f);
	return c;
}

/* Code point c, not beyond U+10FFFF; returns its bytes. */
static inline unsigned utf8_put(char to[4], uint32_t c)
{
	if (c < 0x80)
		return (unsigned)(to[0] = (char)c, 1);
	unsigned len = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	for (unsigned i = len; --i; c >>= 6)
		to[i] = (char)(0x80 | (c & 0x3f));
	to[0] = (char)(0xf00 >> len | c);
	return len;
}
