/* SPDX-License-Identifier: BSD-2-Clause */
/* From a request that came home to the bytes of its reply: simple, structured or extended chunks. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/bytes.h"
#include "server/conn.h"

static bool extended(const struct conn *c)
{
	return c->style == REPLY_EXTENDED;
}

static uint8_t *put_chunk(struct conn *c, uint8_t *p, struct req *r, uint16_t flags, uint16_t type, uint32_t len)
{
	return nbd_put_chunk(p, extended(c), flags, type, reply_of(r)->cookie, r->off, len);
}

/* ENOTSUP has a meaning only where a zero was to be fast: proto.md, "Error values". */
static uint32_t wire_error(const struct req *r)
{
	return !r->err ? 0 : nbd_error(r->err == EOPNOTSUPP && !(r->flags & REQ_FAST) ? EINVAL : r->err);
}

static void simple(struct conn *c, struct req *r)
{
	struct reply *rep = reply_of(r);
	rep->head_len = (uint8_t)(nbd_put_simple_reply(rep->head, wire_error(r), rep->cookie) - rep->head);
	rep->size = rep->head_len + (r->op == OP_READ && !r->err ? r->len : 0);
}

/* proto.md, NBD_REPLY_TYPE_ERROR_OFFSET. */
static bool takes_offset(enum op op)
{
	return op == OP_READ || op == OP_WRITE || op == OP_TRIM || op == OP_EXTENTS;
}

/* An error with what we know of it: where, and words. */
static void error_chunk(struct conn *c, struct req *r)
{
	struct reply *rep = reply_of(r);
	const char *text = r->err_text ? r->err_text : strerror(r->err);
	uint32_t text_len = (uint32_t)MIN(strlen(text), (size_t)200);
	bool where = takes_offset(r->op) && r->err_off != UINT64_MAX && r->err_off >= r->off && r->err_off - r->off < r->len;
	uint32_t len = 6 + text_len + (where ? 8 : 0);

	rep->more = malloc(len);
	if (!rep->more) { /* the bare error needs no memory */
		text_len = 0;
		len = 6;
		where = false;
	}
	uint8_t *p = put_chunk(c, rep->head, r, NBD_REPLY_FLAG_DONE,
			       where ? NBD_REPLY_TYPE_ERROR_OFFSET : NBD_REPLY_TYPE_ERROR, len);
	uint8_t *body = rep->more ? rep->more : p;
	uint8_t *q = put_be32(body, wire_error(r));
	q = put_be16(q, (uint16_t)text_len);
	memcpy(q, text, text_len);
	if (where)
		put_be64(q + text_len, r->err_off);
	rep->head_len = (uint8_t)(p - rep->head + (rep->more ? 0 : 6));
	rep->more_len = rep->more ? len : 0;
	rep->size = rep->head_len + rep->more_len;
}

static void empty_chunk(struct conn *c, struct req *r)
{
	struct reply *rep = reply_of(r);
	uint8_t *p = put_chunk(c, rep->head, r, NBD_REPLY_FLAG_DONE, NBD_REPLY_TYPE_NONE, 0);
	rep->head_len = (uint8_t)(p - rep->head);
	rep->size = rep->head_len;
}

static void one_data_chunk(struct conn *c, struct req *r)
{
	struct reply *rep = reply_of(r);
	uint8_t *p = put_chunk(c, rep->head, r, NBD_REPLY_FLAG_DONE, NBD_REPLY_TYPE_OFFSET_DATA, (uint32_t)r->len + 8);
	p = put_be64(p, r->off);
	rep->head_len = (uint8_t)(p - rep->head);
	rep->size = rep->head_len + r->len;
}

static uint32_t chunk_head_size(const struct conn *c, bool hole)
{
	return (extended(c) ? NBD_EXTENDED_REPLY_SIZE : NBD_STRUCTURED_REPLY_SIZE) + (hole ? 12 : 8);
}

/* Zero the data of the holes after all: there was no memory for chunks.  In memory that is lent they are zero. */
static void fill_holes(struct req *r, const void *owned, struct extents *x)
{
	uint8_t *p = r->data;
	for (size_t i = 0; r->data == owned && i < x->count; p += x->list[i++].len)
		if (x->list[i].flags & EXTENT_ZERO)
			memset(p, 0, x->list[i].len);
}

/* A read with holes: a chunk for each run; the heads lie behind each other in more. */
static void sparse_chunks(struct conn *c, struct req *r)
{
	struct reply *rep = reply_of(r);
	struct extents *x = &rep->runs;
	uint64_t off = r->off;

	rep->more = malloc(x->count * chunk_head_size(c, true));
	if (!rep->more) {
		fill_holes(r, rep->owned, x);
		extents_free(x);
		one_data_chunk(c, r);
		return;
	}
	uint8_t *p = rep->more;
	for (size_t i = 0; i < x->count; i++) {
		uint32_t len = (uint32_t)x->list[i].len;
		bool hole = x->list[i].flags & EXTENT_ZERO;
		uint16_t flags = i + 1 == x->count ? NBD_REPLY_FLAG_DONE : 0;
		if (hole) {
			p = put_chunk(c, p, r, flags, NBD_REPLY_TYPE_OFFSET_HOLE, 12);
			p = put_be64(p, off);
			p = put_be32(p, len);
		} else {
			p = put_chunk(c, p, r, flags, NBD_REPLY_TYPE_OFFSET_DATA, len + 8);
			p = put_be64(p, off);
			rep->size += len;
		}
		off += len;
	}
	rep->more_len = (uint32_t)(p - rep->more);
	rep->size += rep->more_len;
}

