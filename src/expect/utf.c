/* SPDX-License-Identifier: BSD-2-Clause */
/* Where characters of UTF-8 begin and end.  Broken ones may be anywhere: nothing goes further than a good one could. */
#include "expect/private.h"

static bool goes_on(char byte)
{
	return ((unsigned char)byte & 0xc0) == 0x80;
}

size_t mx_char_start(const char *text, size_t at)
{
	for (int i = 0; i < 3 && at > 0 && goes_on(text[at]); i++)
		at--;
	return at;
}

size_t mx_char_next(const char *text, size_t at, size_t len)
{
	while (at < len && goes_on(text[at]))
		at++;
	return at;
}

size_t mx_char_unfinished(const char *text, size_t len)
{
	for (size_t n = 1; n <= 3 && n <= len; n++) {
		unsigned char c = (unsigned char)text[len - n];
		if (goes_on(text[len - n]))
			continue;
		return (c >= 0xf0 && c < 0xf5) || (c >= 0xe0 && c < 0xf0 && n < 3) || (c >= 0xc2 && c < 0xe0 && n < 2) ? n : 0;
	}
	return 0;
}
