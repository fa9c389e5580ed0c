/* SPDX-License-Identifier: BSD-2-Clause */
#include "trace/rec.h"
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>
#include "base/bytes.h"

/* --- numbers --- */

enum { VARINT_MAX = 10 }; /* bytes of 64 bits, seven in each */

static uint8_t *put_varint(uint8_t *p, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		*p++ = (uint8_t)(v | 0x80);
	*p++ = (uint8_t)v;
	return p;
}

static bool get_varint(const uint8_t **p, const uint8_t *end, uint64_t *v)
{
	const uint8_t *q = *p;
	uint64_t n = 0;
	for (unsigned shift = 0; q < end && shift < 64; shift += 7) {
		uint8_t byte = *q++;
		if (shift == 63 && byte > 1)
			return false; /* more than 64 bits */
		n |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80)) {
			*p = q;
			*v = n;
			return true;
		}
	}
	return false;
}

/* Differences of either sign: small ones stay short. */
static uint64_t fold(uint64_t d) { return (d << 1) ^ (0 - (d >> 63)); }
static uint64_t unfold(uint64_t v) { return (v >> 1) ^ (0 - (v & 1)); }

/* --- heads --- */

enum { HEAD_SUM_AT = 56, BODY_SUM_AT = 48 };

void rec_put_head(uint8_t *p, const struct rec_head *h, const void *body)
{
	memset(p, 0, REC_HEAD_SIZE);
	put_le32(p, REC_MAGIC);
	p[4] = h->kind;
	p[5] = h->pack;
	p[6] = h->level;
	put_le32(p + 8, h->stored);
	put_le32(p + 12, h->raw);
	put_le64(p + REC_PLACE_AT, h->at);
	put_le64(p + 24, h->first);
	put_le64(p + 32, h->count);
	put_le64(p + 40, h->time);
	put_le64(p + BODY_SUM_AT, body ? XXH3_64bits(body, h->stored) : 0);
	put_le64(p + HEAD_SUM_AT, XXH3_64bits(p, HEAD_SUM_AT));
}

const char *rec_get_head(const uint8_t *p, uint64_t at, uint64_t avail, struct rec_head *h)
{
	if (avail < REC_HEAD_SIZE)
		return "cut off within the head of a chunk";
	if (get_le32(p) != REC_MAGIC)
		return "no chunk begins here";
	if (get_le64(p + HEAD_SUM_AT) != XXH3_64bits(p, HEAD_SUM_AT))
		return "the head of a chunk does not match its checksum";
	*h = (struct rec_head){ .kind = p[4], .pack = p[5], .level = p[6], .stored = get_le32(p + 8), .raw = get_le32(p + 12),
				.at = get_le64(p + REC_PLACE_AT), .first = get_le64(p + 24), .count = get_le64(p + 32),
				.time = get_le64(p + 40) };
	if (h->at != at)
		return "a chunk that belongs to another place";
	if (h->kind < REC_SEGMENT_CHUNK || h->kind > REC_PAD || h->pack > REC_ZSTD || h->raw > REC_BODY_MAX)
		return "a chunk of a kind that is not known here";
	if (h->kind == REC_PAD)
		return h->stored ? "padding with a body" : NULL;
	if (h->stored > REC_BODY_MAX || (h->pack == REC_RAW && h->stored != h->raw))
		return "a chunk of impossible length";
	return avail - REC_HEAD_SIZE < h->stored ? "cut off within a chunk" : NULL;
}

bool rec_check_body(const uint8_t *p, const void *body, size_t n)
{
	return get_le64(p + BODY_SUM_AT) == XXH3_64bits(body, n);
}

void rec_put_info(uint8_t *p, const struct rec_info *i)
{
	memset(p, 0, REC_INFO_SIZE);
	put_le32(p, 1); /* the version of all this */
	put_le32(p + 4, i->data);
	put_le64(p + 8, i->wall);
}

