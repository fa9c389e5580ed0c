/* SPDX-License-Identifier: BSD-2-Clause */
#include "filters/recstore.h"
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

enum {
	CHUNK = 256 << 10,    /* bytes of a DATA chunk: a reader unpacks them all to read one block */
	KNOWN = 1 << 18,      /* blocks remembered: 1 GiB of them, in 6 MiB */
};

struct recstore_block {
	uint64_t hash[2];
	uint64_t addr;
};

int recstore_start(struct recstore *s, struct recfile *f, struct err *e)
{
	*s = (struct recstore){ .file = f };
	buf_init(&s->raw, REC_BODY_MAX);
	if (getrandom(&s->secret, sizeof s->secret, GRND_NONBLOCK) != sizeof s->secret)
		s->secret = monotonic_ns() ^ (uintptr_t)s; /* early in the boot of a machine */
	if (f->data == REC_DATA_YES && !(s->known = calloc(KNOWN, sizeof *s->known)))
		return err_set(e, "record: out of memory");
	return 0;
}

void recstore_stop(struct recstore *s)
{
	free(s->known);
	buf_free(&s->raw);
}

bool recstore_flush(struct recstore *s)
{
	if (!s->raw.len)
		return true;
	struct rec_head h = { .kind = REC_DATA, .raw = (uint32_t)s->raw.len, .first = s->addr - s->raw.len, .count = s->raw.len,
			      .time = monotonic_ns() };
	bool ok = recfile_append(s->file, &h, s->raw.p, true);
	s->raw.len = 0;
	return ok;
}

static bool all_zero(const uint8_t *p, size_t n)
{
	return !*p && memcmp(p, p + 1, n - 1) == 0;
}

/* Where these bytes lie, stored now if need be. */
static bool place(struct recstore *s, const uint8_t *p, size_t n, uint64_t *addr)
{
	struct recstore_block *known = NULL;

	if (all_zero(p, n)) {
		*addr = REC_ZEROES;
		return true;
	}
	if (n == REC_BLOCK) {
		XXH128_hash_t h = XXH3_128bits_withSeed(p, n, s->secret);
		known = &s->known[h.low64 % KNOWN];
		if (known->hash[0] == h.low64 && known->hash[1] == h.high64) {
			*addr = known->addr;
			return true;
		}
		*known = (struct recstore_block){ { h.low64, h.high64 }, s->addr };
	}
	if (s->raw.len + n > CHUNK && !recstore_flush(s))
		return false;
	if (!buf_add(&s->raw, p, n)) {
		if (known)
			*known = (struct recstore_block){ 0 };
		return false;
	}
	*addr = s->addr;
	s->addr += n;
	s->stored += n;
	return true;
}

static bool follows(const struct rec_run *last, uint64_t addr)
{
	return addr == REC_ZEROES || last->addr == REC_ZEROES ? last->addr == addr : last->addr + last->len == addr;
}

static bool hash_blocks(struct rec_open *o, const uint8_t *data)
{
	uint64_t off = o->event.off, left = o->event.len;
	uint64_t blocks = (off + left - 1) / REC_BLOCK - off / REC_BLOCK + 1;
	uint8_t *to = o->hashes = malloc(blocks * REC_HASH_SIZE);
	if (!to || !(o->runs = malloc(sizeof *o->runs)))
		return false;
	o->runs[0] = (struct rec_run){ .off = off, .len = left, .hashes = to };
	o->count = 1;
	for (uint64_t n; left; off += n, left -= n, data += n, to += REC_HASH_SIZE) {
		n = MIN(left, REC_BLOCK - off % REC_BLOCK);
		XXH128_canonicalFromHash((XXH128_canonical_t *)(void *)to, XXH3_128bits(data, n));
	}
	return true;
}

bool recstore_add(struct recstore *s, struct rec_open *o, const uint8_t *data)
{
	uint64_t off = o->event.off, left = o->event.len;
	size_t room = 0;

	s->written += left;
	if (s->file->data == REC_DATA_HASH)
		return hash_blocks(o, data);
	for (uint64_t n, addr; left; off += n, left -= n, data += n) {
		n = MIN(left, REC_BLOCK - off % REC_BLOCK);
		if (!place(s, data, n, &addr))
			return false;
		if (o->count && follows(&o->runs[o->count - 1], addr)) {
			o->runs[o->count - 1].len += n;
			continue;
		}
		if (o->count == room) {
			struct rec_run *more = reallocarray(o->runs, room = room ? 2 * room : 1, sizeof *more);
			if (!more)
				return false;
			o->runs = more;
		}
		o->runs[o->count++] = (struct rec_run){ .off = off, .len = n, .addr = addr };
	}
	return true;
}
