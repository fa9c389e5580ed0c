/* SPDX-License-Identifier: BSD-2-Clause */
#include "server/conn.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "base/say.h"

enum {
	RECV_A_TURN = 1 << 20,     /* bytes; then the other connections have theirs */
	RECV_BULK = 512,           /* bytes besides a large payload: the next header, and little to copy */
	RX_ROOM_MIN = 4 << 10,     /* with less room left, a new buffer is better than a short recv */
	RECV_HANDSHAKE = 4 << 10,  /* bytes besides what is wanted: who is not let in yet may not make us keep more */
};

/* --- reading --- */

static uint32_t unread(const struct conn *c)
{
	return c->rx ? c->rx->len - c->rx_at : 0;
}

void conn_count_bytes(struct conn *c)
{
	uint64_t now = c->bytes < CONN_TELL_BYTES ? 0 : c->bytes;
	bool little = now && now - c->told + CONN_TELL_BYTES < 2 * CONN_TELL_BYTES; /* more or less, than was told */
	if (!c->config->total || now == c->told || little)
		return;
	atomic_fetch_add_explicit(&c->config->total->bytes, now - c->told, memory_order_relaxed);
	c->told = now;
}

/* It holds much itself: more than it may, or all connections together do. */
static __attribute__((cold)) bool too_much(const struct conn *c)
{
	struct conn_total *t = c->config->total;
	return c->bytes >= c->config->max_bytes
	       || (c->told && atomic_load_explicit(&t->bytes, memory_order_relaxed) >= t->max);
}

/* Too much is in flight for another request.  One whose data is on its way is let in, or it would wait for itself. */
static bool full(const struct conn *c)
{
	if (c->filling || c->small)
		return false;
	return c->flying >= CONN_MAX_FLYING || (c->bytes >= c->much && too_much(c)) || c->out.len - c->out_sent > CONN_PAUSE_OUT;
}

static bool takes_more(const struct conn *c)
{
	return !c->eof && !c->busy && !full(c);
}

/* A buffer with room for what is wanted, and the unread bytes at hand. */
static bool make_room(struct conn *c)
{
	struct rx *old = c->rx;
	uint32_t have = unread(c), want = c->filling || c->skip ? 0 : c->want;

	if (old && !have && old->holders == 1) {
		rx_reset(old);
		c->rx_at = 0;
	}
	if (old && old->size - old->len >= RX_ROOM_MIN && old->size - c->rx_at >= want)
		return true;
	struct rx *rx = rx_get(&c->memory->rx);
	if (!rx)
		return false;
	if (have) {
		memcpy(rx->bytes, old->bytes + c->rx_at, have);
		rx->len = have;
	}
	rx_drop(old);
	c->rx = rx;
	c->rx_at = 0;
	return true;
}

/* Bytes received; 0 when nothing more is to be had now. */
static size_t receive(struct conn *c)
{
	struct iovec iov[2];
	size_t direct = 0;
	int n = 0;

	if (!make_room(c)) {
		conn_hang_up(c, "out of memory");
		return 0;
	}
	size_t room = c->rx->size - c->rx->len;
	if (!c->transmitting)
		room = MIN(room, (size_t)(c->want > unread(c) ? c->want - unread(c) : 0) + RECV_HANDSHAKE);
	if (c->bulk)
		room = MIN(room, (size_t)RECV_BULK);
	if (c->filling) {
		direct = c->filling->len - c->filled;
		iov[n++] = (struct iovec){ (char *)c->filling->data + c->filled, direct };
	}
	iov[n++] = (struct iovec){ c->rx->bytes + c->rx->len, room };

	ssize_t got = c->t.ops->recv(&c->t, iov, n);
	if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return 0;
	if (got <= 0) {
		conn_hang_up(c, got ? strerror(errno) : NULL);
		return 0;
	}
	size_t into_place = MIN((size_t)got, direct);
	c->filled += into_place;
	c->rx->len += (uint32_t)((size_t)got - into_place);
	/* Less than there was room for: the socket is empty, and asking again would only say so.  But a client that is in the
	 * middle of a large write sends on meanwhile. */
	c->drained = (size_t)got < direct + room && !c->bulk;
	return (size_t)got;
}

/* Move what already lies in the buffer to its place; true when the data is complete. */
static bool fill(struct conn *c)
{
	uint32_t n = (uint32_t)MIN((uint64_t)unread(c), c->filling->len - c->filled);
	if (n) {
		memcpy((char *)c->filling->data + c->filled, conn_bytes(c), n);
		c->filled += n;
		conn_take(c, n);
	}
	return c->filled == c->filling->len;
}

