/* SPDX-License-Identifier: BSD-2-Clause */
/* From the bytes of a request to a req on its way down.
 * Everything that a client can get wrong in the transmission phase is judged here, in one place. */
#include <errno.h>
#include <inttypes.h>
#include "base/say.h"
#include "server/conn.h"

static void got_request(struct conn *c);

void request_start(struct conn *c)
{
	expect(c, c->style == REPLY_EXTENDED ? NBD_EXTENDED_REQUEST_SIZE : NBD_REQUEST_SIZE, got_request);
}

/* --- is it allowed? --- */

static uint16_t flags_allowed(const struct conn *c, const struct nbd_request *q)
{
	uint16_t adv = c->transmission_flags;
	/* proto.md: with SEND_FUA, FUA is accepted on every command. */
	uint16_t ok = adv & NBD_FLAG_SEND_FUA ? NBD_CMD_FLAG_FUA : 0;
	switch (q->type) {
	case NBD_CMD_READ:
		return ok | (adv & NBD_FLAG_SEND_DF ? NBD_CMD_FLAG_DF : 0);
	case NBD_CMD_WRITE:
		return ok | (c->style == REPLY_EXTENDED ? NBD_CMD_FLAG_PAYLOAD_LEN : 0);
	case NBD_CMD_WRITE_ZEROES:
		return ok | NBD_CMD_FLAG_NO_HOLE | (adv & NBD_FLAG_SEND_FAST_ZERO ? NBD_CMD_FLAG_FAST_ZERO : 0);
	case NBD_CMD_BLOCK_STATUS:
		return ok | NBD_CMD_FLAG_REQ_ONE;
	default:
		return ok;
	}
}

static int refuse(struct req *r, int err, const char *text)
{
	r->err_text = text;
	return err;
}

static int check_range(const struct conn *c, const struct nbd_request *q, struct req *r)
{
	uint64_t size = stack_limits(c->stack)->size;
	bool writes = q->type == NBD_CMD_WRITE || q->type == NBD_CMD_WRITE_ZEROES;

	if (q->off <= size && q->len <= size - q->off)
		return 0;
	r->err_off = MAX(q->off, size);
	return refuse(r, writes ? ENOSPC : EINVAL, "request reaches past the end of the export");
}

static int check(const struct conn *c, const struct nbd_request *q, struct req *r)
{
	uint16_t adv = c->transmission_flags;

	switch (q->type) {
	case NBD_CMD_READ:
		break;
	case NBD_CMD_WRITE:
		if (adv & NBD_FLAG_READ_ONLY)
			return refuse(r, EPERM, "the export is read-only");
		break;
	case NBD_CMD_FLUSH:
		if (!(adv & NBD_FLAG_SEND_FLUSH))
			return refuse(r, EINVAL, "flush is not supported by this export");
		if (q->off || q->len)
			return refuse(r, EINVAL, "offset and length of a flush must be 0");
		break;
	case NBD_CMD_TRIM:
	case NBD_CMD_WRITE_ZEROES:
		if (adv & NBD_FLAG_READ_ONLY)
			return refuse(r, EPERM, "the export is read-only");
		if (!(adv & (q->type == NBD_CMD_TRIM ? NBD_FLAG_SEND_TRIM : NBD_FLAG_SEND_WRITE_ZEROES)))
			return refuse(r, EINVAL, "this command is not supported by this export");
		break;
	case NBD_CMD_CACHE:
		if (!(adv & NBD_FLAG_SEND_CACHE))
			return refuse(r, EINVAL, "cache is not supported by this export");
		break;
	case NBD_CMD_BLOCK_STATUS:
		if (!c->meta_allocation)
			return refuse(r, EINVAL, "no metadata context was negotiated");
		break;
	default:
		return refuse(r, EINVAL, "unknown command");
	}
	if (q->flags && q->flags & ~flags_allowed(c, q))
		return refuse(r, EINVAL, "a flag that does not belong to this command");
	if (q->type != NBD_CMD_FLUSH && !q->len)
		return refuse(r, EINVAL, "a length of 0");
	int err = q->type == NBD_CMD_FLUSH ? 0 : check_range(c, q, r);
	if (!err && (q->type == NBD_CMD_READ || q->type == NBD_CMD_WRITE) && q->len > NBD_MAX_PAYLOAD)
		err = refuse(r, EINVAL, "more than 64 MiB in one request");
	return err;
}

/* --- make it, and send it down --- */

static enum op op_of(uint16_t type)
{
	switch (type) {
	case NBD_CMD_WRITE:
		return OP_WRITE;
	case NBD_CMD_FLUSH:
		return OP_FLUSH;
	case NBD_CMD_TRIM:
		return OP_TRIM;
	case NBD_CMD_CACHE:
		return OP_CACHE;
	case NBD_CMD_WRITE_ZEROES:
		return OP_ZERO;
	case NBD_CMD_BLOCK_STATUS:
		return OP_EXTENTS;
	default:
		return OP_READ;
	}
}

static uint32_t flags_of(const struct conn *c, const struct nbd_request *q)
{
	uint32_t flags = 0;
	if (!q->flags)
		return 0;
	bool writes = q->type == NBD_CMD_WRITE || q->type == NBD_CMD_TRIM || q->type == NBD_CMD_WRITE_ZEROES;
	if (writes && q->flags & NBD_CMD_FLAG_FUA && stack_limits(c->stack)->fua != NONE)
		flags |= REQ_FUA;
	if (q->flags & NBD_CMD_FLAG_NO_HOLE)
		flags |= REQ_NO_HOLE;
	if (q->flags & NBD_CMD_FLAG_FAST_ZERO)
		flags |= REQ_FAST;
	if (q->flags & NBD_CMD_FLAG_REQ_ONE)
		flags |= REQ_ONE;
	return flags;
}

