/* SPDX-License-Identifier: BSD-2-Clause */
/* Bytes in debug messages: nbdkit_debug_hexdump(3), nbdkit_debug_hexdiff(3).  A row holds 16 bytes from a multiple of
 * 16 on; where the bytes begin or end in between it is blank. */
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>
#include "base/say.h"
#include "nbdkit-plugin.h"

enum { ROW = 16 };

/* The part of the bytes that one row shows. */
struct part {
	const uint8_t *p;     /* n of them */
	const uint8_t *other; /* bytes that are equal to these are left blank; or NULL */
	size_t n;
	unsigned skip;        /* columns in front */
	uint64_t at;          /* where the row begins */
};

static void show(const char *prefix, const char *mark, const struct part *r)
{
	static const char digits[] = "0123456789abcdef";
	char hex[3 * ROW + 2], text[ROW + 1];

	memset(hex, ' ', sizeof hex - 1);
	memset(text, ' ', ROW);
	hex[sizeof hex - 1] = text[ROW] = '\0';
	for (size_t i = 0; i < r->n; i++) {
		uint8_t c = r->p[i];
		size_t column = i + r->skip;
		char *h = hex + 3 * column + (column >= ROW / 2); /* a gap in the middle */
		if (r->other && r->other[i] == c)
			continue;
		h[0] = digits[c >> 4];
		h[1] = digits[c & 15];
		text[column] = c >= ' ' && c <= '~' ? (char)c : '.';
	}
	nbdkit_debug("%s%s%08" PRIx64 ": %s |%s|", prefix ? prefix : "", mark, r->at, hex, text);
}

static struct part part_at(const void *buf, size_t len, uint64_t start, size_t done)
{
	unsigned skip = (unsigned)((start + done) % ROW);
	return (struct part){ .p = (const uint8_t *)buf + done, .n = MIN((size_t)ROW - skip, len - done), .skip = skip,
			      .at = start + done - skip };
}

void nbdkit_debug_hexdump(const void *buf, size_t len, const char *prefix, uint64_t start)
{
	for (size_t done = 0; say_verbose && done < len;) {
		struct part r = part_at(buf, len, start, done);
		show(prefix, "", &r);
		done += r.n;
	}
}

/* A row that differs is shown twice: as it is in the first buffer, and what is different in the second. */
void nbdkit_debug_hexdiff(const void *buf1, const void *buf2, size_t len, const char *prefix, uint64_t start)
{
	for (size_t done = 0; say_verbose && done < len;) {
		struct part a = part_at(buf1, len, start, done), b = part_at(buf2, len, start, done);
		bool same = memcmp(a.p, b.p, a.n) == 0;
		show(prefix, same ? " " : "-", &a);
		b.other = a.p;
		if (!same)
			show(prefix, "+", &b);
		done += a.n;
	}
}
