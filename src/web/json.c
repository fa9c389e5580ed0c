/* SPDX-License-Identifier: BSD-2-Clause */
#include "web/json.h"
#include <stdint.h>
#include <string.h>

/* Bytes of the UTF-8 character at p (RFC 3629: shortest form, no surrogates); 0: it is none. */
static size_t utf8_length(const unsigned char *p, size_t left)
{
	static const struct {
		unsigned char first, last, low, high; /* of the first byte, of the second */
		size_t length;
	} forms[] = {
		{ 0x00, 0x7f, 0, 0, 1 }, { 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 }, { 0xe1, 0xec, 0x80, 0xbf, 3 },
		{ 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 }, { 0xf0, 0xf0, 0x90, 0xbf, 4 }, { 0xf1, 0xf3, 0x80, 0xbf, 4 },
		{ 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};

	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		if (*p < forms[i].first || *p > forms[i].last)
			continue;
		size_t n = forms[i].length;
		if (n > left || (n > 1 && (p[1] < forms[i].low || p[1] > forms[i].high)))
			return 0;
		for (size_t j = 2; j < n; j++)
			if ((p[j] & 0xc0) != 0x80)
				return 0;
		return n;
	}
	return 0;
}

void json_bytes(struct buf *b, const char *text, size_t n)
{
	const unsigned char *p = (const unsigned char *)text, *end = p + n;

	buf_add(b, "\"", 1);
	while (p < end) {
		size_t len = utf8_length(p, (size_t)(end - p));
		if (!len)
			buf_add(b, "\\ufffd", 6);
		else if (*p < 0x20 || *p == 0x7f || *p == '"' || *p == '\\' || *p == '<')
			buf_printf(b, "\\u%04x", *p);
		else
			buf_add(b, p, len);
		p += len ? len : 1;
	}
	buf_add(b, "\"", 1);
}

void json_string(struct buf *b, const char *text)
{
	json_bytes(b, text, strlen(text));
}