static void hold(struct conn *c, struct reply *rep, uint64_t bytes)
{
	rep->held = bytes;
	c->bytes += bytes;
	if (c->bytes >= CONN_TELL_BYTES)
		conn_count_bytes(c);
}

/* Memory for what goes with it.  False: none to be had. */
static bool furnish(struct conn *c, struct req *r, const struct nbd_request *q)
{
	struct reply *rep = reply_of(r);

	switch (r->op) {
	case OP_READ:
		hold(c, rep, r->len);
		r->data = (void *)stack_lend(c->stack, r->off, r->len);
		if (r->data)
			r->flags |= REQ_LENT;
		else if (!(rep->owned = r->data = payload_get(&c->memory->payload, r->len)))
			return false;
		if (c->style != REPLY_SIMPLE && !(q->flags & NBD_CMD_FLAG_DF)) {
			extents_init(&rep->runs, r->off, r->len, CONN_MAX_HOLES);
			r->holes = &rep->runs;
		}
		return true;
	case OP_WRITE:
		hold(c, rep, r->len);
		if (r->len <= RX_INLINE)
			return true; /* stays in the receive buffer */
		/* By TCP it comes in more and smaller pieces: there it was 0.7 of the bytes/s, here 1.5. */
		if (c->t.is_unix && !c->t.tls && (r->data = stack_place(c->stack, r->off, r->len))) {
			r->flags |= REQ_IN_PLACE;
			return true;
		}
		rep->owned = r->data = payload_get(&c->memory->payload, r->len);
		return r->data;
	case OP_EXTENTS:
		/* A plug-in may know more than was asked; the reply is cut to the request. */
		extents_init(&rep->runs, r->off, stack_limits(c->stack)->size - r->off, EXTENTS_MAX);
		r->data = &rep->runs;
		return true;
	default:
		return true;
	}
}

/* The small write whose data has come: it stays where it is. */
static void got_inline_data(struct conn *c)
{
	struct req *r = c->small;
	c->small = NULL;
	r->data = conn_bytes(c);
	reply_of(r)->rx = rx_hold(c->rx);
	conn_take(c, (uint32_t)r->len);
	request_start(c);
	req_down(stack_top(c->stack), r);
}

static bool has_payload(const struct conn *c, const struct nbd_request *q)
{
	return q->type == NBD_CMD_WRITE || (c->style == REPLY_EXTENDED && q->flags & NBD_CMD_FLAG_PAYLOAD_LEN);
}

/* How much of a refused payload is thrown away to keep the connection.  A client with extended headers has been told
 * what is too much: proto.md, "Request message".  Others may know nbdkit's server, which is patient. */
static uint64_t max_skip(const struct conn *c)
{
	return c->style == REPLY_EXTENDED ? NBD_MAX_PAYLOAD : CONN_MAX_SKIP;
}

/* Without a trip down. */
static void answer(struct conn *c, struct req *r, int err)
{
	r->err = err;
	if (err)
		say_debug("connection=%" PRIu64 " request refused: %s", c->client.id, r->err_text);
	reply_make(c, r);
	list_add_tail(&c->replies, &r->link);
	conn_settle_later(c);
}

static void got_request(struct conn *c)
{
	bool wide = c->style == REPLY_EXTENDED;
	struct nbd_request q = nbd_get_request(conn_bytes(c), wide);

	if (q.magic != (wide ? NBD_EXTENDED_REQUEST_MAGIC : NBD_REQUEST_MAGIC)) {
		conn_hang_up(c, "request without the magic number");
		return;
	}
	conn_take(c, c->want);
	c->bulk = q.type == NBD_CMD_WRITE && q.len > RX_INLINE;
	if (q.type == NBD_CMD_DISC) {
		say_debug("connection=%" PRIu64 " client requested disconnect", c->client.id);
		conn_goodbye(c);
		return;
	}
	struct req *r = req_new(stack_top(c->stack), op_of(q.type));
	if (!r) {
		conn_hang_up(c, "out of memory");
		return;
	}
	c->flying++;
	reply_of(r)->cookie = q.cookie;
	r->off = q.off;
	r->len = q.len;

	int err = check(c, &q, r);
	if (!err) {
		r->flags = flags_of(c, &q);
		if (!furnish(c, r, &q))
			err = refuse(r, ENOMEM, "the server is out of memory");
	}
	if (err) {
		if (has_payload(c, &q)) {
			if (q.len > max_skip(c)) {
				reply_free(c, r);
				conn_hang_up(c, "a payload too large even to be thrown away");
				return;
			}
			c->skip = q.len;
		}
		answer(c, r, err);
		return;
	}
	if (r->op == OP_EXTENTS && !stack_limits(c->stack)->can_extents) {
		extents_add(&reply_of(r)->runs, r->len, 0);
		answer(c, r, 0);
	} else if (r->op != OP_WRITE) {
		req_down(stack_top(c->stack), r);
	} else if (r->data) {
		c->filling = r;
		c->filled = 0;
	} else {
		c->small = r;
		expect(c, (uint32_t)r->len, got_inline_data);
	}
}
