/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/json.h"
#include <string.h>
#include "base/utf8.h"

static void put_char(struct buf *b, const char *p, unsigned len)
{
	unsigned char c = (unsigned char)*p;

	if (len == 1 && (c == '"' || c == '\\'))
		buf_printf(b, "\\%c", c);
	else if (len == 1 && (c < 0x20 || c == 0x7f || c == '<'))
		buf_printf(b, "\\u%04x", c);
	else if (len == 2 && c == 0xc2 && (unsigned char)p[1] < 0xa0) /* C1: they steer terminals, too */
		buf_printf(b, "\\u%04x", (unsigned char)p[1]);
	else
		buf_add(b, p, len);
}

bool json_bytes(struct buf *b, const char *text, size_t n)
{
	buf_add(b, "\"", 1);
	for (size_t i = 0; i < n;) {
		unsigned len = utf8_len(text + i, n - i);
		if (len)
			put_char(b, text + i, len);
		else
			buf_add(b, "\\ufffd", 6);
		i += MAX(len, 1u);
	}
	return buf_add(b, "\"", 1);
}

bool json_string(struct buf *b, const char *text)
{
	return json_bytes(b, text, strlen(text));
}