bool rec_get_info(const uint8_t *p, size_t n, struct rec_info *i)
{
	if (n < REC_INFO_SIZE || get_le32(p) != 1 || get_le32(p + 4) > REC_DATA_YES)
		return false;
	*i = (struct rec_info){ .wall = get_le64(p + 8), .data = get_le32(p + 4) };
	return true;
}

/* --- events to bytes --- */

/* type, five numbers, op and flags, the lengths. */
enum { FIXED_MAX = 1 + 5 * VARINT_MAX + 2 + VARINT_MAX };

bool rec_encode(struct rec_encoder *enc, struct buf *body, const struct rec_event *e)
{
	size_t more = e->text_len + e->runs_len;
	if (!buf_reserve(body, FIXED_MAX + more))
		return false;
	uint8_t *start = (uint8_t *)body->p + body->len, *p = start;
	*p++ = e->type;
	p = put_varint(p, fold(e->time - enc->time)); /* CARRY is older than what comes before */
	enc->time = e->time;
	if (e->type != REC_MARK && e->type != REC_LOSS)
		p = put_varint(p, e->conn);
	switch (e->type) {
	case REC_BEGIN:
	case REC_CARRY:
		p = put_varint(p, e->id);
		*p++ = e->op;
		*p++ = e->flags;
		if (e->op != REC_FLUSH) {
			p = put_varint(p, e->off);
			p = put_varint(p, e->len);
		}
		if (e->op == REC_WRITE)
			p = put_varint(p, e->runs_len);
		if (e->runs_len)
			memcpy(p, e->runs, e->runs_len);
		p += e->runs_len;
		break;
	case REC_END:
		p = put_varint(p, e->id);
		p = put_varint(p, e->err);
		break;
	case REC_CONNECT:
	case REC_LOSS:
		p = put_varint(p, e->len);
		break;
	default:
		break;
	}
	if (e->type == REC_CONNECT || e->type == REC_MARK) {
		p = put_varint(p, e->text_len);
		if (e->text_len)
			memcpy(p, e->text, e->text_len);
		p += e->text_len;
	}
	body->len += (size_t)(p - start);
	return true;
}

/* --- bytes to events --- */

static bool bad(struct rec_decoder *d, const char *why)
{
	d->bad = why;
	return false;
}

/* A length, and as many bytes. */
static bool get_bytes(struct rec_decoder *d, uint32_t max, const uint8_t **p, uint32_t *len)
{
	uint64_t n;
	if (!get_varint(&d->p, d->end, &n) || n > max || n > (uint64_t)(d->end - d->p))
		return false;
	*p = d->p;
	*len = (uint32_t)n;
	d->p += n;
	return true;
}

static bool get_request(struct rec_decoder *d, struct rec_event *e)
{
	if (!get_varint(&d->p, d->end, &e->id) || d->end - d->p < 2)
		return false;
	e->op = *d->p++;
	e->flags = *d->p++;
	if (e->op >= REC_OPS)
		return false;
	if (e->op != REC_FLUSH && (!get_varint(&d->p, d->end, &e->off) || !get_varint(&d->p, d->end, &e->len)))
		return false;
	if (e->off > INT64_MAX || e->len > INT64_MAX - e->off)
		return false;
	if (e->op != REC_WRITE)
		return true;
	if (!get_bytes(d, REC_BODY_MAX, &e->runs, &e->runs_len))
		return false;
	if (!e->runs_len)
		return true;
	struct rec_runs w;
	struct rec_run r;
	e->next_addr = d->addr;
	rec_runs(&w, e);
	while (rec_next_run(&w, &r))
		;
	d->addr = w.addr;
	return !w.left && w.p == w.end; /* else the runs do not cover the write */
}

