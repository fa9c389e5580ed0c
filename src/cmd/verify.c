/* SPDX-License-Identifier: BSD-2-Clause */
#include "cmd/verify.h"
#include <string.h>
#include "base/sparse.h"
#include "base/util.h"

enum { SECTOR = 512, MANY = 4096 };

bool verify_init(struct verify *v, uint64_t size)
{
	size -= size % SECTOR;
	*v = (struct verify){ .size = size, .bytes = sparse_new(size), .known = sparse_new(size / SECTOR) };
	return v->bytes && v->known;
}

void verify_free(struct verify *v)
{
	sparse_free(v->bytes);
	sparse_free(v->known);
	*v = (struct verify){ 0 };
}

/* Cut to the disk. */
static uint64_t cut(const struct verify *v, uint64_t off, uint64_t len)
{
	return off >= v->size ? 0 : MIN(len, v->size - off);
}

/* Whole sectors of [off, off + len), or with touched all that it touches. */
static bool set_known(struct verify *v, uint64_t off, uint64_t len, bool touched, uint8_t how)
{
	uint8_t marks[MANY];
	uint64_t first = touched ? off / SECTOR : (off + SECTOR - 1) / SECTOR;
	uint64_t end = touched ? (off + len + SECTOR - 1) / SECTOR : (off + len) / SECTOR;

	memset(marks, how, sizeof marks);
	if (first < end && !how) {
		sparse_zero(v->known, first, end - first);
		return true;
	}
	for (uint64_t n; first < end; first += n)
		if (sparse_write(v->known, first, n = MIN(end - first, (uint64_t)sizeof marks), marks))
			return false;
	return true;
}

bool verify_put(struct verify *v, uint64_t off, uint64_t len, const uint8_t *data, bool known)
{
	len = cut(v, off, len);
	if (!len)
		return true;
	if (!known)
		return set_known(v, off, len, true, 0);
	if (data && sparse_write(v->bytes, off, len, data))
		return false;
	if (!data)
		sparse_zero(v->bytes, off, len);
	return set_known(v, off, len, false, 1); /* a sector that was written in part is as known as it was */
}

void verify_look(struct verify *v, uint64_t off, uint64_t len, const uint8_t *data)
{
	uint8_t want[SECTOR], known;

	len = cut(v, off, len);
	for (uint64_t part; len; off += part, len -= part, data += part) {
		part = MIN(len, SECTOR - off % SECTOR);
		sparse_read(v->known, off / SECTOR, 1, &known);
		if (!known) {
			v->unknown++;
			continue;
		}
		sparse_read(v->bytes, off, part, want);
		if (memcmp(want, data, part) == 0) {
			v->good++;
		} else {
			v->first_bad = v->bad++ ? v->first_bad : off;
		}
	}
}