static void parse(struct conn *c)
{
	while (takes_more(c)) {
		if (c->skip) {
			uint32_t n = (uint32_t)MIN((uint64_t)unread(c), c->skip);
			conn_take(c, n);
			c->skip -= n;
			if (c->skip)
				return;
			continue;
		}
		if (c->filling) {
			if (!fill(c))
				return;
			struct req *r = c->filling;
			c->filling = NULL;
			req_down(stack_top(c->stack), r);
			continue;
		}
		if (unread(c) < c->want)
			return;
		c->step(c);
	}
}

/* An idle connection holds no buffer; one that requests borrow from is filled to its end. */
static void give_back(struct conn *c)
{
	if (!c->rx || unread(c) || c->rx->holders > 1)
		return;
	rx_drop(c->rx);
	c->rx = NULL;
	c->rx_at = 0;
}

static void take_in(struct conn *c)
{
	size_t got, sum = 0;
	do {
		sum += got = receive(c);
		parse(c);
	} while (got && !c->drained && sum < RECV_A_TURN && takes_more(c));
	give_back(c); /* now: the next connection of this turn finds it in the cache */
}

static bool transport_look(struct transport *t)
{
	struct conn *c = container_of(t, struct conn, t);

	/* A large write is better taken in large pieces, as they come: looked at, it was 0.6 of the bytes/s by TCP. */
	if (!c->transmitting || c->bulk || !takes_more(c) || (!receive(c) && !c->eof))
		return false; /* it keeps the buffer for the next look */
	parse(c);
	if (!c->drained && takes_more(c))
		take_in(c);
	give_back(c);
	conn_settle_later(c);
	return true;
}

static void transport_ready(struct transport *t, unsigned what)
{
	struct conn *c = container_of(t, struct conn, t);

	if (what & TRANSPORT_OUT)
		c->blocked = false;
	if (what & TRANSPORT_IN && takes_more(c))
		take_in(c);
	if (what & TRANSPORT_GONE && (!(what & TRANSPORT_IN) || c->busy || full(c))) {
		c->dead = true; /* both ways: nobody is there to take a reply */
		conn_hang_up(c, NULL);
		stack_cancel(c->stack); /* also after a DISC that did not wait for its replies */
		c->t.ops->close(&c->t); /* or the loop would be told again and again */
	}
	conn_settle_later(c);
}

void conn_hang_up(struct conn *c, const char *why)
{
	if (c->eof)
		return;
	if (why)
		say_debug("connection=%" PRIu64 " closing: %s", c->client.id, why);
	c->eof = true;
	c->client.gone = true;
	struct req *half = c->filling ? c->filling : c->small; /* a write whose data will never come */
	c->filling = c->small = NULL;
	if (half && half->flags & REQ_IN_PLACE)
		req_down(stack_top(c->stack), half); /* of it, too, the disk has what came */
	else if (half)
		reply_free(c, half);
	stack_cancel(c->stack);
	conn_settle_later(c);
}

void conn_goodbye(struct conn *c)
{
	c->eof = true;
	conn_settle_later(c);
}

void conn_settle_later(struct conn *c)
{
	loop_later(c->loop, &c->settle);
}

/* --- the end of a turn, and of a connection --- */

static void conn_free(struct conn *c)
{
	void (*freed)(struct conn *) = c->freed;
	conn_throw_away(c);
	conn_count_bytes(c);
	timer_stop(c->loop, &c->linger);
	timer_stop(c->loop, &c->patience);
	list_del(&c->settle.link);
	if (c->t.ops)
		c->t.ops->close(&c->t);
	rx_drop(c->rx);
	stack_free(c->stack);
	c->loop->connections--;
	exports_free(&c->exports);
	free(c->meta_export);
	free(c->default_export);
	free((char *)c->client.export);
	transport_peer_free(&c->client.peer);
	c->stack = NULL;
	c->rx = NULL;
	if (freed)
		freed(c);
	free(c);
}

static void closed(struct conn *c, struct req *r)
{
	req_free(r);
	c->opened = false;
}

/* True when c is gone. */
static bool finish(struct conn *c)
{
	if (!c->eof || c->busy || !stack_idle(c->stack))
		return false;
	if (c->opened) {
		conn_ask(c, OP_CLOSE, NULL, closed);
		conn_settle_later(c);
		return false;
	}
	if (!c->dead && conn_unsent(c))
		return false;
	conn_free(c);
	return true;
}

/* Half an option, in a buffer that has no room for more. */
static void keep_little(struct conn *c)
{
	struct rx *rx = c->rx->size == RX_SIZE ? rx_keep(conn_bytes(c), unread(c)) : NULL;
	if (!rx)
		return;
	rx_drop(c->rx);
	c->rx = rx;
	c->rx_at = 0;
}

