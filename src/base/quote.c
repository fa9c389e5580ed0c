/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/quote.h"
#include <string.h>

/* What bash leaves alone outside quotes, as nbdkit sees it. */
static bool shell_plain(const char *s)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=,:/.";
	return *s && s[strspn(s, plain)] == '\0';
}

bool quote_shell(struct buf *b, const char *str)
{
	if (shell_plain(str))
		return buf_add(b, str, strlen(str));
	bool ok = buf_add(b, "\"", 1);
	for (const char *s = str; ok && *s; s++) {
		if (strchr("$`\\\"", *s))
			ok = buf_add(b, "\\", 1);
		ok = ok && buf_add(b, s, 1);
	}
	return ok && buf_add(b, "\"", 1);
}

bool quote_uri(struct buf *b, const char *str, bool slash_ok)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~";
	for (const unsigned char *s = (const unsigned char *)str; *s; s++) {
		bool as_is = strchr(plain, *s) || (slash_ok && *s == '/');
		if (as_is ? !buf_add(b, s, 1) : !buf_printf(b, "%%%02X", *s))
			return false;
	}
	return true;
}
