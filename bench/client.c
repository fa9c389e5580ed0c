/* SPDX-License-Identifier: BSD-2-Clause */
#include "client.h"
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "base/bytes.h"
#include "dial.h"

#define REQUEST_MAGIC 0x25609513u
#define SIMPLE_MAGIC 0x67446698u
#define CHUNK_MAGIC 0x668e33efu
enum { REQUEST_LEN = 28, SIMPLE_LEN = 16, CHUNK_LEN = 20 };
enum { CMD_READ = 0, CMD_WRITE = 1 };
enum { CHUNK_NONE = 0, CHUNK_DATA = 1, CHUNK_HOLE = 2, CHUNK_ERROR = 0x8000, CHUNK_DONE = 1 /* flag */ };

uint64_t clock_now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * NS_PER_S + t.tv_nsec;
}

/* Verify: what belongs in a block, a function of nothing but the offset.  The fill writes the
 * same with one bit of each byte turned over, so a write that is lost is seen. */
#define FILL_BIT 0x80
static void pattern(uint8_t *p, uint64_t off, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++) {
		uint64_t x = (off + i) / 8 * 0x9e3779b97f4a7c15ull;
		p[i] = (uint8_t)((x ^ x >> 31) >> (off + i) % 8 * 8);
	}
}

int client_open(struct client *c, const struct work *w, uint64_t seed, struct err *e)
{
	*c = (struct client){ .work = w, .fd = -1, .random = (seed + 1) * 0x9e3779b97f4a7c15ull | 1 };
	c->in_room = MAX(MIN(w->depth * (size_t)(w->size + 32), KIB(256)), KIB(16));
	c->slots = calloc(w->depth, sizeof *c->slots);
	c->idle = calloc(w->depth, sizeof *c->idle);
	c->heads = calloc(w->depth, REQUEST_LEN);
	c->out = calloc(w->depth, 2 * sizeof *c->out);
	c->in = malloc(c->in_room);
	c->own = w->written ? malloc((w->depth + 1) * (size_t)w->size) : NULL;
	if (!c->slots || !c->idle || !c->heads || !c->out || !c->in || (w->written && !c->own))
		return err_set(e, "out of memory for %u requests of %" PRIu32 " bytes", w->depth, w->size);
	while (c->n_idle < w->depth) {
		c->idle[c->n_idle] = w->depth - 1 - c->n_idle;
		c->n_idle++;
	}
	if ((c->fd = dial_connect(w->where, e)) < 0)
		return -1;
	return dial_go(c->fd, w->export, w->structured, &c->disk, e);
}

void client_close(struct client *c)
{
	if (c->slots && c->fd >= 0)
		close(c->fd);
	free(c->slots);
	free(c->idle);
	free(c->heads);
	free(c->out);
	free(c->in);
	free(c->own);
	*c = (struct client){ .fd = -1 };
}

static uint64_t next_random(struct client *c)
{
	c->random ^= c->random << 13;
	c->random ^= c->random >> 7;
	c->random ^= c->random << 17;
	return c->random;
}

static void add_out(struct client *c, void *p, size_t n)
{
	struct iovec *last = c->out + c->out_n - 1;
	if (c->out_n && (uint8_t *)last->iov_base + last->iov_len == p)
		last->iov_len += n;
	else
		c->out[c->out_n++] = (struct iovec){ p, n };
}

static uint64_t next_in_row(struct client *c)
{
	uint64_t block = c->phase.next, left = c->work->blocks - c->phase.stride;
	c->phase.next = block < left ? block + c->phase.stride : block - left;
	return block;
}

/* Choose one request and put it behind those that are to be sent. */
static void make_request(struct client *c, uint8_t *head, uint64_t now)
{
	const struct work *w = c->work;
	uint32_t i = c->idle[--c->n_idle];
	struct slot *s = c->slots + i;
	uint64_t r = next_random(c);
	s->busy = true;
	s->read = (r >> 40) % 100 < c->phase.read_percent;
	s->block = c->phase.stride ? next_in_row(c) : (uint64_t)(((__uint128_t)next_random(c) * w->blocks) >> 64);
	s->began = now;
	s->got = 0;
	uint8_t *p = put_be32(head, REQUEST_MAGIC);
	p = put_be32(p, s->read ? CMD_READ : CMD_WRITE);
	p = put_be64(p, (uint64_t)++s->turn << 32 | i);
	put_be32(put_be64(p, s->block * w->size), w->size);
	add_out(c, head, REQUEST_LEN);
	if (s->read) {
		s->sure = w->written && atomic_load(&w->written[s->block]);
	} else if (w->written) {
		uint8_t *data = c->own + i * (size_t)w->size;
		pattern(data, s->block * w->size, w->size);
		for (uint32_t k = 0; c->phase.fill && k < w->size; k++)
			data[k] ^= FILL_BIT;
		add_out(c, data, w->size);
	} else {
		add_out(c, w->payload, w->size);
	}
}

