/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>
#include "unit/test.h"
#include "wire/nbd.h"

TEST(strings_are_utf8_without_nul_and_not_too_long)
{
	static const char *const good[] = {
		"", "disk", "\x7f", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbf",
		"\xf0\x90\x80\x80",
		"\xf4\x8f\xbf\xbf", "\u221a\u00e9",
	};
	static const char *const bad[] = {
		"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2z", "\xe0\x80\x80", "\xe0\x9f\xbf", "\xe2\x88", "\xe2\x88z",
		"\xed\xa0\x80", "\xed\xbf\xbf", "\xf0\x80\x80\x80", "\xf0\x8f\xbf\xbf", "\xf0\x90\x80", "\xf4\x90\x80\x80",
		"\xf5\x80\x80\x80",
		"\xff", "odd\xff\xfe", "\xc3\xa9\xc3",
	};
	static char text[NBD_MAX_STRING + 1];

	for (unsigned i = 0; i < ARRAY_LEN(good); i++)
		CHECK(nbd_is_string(good[i], strlen(good[i])));
	for (unsigned i = 0; i < ARRAY_LEN(bad); i++)
		CHECK(!nbd_is_string(bad[i], strlen(bad[i])));
	CHECK(!nbd_is_string("a\0b", 3));
	memset(text, 'n', sizeof text);
	CHECK(nbd_is_string(text, NBD_MAX_STRING));
	CHECK(!nbd_is_string(text, NBD_MAX_STRING + 1));
}
