/* SPDX-License-Identifier: BSD-2-Clause */
/* The way out of a connection: handshake bytes and finished replies, many with one call. */
#include <errno.h>
#include <string.h>
#include "server/conn.h"

enum {
	IOV_BATCH = 512,           /* pieces in one sendmsg() */
	SENDS_A_TURN = 4,          /* then the other connections have theirs */
};

void conn_say(struct conn *c, const void *p, size_t n)
{
	if (!buf_add(&c->out, p, n))
		conn_hang_up(c, "too many handshake replies wait");
	conn_settle_later(c);
}

/* What was sent: first of the handshake bytes, then of the replies in order. */
static void account(struct conn *c, size_t put)
{
	size_t n = MIN(put, c->out.len - c->out_sent);
	c->out_sent += n;
	put -= n;
	if (c->out_sent == c->out.len) {
		buf_free(&c->out);
		c->out_sent = 0;
	}
	c->sent += put;
	while (!list_empty(&c->replies)) {
		struct req *r = list_first(&c->replies, struct req, link);
		uint64_t size = reply_of(r)->size;
		if (c->sent < size)
			return;
		c->sent -= size;
		list_del(&r->link);
		reply_free(c, r);
	}
}

/* Cut the first n bytes, which went out before, from the pieces. */
static int cut_front(struct iovec **iov, int pieces, uint64_t n)
{
	while (pieces && n >= (*iov)->iov_len) {
		n -= (*iov)->iov_len;
		(*iov)++;
		pieces--;
	}
	if (pieces) {
		(*iov)->iov_base = (char *)(*iov)->iov_base + n;
		(*iov)->iov_len -= n;
	}
	return pieces;
}

bool conn_unsent(const struct conn *c)
{
	return !list_empty(&c->replies) || c->out_sent < c->out.len;
}

/* Replies that are nothing but a head: copying one takes less time than the kernel takes for another piece. */
struct heads {
	size_t len;            /* bytes */
	uint8_t bytes[8192];
};

/* The piece behind n others becomes a copy in h, and part of the piece before when that ends there.  How many there are now. */
static int join(struct heads *h, struct iovec *iov, int n)
{
	uint8_t *to = h->bytes + h->len;
	size_t len = iov[n].iov_len;

	memcpy(to, iov[n].iov_base, len);
	h->len += len;
	if (n && (uint8_t *)iov[n - 1].iov_base + iov[n - 1].iov_len == to) {
		iov[n - 1].iov_len += len;
		return n;
	}
	iov[n].iov_base = to;
	return n + 1;
}

static void send_some(struct conn *c)
{
	struct iovec batch[IOV_BATCH], *iov = batch;
	struct heads heads;
	int n = 0;
	uint64_t skip = c->sent;

	heads.len = 0;
	if (c->out.len > c->out_sent) {
		batch[n++] = (struct iovec){ c->out.p + c->out_sent, c->out.len - c->out_sent };
		skip = 0; /* replies come behind the handshake, so none has begun */
	}
	for (struct list *link = c->replies.next; link != &c->replies; link = link->next) {
		int pieces = reply_iov(c, list_entry(link, struct req, link), batch + n, IOV_BATCH - n);
		if (!pieces)
			break;
		if (pieces == 1 && batch[n].iov_len <= sizeof heads.bytes - heads.len)
			n = join(&heads, batch, n);
		else
			n += pieces;
	}
	n = cut_front(&iov, n, skip);
	ssize_t put = c->t.ops->send(&c->t, iov, n);
	if (put >= 0) {
		account(c, (size_t)put);
		return;
	}
	if (errno == EAGAIN || errno == EWOULDBLOCK) {
		c->blocked = true;
		return;
	}
	c->dead = true;
	conn_hang_up(c, strerror(errno));
}

void conn_throw_away(struct conn *c)
{
	struct list *link;
	while ((link = list_pop(&c->replies)))
		reply_free(c, list_entry(link, struct req, link));
	buf_free(&c->out);
	c->out_sent = 0;
	c->sent = 0;
}

void conn_send(struct conn *c)
{
	for (int i = 0; i < SENDS_A_TURN && !c->dead && !c->blocked && conn_unsent(c); i++)
		send_some(c);
}