bool rec_decode(struct rec_decoder *d, struct rec_event *e)
{
	uint64_t n = 0;

	if (d->p == d->end)
		return false;
	*e = (struct rec_event){ .type = *d->p++ };
	if (!get_varint(&d->p, d->end, &n))
		return bad(d, "an event without a time");
	e->time = d->time += unfold(n);
	if (e->type != REC_MARK && e->type != REC_LOSS && !get_varint(&d->p, d->end, &e->conn))
		return bad(d, "an event without a connection");
	switch (e->type) {
	case REC_BEGIN:
	case REC_CARRY:
		return get_request(d, e) || bad(d, "a request that makes no sense");
	case REC_END:
		if (!get_varint(&d->p, d->end, &e->id) || !get_varint(&d->p, d->end, &n) || n > 4095)
			return bad(d, "an answer that makes no sense");
		e->err = (uint32_t)n;
		return true;
	case REC_CONNECT:
		if (!get_varint(&d->p, d->end, &e->len) || !get_bytes(d, 2 * REC_TEXT_MAX + 1, &e->text, &e->text_len))
			return bad(d, "a connection that makes no sense");
		return true;
	case REC_MARK:
		return get_bytes(d, REC_TEXT_MAX, &e->text, &e->text_len) || bad(d, "a mark that makes no sense");
	case REC_LOSS:
		return get_varint(&d->p, d->end, &e->len) || bad(d, "a loss without a number");
	case REC_DISCONNECT:
		return true;
	default:
		return bad(d, "an event of a kind that is not known here");
	}
}

/* --- runs --- */

enum { RUN_ZEROES, RUN_STORED, RUN_HASHED };

static uint64_t blocks_touched(uint64_t off, uint64_t len)
{
	return (off + len - 1) / REC_BLOCK - off / REC_BLOCK + 1;
}

bool rec_put_run(struct buf *b, uint64_t *addr, const struct rec_run *r)
{
	uint64_t blocks = blocks_touched(r->off, r->len);
	size_t hashes = r->hashes ? blocks * REC_HASH_SIZE : 0;
	unsigned kind = r->hashes ? RUN_HASHED : r->addr == REC_ZEROES ? RUN_ZEROES : RUN_STORED;

	if (!buf_reserve(b, 2 * VARINT_MAX + hashes))
		return false;
	uint8_t *start = (uint8_t *)b->p + b->len, *p = put_varint(start, blocks << 2 | kind);
	if (kind == RUN_STORED) {
		p = put_varint(p, fold(r->addr - *addr));
		*addr = r->addr + r->len;
	}
	if (hashes)
		memcpy(p, r->hashes, hashes);
	b->len += (size_t)(p - start) + hashes;
	return true;
}

void rec_runs(struct rec_runs *w, const struct rec_event *e)
{
	*w = (struct rec_runs){ e->runs, e->runs ? e->runs + e->runs_len : NULL, e->off, e->len, e->next_addr };
}

bool rec_next_run(struct rec_runs *w, struct rec_run *r)
{
	uint64_t tag, d;
	if (!w->left || !get_varint(&w->p, w->end, &tag) || !(tag >> 2) || tag >> 2 > blocks_touched(w->off, w->left))
		return false;
	uint64_t end = (w->off / REC_BLOCK + (tag >> 2)) * REC_BLOCK;
	*r = (struct rec_run){ .off = w->off, .len = MIN(end - w->off, w->left), .addr = REC_ZEROES };
	if ((tag & 3) == RUN_STORED) {
		if (!get_varint(&w->p, w->end, &d))
			return false;
		r->addr = w->addr + unfold(d);
		if (r->addr > INT64_MAX)
			return false;
		w->addr = r->addr + r->len;
	} else if ((tag & 3) == RUN_HASHED) {
		if ((uint64_t)(w->end - w->p) / REC_HASH_SIZE < tag >> 2)
			return false;
		r->hashes = w->p;
		w->p += (tag >> 2) * REC_HASH_SIZE;
	} else if ((tag & 3) != RUN_ZEROES) {
		return false;
	}
	w->off += r->len;
	w->left -= r->len;
	return true;
}
