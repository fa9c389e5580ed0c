/* SPDX-License-Identifier: BSD-2-Clause */
#include "filters/recstore.h"
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include "filters/rechash.h"

enum {
	CHUNK = 256 << 10,    /* bytes of a DATA chunk: a reader unpacks them all to read one block */
	KNOWN = 1 << 18,      /* blocks remembered: 1 GiB of them, in 6 MiB */
};

/* Written by the one that stores, read by those that prepare.  A place changes before what stands there and after: as no address
 * comes twice, whoever finds the same one before and after has read hashes that belong to it. */
struct recstore_block {
	_Atomic uint64_t hash[2];
	_Atomic uint64_t place; /* address + 1; 0: none, or it is being changed */
};

/* A piece on its way; when addr is HERE its bytes follow. */
struct piece {
	uint64_t hash[2];       /* of a whole block */
	uint64_t addr;
};
#define HERE (REC_ZEROES - 1)

int recstore_start(struct recstore *s, struct recfile *f, struct err *e)
{
	*s = (struct recstore){ .file = f, .hash = rechash_best() };
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
	for (size_t i = 0; !ok && s->known && i < KNOWN; i++) /* what is not in the file cannot be pointed at */
		atomic_store_explicit(&s->known[i].place, 0, memory_order_relaxed);
	s->raw.len = 0;
	return ok;
}

static bool all_zero(const uint8_t *p, size_t n)
{
	return !*p && memcmp(p, p + 1, n - 1) == 0;
}

static uint64_t pieces(const struct rec_event *e)
{
	return e->len ? (e->off + e->len - 1) / REC_BLOCK - e->off / REC_BLOCK + 1 : 0;
}

/* --- any thread --- */

/* Where a block of this hash lies, or HERE. */
static uint64_t find(const struct recstore *s, const uint64_t hash[2])
{
	struct recstore_block *k = &s->known[hash[0] % KNOWN];
	uint64_t place = atomic_load_explicit(&k->place, memory_order_acquire);
	bool same = place && atomic_load_explicit(&k->hash[0], memory_order_acquire) == hash[0]
		    && atomic_load_explicit(&k->hash[1], memory_order_acquire) == hash[1]
		    && atomic_load_explicit(&k->place, memory_order_relaxed) == place;
	return same ? place - 1 : HERE;
}

static struct piece look(const struct recstore *s, const uint8_t *p, size_t n)
{
	if (all_zero(p, n))
		return (struct piece){ .addr = REC_ZEROES };
	if (n < REC_BLOCK)
		return (struct piece){ .addr = HERE };
	XXH128_hash_t h = s->hash->seeded(p, n, s->secret);
	struct piece x = { .hash = { h.low64, h.high64 } };
	x.addr = find(s, x.hash);
	return x;
}

size_t recstore_room(const struct recstore *s, const struct rec_event *e)
{
	return s->file->data == REC_DATA_HASH ? pieces(e) * REC_HASH_SIZE : pieces(e) * sizeof(struct piece) + e->len;
}

size_t recstore_prepare(const struct recstore *s, const struct rec_event *e, const uint8_t *data, uint8_t *to)
{
	const uint8_t *start = to;
	uint64_t off = e->off, left = e->len;

	for (uint64_t n; left; off += n, left -= n, data += n) {
		n = MIN(left, REC_BLOCK - off % REC_BLOCK);
		if (s->file->data == REC_DATA_HASH) {
			XXH128_canonical_t h;
			XXH128_canonicalFromHash(&h, s->hash->plain(data, n));
			memcpy(to, &h, REC_HASH_SIZE);
			to += REC_HASH_SIZE;
			continue;
		}
		struct piece x = look(s, data, n);
		memcpy(to, &x, sizeof x);
		to += sizeof x;
		if (x.addr == HERE) {
			memcpy(to, data, n);
			to += n;
		}
	}
	return (size_t)(to - start);
}

/* --- the one that stores --- */

static void remember(struct recstore *s, const uint64_t hash[2], uint64_t addr)
{
	struct recstore_block *k = &s->known[hash[0] % KNOWN];
	atomic_store_explicit(&k->place, 0, memory_order_relaxed);
	atomic_store_explicit(&k->hash[0], hash[0], memory_order_release);
	atomic_store_explicit(&k->hash[1], hash[1], memory_order_release);
	atomic_store_explicit(&k->place, addr + 1, memory_order_release);
}

/* The address of a piece that came with its bytes; stored now, unless it was meanwhile. */
static bool place(struct recstore *s, struct piece *x, const uint8_t *p, size_t n)
{
	if (n == REC_BLOCK && (x->addr = find(s, x->hash)) != HERE)
		return true;
	if ((s->raw.len + n > CHUNK && !recstore_flush(s)) || !buf_add(&s->raw, p, n))
		return false;
	x->addr = s->addr;
	s->addr += n;
	if (n == REC_BLOCK)
		remember(s, x->hash, x->addr);
	return true;
}

static bool follows(const struct rec_run *last, uint64_t addr)
{
	return addr == REC_ZEROES || last->addr == REC_ZEROES ? last->addr == addr : last->addr + last->len == addr;
}

static bool add_hashes(struct rec_open *o, const uint8_t *prepared)
{
	uint64_t bytes = pieces(&o->event) * REC_HASH_SIZE;
	if (!(o->hashes = malloc(bytes)) || !(o->runs = malloc(sizeof *o->runs)))
		return false;
	memcpy(o->hashes, prepared, bytes);
	o->runs[0] = (struct rec_run){ .off = o->event.off, .len = o->event.len, .hashes = o->hashes };
	o->count = 1;
	return true;
}

static bool add_run(struct rec_open *o, size_t *room, uint64_t off, uint64_t len, uint64_t addr)
{
	if (o->count && follows(&o->runs[o->count - 1], addr)) {
		o->runs[o->count - 1].len += len;
		return true;
	}
	if (o->count == *room) {
		struct rec_run *more = reallocarray(o->runs, *room = *room ? 2 * *room : 1, sizeof *more);
		if (!more)
			return false;
		o->runs = more;
	}
	o->runs[o->count++] = (struct rec_run){ .off = off, .len = len, .addr = addr };
	return true;
}

bool recstore_add(struct recstore *s, struct rec_open *o, const uint8_t *prepared)
{
	uint64_t off = o->event.off, left = o->event.len;
	size_t room = 0;
	struct piece x;

	if (s->file->data == REC_DATA_HASH)
		return add_hashes(o, prepared);
	for (uint64_t n; left; off += n, left -= n) {
		n = MIN(left, REC_BLOCK - off % REC_BLOCK);
		memcpy(&x, prepared, sizeof x);
		prepared += sizeof x;
		if (x.addr == HERE) {
			if (!place(s, &x, prepared, n))
				return false;
			prepared += n;
		}
		if (!add_run(o, &room, off, n, x.addr))
			return false;
	}
	return true;
}