static void conn_settle(struct task *t)
{
	struct conn *c = container_of(t, struct conn, settle);

	c->moved = c->loop->now;
	conn_send(c);
	if (c->told)
		conn_count_bytes(c);
	if (c->dead)
		conn_throw_away(c);
	else if (!c->blocked && conn_unsent(c))
		conn_settle_later(c);
	if (unread(c) && takes_more(c)) {
		parse(c); /* it stopped for want of room, or of an answer */
	}
	if (finish(c))
		return;
	give_back(c);
	if (c->rx && !c->transmitting)
		keep_little(c);
	c->t.ops->want(&c->t, takes_more(c), c->blocked && !c->dead);
}

static void linger_over(struct timer *t)
{
	struct conn *c = container_of(t, struct conn, linger);
	c->dead = true;
	conn_settle_later(c);
}

bool conn_refuse(struct conn *c)
{
	if (c->transmitting || c->eof || c->config->oldstyle || !c->step) /* without a step it was not greeted yet */
		return false;
	c->ending = true;
	stack_cancel(c->stack); /* the option that is being answered */
	return true;
}

void conn_shutdown(struct conn *c)
{
	if (!timer_start(c->loop, &c->linger, c->loop->now + CONN_LINGER_NS))
		c->dead = true;
	conn_hang_up(c, "the server ends");
	c->client.gone = true; /* also when it had said goodbye, and waits for what is in flight */
	stack_cancel(c->stack); /* also when the client had hung up before */
	conn_settle_later(c);
}

/* --- requests that come home --- */

void conn_ask(struct conn *c, enum op op, void *data, void (*then)(struct conn *, struct req *))
{
	struct req *r = req_new(stack_top(c->stack), op);
	if (!r) {
		if (op == OP_CLOSE)
			c->opened = false; /* nobody can be told */
		conn_hang_up(c, "out of memory");
		return;
	}
	r->data = data;
	c->asked = c->loop->now;
	c->busy = true;
	c->came_home = then;
	req_down(stack_top(c->stack), r);
}

static void come_home(struct layer *l, struct req *r)
{
	struct conn *c = l->stack->home_user;

	if (r->op <= OP_CLOSE) {
		c->busy = false;
		if (c->deadline)
			c->deadline += c->loop->now - c->asked;
		c->came_home(c, r);
	} else {
		reply_make(c, r);
		list_add_tail(&c->replies, &r->link);
	}
	conn_settle_later(c);
}

const struct module mod_conn = {
	.name = "conn",
	.slot_size = sizeof(struct reply),
	.done = come_home,
};

/* A plug-in wants this client gone. */
static void leave(struct task *t)
{
	struct stack *s = container_of(t, struct stack, leave);
	struct conn *c = s->home_user;
	if (atomic_load(&s->leaving) == LEAVE_AT_ONCE) {
		c->dead = true;
		conn_hang_up(c, "a plug-in disconnects it");
	} else {
		conn_goodbye(c);
	}
}

/* --- the beginning --- */

void conn_memory_free(struct conn_memory *m)
{
	rx_pool_free(&m->rx);
	payload_pool_free(&m->payload);
}

struct conn *conn_new(const struct conn_config *config, struct loop *l, struct conn_memory *m, uint64_t id)
{
	struct conn *c = calloc(1, sizeof *c);
	if (!c)
		return NULL;
	c->loop = l;
	c->config = config;
	c->memory = m;
	c->client.id = id;
	c->client.readonly = config->readonly;
	c->client.export = strdup("");
	c->much = MIN(config->max_bytes, (uint64_t)CONN_TELL_BYTES);
	c->linger.fire = linger_over;
	c->patience.fire = conn_patience_over;
	list_init(&c->link);
	list_init(&c->replies);
	task_init(&c->settle, conn_settle);
	buf_init(&c->out, CONN_MAX_OUT);
	c->stack = stack_new(config->stages->at, &mod_conn, l, &c->client);
	if (!c->stack || !c->client.export) {
		stack_free(c->stack);
		free((char *)c->client.export);
		free(c);
		return NULL;
	}
	l->connections++;
	c->stack->home_user = c;
	task_init(&c->stack->leave, leave);
	c->t.ready = transport_ready;
	c->t.look = transport_look;
	return c;
}

static void welcome(struct conn *c, struct req *r)
{
	int err = r->err;
	req_free(r);
	if (err)
		conn_hang_up(c, "refused by a filter or plug-in");
	else
		handshake_start(c);
}

void conn_start(struct conn *c)
{
	conn_ask(c, OP_PRECONNECT, NULL, welcome);
}

struct conn *conn_open(const struct conn_config *config, struct loop *l, struct conn_memory *m, uint64_t id, int in, int out)
{
	struct conn *c = conn_new(config, l, m, id);
	if (!c) {
		struct transport t;
		if (transport_open(&t, l, in, out) == 0)
			t.ops->close(&t);
		return NULL;
	}
	transport_peer(in, &c->client.peer);
	if (transport_open(&c->t, l, in, out) < 0) {
		say_error("cannot serve a connection: %s", strerror(errno));
		conn_free(c);
		return NULL;
	}
	return c;
}
