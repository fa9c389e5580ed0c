/* SPDX-License-Identifier: BSD-2-Clause */
#include "web/json_in.h"
#include <string.h>

static void blanks(struct json_in *j)
{
	while (j->p < j->end && (*j->p == ' ' || *j->p == '\t' || *j->p == '\n' || *j->p == '\r'))
		j->p++;
}

/* The next character, when it is c. */
static bool take(struct json_in *j, char c)
{
	blanks(j);
	if (j->bad || j->p == j->end || *j->p != c)
		return false;
	j->p++;
	return true;
}

static bool fail(struct json_in *j)
{
	j->bad = true;
	return false;
}

/* At the beginning the opening bracket, later a comma; false: it closes, or is bad. */
static bool next(struct json_in *j, bool *first, char open, char close)
{
	bool is_first = *first;

	*first = false;
	if (is_first && !take(j, open))
		return fail(j);
	if (take(j, close))
		return false;
	return is_first || take(j, ',') ? !j->bad : fail(j);
}

bool json_member(struct json_in *j, bool *first, char *key, size_t room)
{
	if (!next(j, first, '{', '}'))
		return false;
	json_text(j, key, room);
	return take(j, ':') || fail(j);
}

bool json_element(struct json_in *j, bool *first)
{
	return next(j, first, '[', ']');
}

/* ---- values ---- */

static unsigned hex4(struct json_in *j)
{
	unsigned n = 0;

	for (int i = 0; i < 4; i++, j->p++) {
		static const char digits[] = "0123456789abcdefABCDEF";
		const char *d = j->p < j->end && *j->p ? strchr(digits, *j->p) : NULL;
		if (!d) {
			fail(j);
			return 0;
		}
		unsigned digit = (unsigned)(d - digits);
		n = n << 4 | (digit < 16 ? digit : digit - 6);
	}
	return n;
}

static size_t put_utf8(char *to, unsigned c)
{
	if (c < 0x80) {
		to[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		to[0] = (char)(0xc0 | c >> 6);
		to[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		to[0] = (char)(0xe0 | c >> 12);
		to[1] = (char)(0x80 | (c >> 6 & 0x3f));
		to[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	to[0] = (char)(0xf0 | c >> 18);
	to[1] = (char)(0x80 | (c >> 12 & 0x3f));
	to[2] = (char)(0x80 | (c >> 6 & 0x3f));
	to[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

/* Behind \u; pairs of surrogates are one character. */
static size_t unicode(struct json_in *j, char *to)
{
	unsigned c = hex4(j);

	if (c >= 0xd800 && c < 0xdc00) {
		bool pair = j->end - j->p >= 2 && j->p[0] == '\\' && j->p[1] == 'u';
		j->p += pair ? 2 : 0;
		unsigned low = pair ? hex4(j) : 0;
		if (low < 0xdc00 || low > 0xdfff) {
			fail(j);
			return 0;
		}
		c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
	} else if (!c || (c >= 0xdc00 && c < 0xe000)) {
		fail(j);
		return 0;
	}
	return put_utf8(to, c);
}

/* One character, at most 4 bytes. */
static size_t character(struct json_in *j, char *to)
{
	static const char names[] = "\"\\/bfnrt", means[] = "\"\\/\b\f\n\r\t";
	char c = *j->p++;

	if ((unsigned char)c < 0x20) {
		fail(j);
		return 0;
	}
	if (c != '\\') {
		*to = c;
		return 1;
	}
	c = j->p < j->end ? *j->p++ : '\0';
	if (c == 'u')
		return unicode(j, to);
	const char *n = c ? strchr(names, c) : NULL;
	if (!n) {
		fail(j);
		return 0;
	}
	*to = means[n - names];
	return 1;
}

void json_text(struct json_in *j, char *to, size_t room)
{
	size_t n = 0;

	*to = '\0';
	if (!take(j, '"'))
		fail(j);
	while (!j->bad && j->p < j->end && *j->p != '"') {
		char c[4];
		size_t len = character(j, c);
		if (n + len >= room)
			fail(j);
		else
			memcpy(to + n, c, len);
		n += len;
	}
	if (!take(j, '"'))
		fail(j);
	to[j->bad ? 0 : n] = '\0';
}

uint64_t json_number(struct json_in *j)
{
	uint64_t n = 0;
	const char *from;

	blanks(j);
	for (from = j->p; j->p < j->end && *j->p >= '0' && *j->p <= '9'; j->p++)
		if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, *j->p - '0', &n))
			fail(j);
	if (j->p == from)
		fail(j);
	return j->bad ? 0 : n;
}

bool json_over(struct json_in *j)
{
	blanks(j);
	return !j->bad && j->p == j->end;
}