static void sent(struct client *c, size_t n)
{
	while (n) {
		struct iovec *v = c->out + c->out_at;
		size_t k = MIN(n, v->iov_len);
		v->iov_base = (uint8_t *)v->iov_base + k;
		v->iov_len -= k;
		n -= k;
		if (!v->iov_len)
			c->out_at++;
	}
}

int client_send(struct client *c, uint64_t now, struct err *e)
{
	/* New requests only behind an empty queue, so the headers' block is never overrun. */
	if (!client_blocked(c)) {
		uint8_t *head = c->heads;
		c->out_at = c->out_n = 0;
		for (; c->n_idle && c->phase.quota; c->phase.quota--, c->in_flight++, head += REQUEST_LEN)
			make_request(c, head, now);
	}
	while (client_blocked(c)) {
		struct msghdr m = { .msg_iov = c->out + c->out_at, .msg_iovlen = MIN(c->out_n - c->out_at, (unsigned)IOV_MAX) };
		ssize_t n = sendmsg(c->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0)
			return err_set(e, "cannot send: %s", strerror(errno));
		sent(c, (size_t)n);
	}
	return 0;
}

static struct slot *find_slot(struct client *c, uint64_t cookie)
{
	uint32_t i = (uint32_t)cookie;
	if (i >= c->work->depth || !c->slots[i].busy || c->slots[i].turn != cookie >> 32)
		return NULL;
	return c->slots + i;
}

static void count_reply(struct client *c, struct slot *s, uint64_t now)
{
	hist_add(&c->tally->latency, now - s->began, 1);
	c->tally->bytes += c->work->size;
	s->busy = false;
	c->idle[c->n_idle++] = (uint32_t)(s - c->slots);
	c->in_flight--;
}

/* A whole request has been answered. */
static int finish(struct client *c, struct slot *s, uint64_t now, struct err *e)
{
	const struct work *w = c->work;
	if (s->read && s->got != w->size)
		return err_set(e, "a read of %" PRIu32 " bytes brought %" PRIu32, w->size, s->got);
	if (!s->read && w->written && !c->phase.fill)
		atomic_store(&w->written[s->block], 1);
	count_reply(c, s, now);
	return 0;
}

static int check_bytes(struct client *c, const struct slot *s, const uint8_t *p, uint32_t n, struct err *e)
{
	const uint8_t *want = c->own + c->work->depth * (size_t)c->work->size + s->got;
	for (uint32_t i = 0; i < n; i++)
		if (p[i] != want[i] && (s->sure || p[i] != (want[i] ^ FILL_BIT)))
			return err_set(e, "wrong byte at offset %" PRIu64 ": 0x%02x, not 0x%02x as written%s",
				       s->block * c->work->size + s->got + i, p[i], want[i], s->sure ? "" : " or filled");
	return 0;
}

/* n bytes of payload (or, p being NULL, of a hole) for data_slot. */
static int take_data(struct client *c, const uint8_t *p, uint32_t n, uint64_t now, struct err *e)
{
	struct slot *s = c->data_slot;
	static const uint8_t zeroes[4096];
	for (uint32_t done = 0, k; c->own && done < n; done += k, s->got += k) {
		k = p ? n : MIN(n - done, (uint32_t)sizeof zeroes);
		if (check_bytes(c, s, p ? p : zeroes, k, e) < 0)
			return -1;
	}
	if (!c->own)
		s->got += n;
	c->data_left -= n;
	return c->data_left || !c->data_last ? 0 : finish(c, s, now, e);
}

/* Payload follows: n bytes, which must be the next ones of the slot's read. */
static int expect_data(struct client *c, struct slot *s, uint64_t off, uint32_t n, bool last, struct err *e)
{
	const struct work *w = c->work;
	if (!s->read || off != s->block * w->size + s->got || n > w->size - s->got)
		return err_set(e, "a reply carries %" PRIu32 " bytes at %" PRIu64 " that were not asked for", n, off);
	if (c->own && !s->got)
		pattern(c->own + w->depth * (size_t)w->size, off, w->size);
	c->data_slot = s;
	c->data_left = n;
	c->data_last = last;
	return 0;
}

