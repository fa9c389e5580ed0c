/* SPDX-License-Identifier: BSD-2-Clause */
/* Text as it stands on disks, made fit to be shown. */
#include "know/text.h"
#include <stdio.h>
#include <string.h>
#include "base/utf8.h"
#include "know/build.h"

/* Code points that move the cursor, turn the direction of writing or do not exist. */
static bool shown(uint32_t c)
{
	return c >= 0x20 && (c < 0x7f || c > 0x9f) && (c < 0x200b || c > 0x200f) && (c < 0x2028 || c > 0x202e) &&
		(c < 0x2060 || c > 0x206f) && (c < 0xd800 || c > 0xdfff) && c != 0xfeff && c < 0x110000;
}

unsigned text_take(const uint8_t *p, size_t n)
{
	unsigned len = n ? utf8_len(p, n) : 0;
	return len && shown(utf8_get(p, len)) ? len : 0;
}

void know_text(char *to, size_t room, const void *from, size_t len, bool utf16)
{
	const uint8_t *p = from;
	size_t at = 0;

	for (size_t i = 0; i + utf16 < len;) {
		char one[4] = { '?' };
		unsigned n = 1, step = 1;
		if (utf16) {
			uint32_t c = p[i] | (uint32_t)p[i + 1] << 8;
			step = 2;
			if (!c)
				break;
			if (c >= 0xd800 && c < 0xdc00 && i + 3 < len && (p[i + 3] & 0xfc) == 0xdc) {
				c = 0x10000 + ((c & 0x3ff) << 10 | (p[i + 3] & 3u) << 8 | p[i + 2]);
				step = 4;
			}
			n = shown(c) ? utf8_put(one, c) : 1;
		} else if (!p[i]) {
			break;
		} else if ((step = text_take(p + i, len - i))) {
			memcpy(one, p + i, n = step);
		} else {
			step = 1;
		}
		if (at + n >= room)
			break;
		memcpy(to + at, one, n);
		at += n;
		i += step;
	}
	while (at && to[at - 1] == ' ')
		at--;
	to[at] = '\0';
}

void know_uuid(char to[40], const uint8_t id[16], bool mixed_endian)
{
	static const uint8_t mixed[16] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };
	char *p = to;

	for (unsigned i = 0; i < 16; i++)
		p += snprintf(p, 4, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", id[mixed_endian ? mixed[i] : i]);
}

void text_quote(struct text *t, const char *s)
{
	const uint8_t *p = (const uint8_t *)s;
	size_t n = strlen(s);

	while (n) {
		unsigned len = text_take(p, n);
		if (len && *p != '\\')
			text_add(t, "%.*s", (int)len, (const char *)p);
		else
			text_add(t, len ? "\\\\" : "\\x%02x", *p);
		len = len ? len : 1;
		p += len;
		n -= len;
	}
}

void text_add(struct text *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(t->to + t->at, t->room - t->at, fmt, ap);
	va_end(ap);
	t->at = n < 0 ? t->at : t->at + (size_t)n < t->room ? t->at + (size_t)n : t->room - 1;
}