/* To the bytes that were asked for, and to a number of runs. */
static void cut_runs(struct extents *x, uint64_t len, size_t max)
{
	size_t n = 0;
	while (n < x->count && n < max && len) {
		x->list[n].len = MIN(x->list[n].len, len);
		len -= x->list[n++].len;
	}
	x->count = n;
}

static void status_chunk(struct conn *c, struct req *r)
{
	struct reply *rep = reply_of(r);
	struct extents *x = &rep->runs;
	bool wide = extended(c);
	uint32_t each = wide ? 16 : 8, fixed = wide ? 8 : 4;
	cut_runs(x, r->len, r->flags & REQ_ONE ? 1 : SIZE_MAX);
	uint32_t len = fixed + (uint32_t)x->count * each;

	rep->more = x->count ? malloc(len) : NULL; /* a plug-in that tells nothing has failed */
	if (!rep->more) {
		r->err = x->count ? ENOMEM : EIO;
		error_chunk(c, r);
		return;
	}
	uint8_t *p = put_chunk(c, rep->head, r, NBD_REPLY_FLAG_DONE,
			       wide ? NBD_REPLY_TYPE_BLOCK_STATUS_EXT : NBD_REPLY_TYPE_BLOCK_STATUS, len);
	rep->head_len = (uint8_t)(p - rep->head);
	p = put_be32(rep->more, META_ALLOCATION_ID);
	if (wide)
		p = put_be32(p, (uint32_t)x->count);
	for (size_t i = 0; i < x->count; i++) {
		/* Not extended: the request's length fits 32 bits, and so does each run. */
		p = wide ? put_be64(p, x->list[i].len) : put_be32(p, (uint32_t)x->list[i].len);
		p = wide ? put_be64(p, x->list[i].flags) : put_be32(p, x->list[i].flags);
	}
	rep->more_len = len;
	rep->size = rep->head_len + len;
}

static bool has_holes(const struct extents *x)
{
	for (size_t i = 0; i < x->count; i++)
		if (x->list[i].flags & EXTENT_ZERO)
			return true;
	return false;
}

void reply_make(struct conn *c, struct req *r)
{
	struct reply *rep = reply_of(r);

	if (rep->rx) {
		rx_drop(rep->rx); /* a write's data has done its work */
		rep->rx = NULL;
	}
	if (c->style == REPLY_SIMPLE)
		simple(c, r);
	else if (r->err)
		error_chunk(c, r);
	else if (r->op == OP_EXTENTS)
		status_chunk(c, r);
	else if (r->op != OP_READ)
		empty_chunk(c, r);
	else if (r->holes && has_holes(&rep->runs) && rep->runs.at == rep->runs.end)
		sparse_chunks(c, r);
	else
		one_data_chunk(c, r);
}

static int sparse_iov(struct conn *c, struct req *r, struct iovec *iov, int max)
{
	struct reply *rep = reply_of(r);
	uint8_t *head = rep->more, *data = r->data;
	int n = 0;

	if ((size_t)max < 2 * rep->runs.count)
		return 0;
	for (size_t i = 0; i < rep->runs.count; i++) {
		struct extent *x = &rep->runs.list[i];
		bool hole = x->flags & EXTENT_ZERO;
		uint32_t head_len = chunk_head_size(c, hole);
		iov[n++] = (struct iovec){ head, head_len };
		if (!hole)
			iov[n++] = (struct iovec){ data, x->len };
		head += head_len;
		data += x->len;
	}
	return n;
}

int reply_iov(struct conn *c, struct req *r, struct iovec *iov, int max)
{
	struct reply *rep = reply_of(r);
	int n = 0;

	if (!rep->head_len)
		return sparse_iov(c, r, iov, max);
	if (max < 2)
		return 0;
	iov[n++] = (struct iovec){ rep->head, rep->head_len };
	if (rep->more)
		iov[n++] = (struct iovec){ rep->more, rep->more_len };
	else if (rep->size > rep->head_len)
		iov[n++] = (struct iovec){ r->data, r->len };
	return n;
}

void reply_free(struct conn *c, struct req *r)
{
	struct reply *rep = reply_of(r);
	c->flying--;
	c->bytes -= rep->held;
	/* Most have none of these, and each is a call. */
	if (rep->rx)
		rx_drop(rep->rx);
	if (rep->owned)
		payload_put(&c->memory->payload, rep->owned, rep->held);
	if (rep->more)
		free(rep->more);
	if (rep->runs.list)
		extents_free(&rep->runs);
	req_free(r);
}