/* One chunk of a structured reply up to its payload; bytes used, 0 for "more needed", -1. */
static int take_chunk(struct client *c, const uint8_t *p, size_t n, uint64_t now, struct err *e)
{
	if (n < CHUNK_LEN)
		return 0;
	unsigned type = get_be16(p + 6), fixed = type == CHUNK_DATA ? 8 : type == CHUNK_HOLE ? 12 : 0;
	bool last = get_be16(p + 4) & CHUNK_DONE;
	uint32_t len = get_be32(p + 16);
	struct slot *s = find_slot(c, get_be64(p + 8));
	if (!s)
		return err_set(e, "a reply's cookie 0x%" PRIx64 " is that of no request", get_be64(p + 8));
	if (type & CHUNK_ERROR)
		return err_set(e, "the server failed a %s at %" PRIu64 " (error chunk 0x%x)",
			       s->read ? "read" : "write", s->block * c->work->size, type);
	if (type > CHUNK_HOLE || len < fixed || (type != CHUNK_DATA && len != fixed))
		return err_set(e, "a chunk of type %u and %" PRIu32 " bytes is malformed", type, len);
	if (n < CHUNK_LEN + fixed)
		return 0;
	if (type == CHUNK_NONE)
		return last && finish(c, s, now, e) < 0 ? -1 : CHUNK_LEN;
	uint32_t bytes = type == CHUNK_HOLE ? get_be32(p + CHUNK_LEN + 8) : len - fixed;
	if (!bytes)
		return err_set(e, "a chunk carries no bytes");
	/* Chunks are taken in the order of their offsets, as every server we know sends them. */
	if (expect_data(c, s, get_be64(p + CHUNK_LEN), bytes, last, e) < 0)
		return -1;
	if (type == CHUNK_HOLE && take_data(c, NULL, bytes, now, e) < 0)
		return -1;
	return (int)(CHUNK_LEN + fixed);
}

static int take_simple(struct client *c, const uint8_t *p, size_t n, uint64_t now, struct err *e)
{
	if (n < SIMPLE_LEN)
		return 0;
	struct slot *s = find_slot(c, get_be64(p + 8));
	if (!s)
		return err_set(e, "a reply's cookie 0x%" PRIx64 " is that of no request", get_be64(p + 8));
	if (get_be32(p + 4))
		return err_set(e, "the server failed a %s at %" PRIu64 " with error %" PRIu32,
			       s->read ? "read" : "write", s->block * c->work->size, get_be32(p + 4));
	if (s->read && c->work->structured)
		return err_set(e, "a read was answered with a simple reply");
	if (!s->read)
		return finish(c, s, now, e) < 0 ? -1 : SIMPLE_LEN;
	return expect_data(c, s, s->block * c->work->size, c->work->size, true, e) < 0 ? -1 : SIMPLE_LEN;
}

static int take_head(struct client *c, const uint8_t *p, size_t n, uint64_t now, struct err *e)
{
	if (n < SIMPLE_LEN)
		return 0;
	if (get_be32(p) == SIMPLE_MAGIC)
		return take_simple(c, p, n, now, e);
	if (get_be32(p) == CHUNK_MAGIC && c->work->structured)
		return take_chunk(c, p, n, now, e);
	return err_set(e, "a reply begins with 0x%08" PRIx32 ", no reply's magic", get_be32(p));
}

/* Payload while some is due, else the head of a reply. */
static int take(struct client *c, const uint8_t *p, size_t n, uint64_t now, struct err *e)
{
	if (!c->data_left)
		return take_head(c, p, n, now, e);
	uint32_t k = (uint32_t)MIN(c->data_left, n);
	return take_data(c, p, k, now, e) < 0 ? -1 : (int)k;
}

/* What nearly every reply is: simple, no error, all of it here, its bytes not to be looked at.
 * Bytes used; 0 when it is anything else, for take() to see what. */
static size_t take_plain(struct client *c, const uint8_t *p, size_t n, uint64_t now)
{
	struct slot *s;
	if (c->data_left || c->own || n < SIMPLE_LEN || get_be32(p) != SIMPLE_MAGIC || get_be32(p + 4))
		return 0;
	if (!(s = find_slot(c, get_be64(p + 8))) || (s->read && c->work->structured))
		return 0;
	size_t len = SIMPLE_LEN + (s->read ? c->work->size : 0);
	if (n < len)
		return 0;
	count_reply(c, s, now);
	return len;
}

int client_receive(struct client *c, bool wait, uint64_t *now, struct err *e)
{
	ssize_t got = recv(c->fd, c->in + c->in_len, c->in_room - c->in_len, wait ? 0 : MSG_DONTWAIT);
	*now = clock_now();
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (got <= 0)
		return err_set(e, "%s", got < 0 ? strerror(errno) : "the server closed the connection");
	size_t at = 0, end = c->in_len + (size_t)got;
	while (at < end) {
		size_t plain = take_plain(c, c->in + at, end - at, *now);
		int n = plain ? (int)plain : take(c, c->in + at, end - at, *now, e);
		if (n < 0)
			return -1;
		if (!n)
			break;
		at += (size_t)n;
	}
	c->in_len = end - at;
	memmove(c->in, c->in + at, c->in_len);
	return 0;
}
