/* SPDX-License-Identifier: BSD-2-Clause */
#include "web/pack.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#define ZLIB_CONST
#include <zlib.h>

#define GZIP 16 /* zlib's way to ask for that form */

void pack_base64(struct buf *to, const void *bytes, size_t n)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const uint8_t *p = bytes;

	if (!buf_reserve(to, n / 3 * 4 + 4))
		return;
	for (; n; p += MIN(n, (size_t)3), n -= MIN(n, (size_t)3)) {
		uint32_t v = (uint32_t)p[0] << 16 | (n > 1 ? (uint32_t)p[1] << 8 : 0) | (n > 2 ? p[2] : 0);
		char four[4] = { digits[v >> 18], digits[v >> 12 & 63], n > 1 ? digits[v >> 6 & 63] : '=', n > 2 ? digits[v & 63] : '=' };
		buf_add(to, four, sizeof four);
	}
}

struct pack {
	z_stream z;
	struct buf out;
	bool failed;
};

struct pack *pack_new(size_t limit)
{
	struct pack *p = calloc(1, sizeof *p);

	if (p && deflateInit2(&p->z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, MAX_WBITS + GZIP, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
		free(p);
		p = NULL;
	}
	if (p)
		buf_init(&p->out, limit);
	return p;
}

static void run(struct pack *p, int flush)
{
	uint8_t bytes[16384];

	do {
		p->z.next_out = bytes;
		p->z.avail_out = sizeof bytes;
		deflate(&p->z, flush);
		p->failed |= !buf_add(&p->out, bytes, sizeof bytes - p->z.avail_out);
	} while (!p->z.avail_out && !p->failed);
}

void pack_add(struct pack *p, const void *bytes, size_t n)
{
	const uint8_t *at = bytes;

	while (n && !p->failed) {
		p->z.next_in = at;
		p->z.avail_in = (uInt)MIN(n, (size_t)1 << 30);
		at += p->z.avail_in;
		n -= p->z.avail_in;
		run(p, Z_NO_FLUSH);
	}
}

bool pack_end(struct pack *p, struct buf *to)
{
	if (!p->failed)
		run(p, Z_FINISH);
	bool ok = !p->failed;
	if (ok)
		pack_base64(to, p->out.p, p->out.len);
	deflateEnd(&p->z);
	buf_free(&p->out);
	free(p);
	return ok;
}
