/* SPDX-License-Identifier: BSD-2-Clause */
#include "cmd/player.h"
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include "base/say.h"

enum { CONNS_MAX = 1024 };

void player_init(struct player *p, const char *uri)
{
	*p = (struct player){ .uri = uri };
	list_init(&p->conns);
	list_init(&p->reqs);
}

static void close_conn(struct player_conn *c)
{
	list_del(&c->link);
	nbd_close(c->nbd); /* what is in flight is answered with an error now */
	free(c);
}

void player_free(struct player *p)
{
	list_for_each_safe(&p->conns, l, n)
		close_conn(list_entry(l, struct player_conn, link));
	list_for_each_safe(&p->reqs, l, n)
		player_drop(p, list_entry(l, struct player_req, link));
}

static struct player_conn *find_conn(struct player *p, uint64_t number)
{
	list_for_each_safe(&p->conns, l, n)
		if (list_entry(l, struct player_conn, link)->number == number)
			return list_entry(l, struct player_conn, link);
	return NULL;
}

struct player_conn *player_connect(struct player *p, uint64_t number, struct err *e)
{
	struct player_conn *c = find_conn(p, number);
	size_t count = 0;

	if (c)
		return c;
	list_for_each_safe(&p->conns, l, n)
		count++;
	if (count >= CONNS_MAX) {
		err_set(e, "more than %d connections at the same time", CONNS_MAX);
		return NULL;
	}
	if (!(c = calloc(1, sizeof *c)) || !(c->nbd = nbd_create())) {
		free(c);
		err_set(e, "out of memory");
		return NULL;
	}
	list_init(&c->link);
	c->number = number;
	if (nbd_add_meta_context(c->nbd, LIBNBD_CONTEXT_BASE_ALLOCATION) < 0 || nbd_set_uri_allow_local_file(c->nbd, true) < 0
	    || nbd_connect_uri(c->nbd, p->uri) < 0) {
		err_set(e, "%s: %s", p->uri, nbd_get_error());
		close_conn(c);
		return NULL;
	}
	c->has_extents = nbd_can_meta_context(c->nbd, LIBNBD_CONTEXT_BASE_ALLOCATION) > 0;
	p->opened++;
	list_add_tail(&p->conns, &c->link);
	return c;
}

void player_disconnect(struct player *p, uint64_t number)
{
	struct player_conn *c = find_conn(p, number);
	if (!c)
		return;
	while (nbd_aio_in_flight(c->nbd) > 0 && player_turn(p, 0))
		;
	nbd_shutdown(c->nbd, 0);
	list_for_each_safe(&p->reqs, l, n)
		if (list_entry(l, struct player_req, link)->conn == c)
			list_entry(l, struct player_req, link)->conn = NULL;
	close_conn(c);
}

struct answer {
	struct player *player;
	struct player_req *req;
};

static int answered(void *arg, int *error)
{
	const struct answer *a = arg;
	a->req->err = *error;
	a->req->done = true;
	a->player->in_flight--;
	return 1;
}

static int no_extents(void *arg, const char *context, uint64_t off, uint32_t *entries, size_t n, int *error)
{
	(void)arg, (void)context, (void)off, (void)entries, (void)n, (void)error;
	return 0;
}

static int64_t send_req(struct player *p, struct player_req *r)
{
	const struct rec_event *e = &r->event;
	struct nbd_handle *h = r->conn->nbd;
	uint32_t fua = e->flags & REC_FUA ? LIBNBD_CMD_FLAG_FUA : 0;
	struct answer *a = malloc(sizeof *a);
	nbd_completion_callback done = { .callback = answered, .user_data = a, .free = free };

	if (!a)
		return -1;
	*a = (struct answer){ p, r };
	switch (e->op) {
	case REC_READ:
		return nbd_aio_pread(h, r->data, e->len, e->off, done, 0);
	case REC_WRITE:
		return nbd_aio_pwrite(h, r->data, e->len, e->off, done, fua);
	case REC_TRIM:
		return nbd_aio_trim(h, e->len, e->off, done, fua);
	case REC_ZERO:
		return nbd_aio_zero(h, e->len, e->off, done, fua | (e->flags & REC_NO_HOLE ? LIBNBD_CMD_FLAG_NO_HOLE : 0)
					    | (e->flags & REC_FAST ? LIBNBD_CMD_FLAG_FAST_ZERO : 0));
	case REC_FLUSH:
		return nbd_aio_flush(h, done, 0);
	case REC_CACHE:
		return nbd_aio_cache(h, e->len, e->off, done, 0);
	default:
		return nbd_aio_block_status(h, e->len, e->off, (nbd_extent_callback){ .callback = no_extents }, done,
					    e->flags & REC_REQ_ONE ? LIBNBD_CMD_FLAG_REQ_ONE : 0);
	}
}

void player_send(struct player *p, struct player_req *r)
{
	list_add_tail(&p->reqs, &r->link);
	p->count++;
	p->bytes += r->data ? r->event.len : 0;
	p->in_flight++;
	if (send_req(p, r) >= 0 || r->done)
		return;
	say_debug("event at %llu: %s", (unsigned long long)r->event.off, nbd_get_error());
	r->err = nbd_aio_is_dead(r->conn->nbd) > 0 || nbd_aio_is_closed(r->conn->nbd) > 0 ? ENOTCONN
		 : nbd_get_errno() ? nbd_get_errno() : EIO;
	r->done = true;
	p->in_flight--;
}

struct player_req *player_find(struct player *p, uint64_t conn, uint64_t id)
{
	list_for_each_safe(&p->reqs, l, n) {
		struct player_req *r = list_entry(l, struct player_req, link);
		if (r->event.conn == conn && r->event.id == id)
			return r;
	}
	return NULL;
}

void player_drop(struct player *p, struct player_req *r)
{
	list_del(&r->link);
	p->count--;
	p->bytes -= r->data ? r->event.len : 0;
	free(r->data);
	free(r);
}

bool player_turn(struct player *p, uint64_t until)
{
	size_t before = p->in_flight;
	for (;;) {
		struct pollfd fds[CONNS_MAX];
		struct player_conn *of[CONNS_MAX];
		nfds_t n = 0;
		uint64_t now = monotonic_ns();

		list_for_each_safe(&p->conns, l, next) {
			struct player_conn *c = list_entry(l, struct player_conn, link);
			unsigned dir = nbd_aio_get_direction(c->nbd);
			int fd = nbd_aio_is_dead(c->nbd) > 0 || nbd_aio_is_closed(c->nbd) > 0 ? -1 : nbd_aio_get_fd(c->nbd);
			if (fd < 0)
				continue;
			of[n] = c;
			fds[n++] = (struct pollfd){ .fd = fd, .events = (short)((dir & LIBNBD_AIO_DIRECTION_READ ? POLLIN : 0)
									    | (dir & LIBNBD_AIO_DIRECTION_WRITE ? POLLOUT : 0)) };
		}
		if (!until && (!n || !p->in_flight)) { /* nobody can answer */
			p->in_flight = 0;
			return false;
		}
		uint64_t left = until > now ? until - now : 0;
		struct timespec wait = { .tv_sec = (time_t)(left / NS_PER_S), .tv_nsec = (long)(left % NS_PER_S) };
		if (ppoll(fds, n, until ? &wait : NULL, NULL) < 0 && errno != EINTR)
			return false;
		for (nfds_t i = 0; i < n; i++) {
			unsigned dir = nbd_aio_get_direction(of[i]->nbd);
			if (fds[i].revents & (POLLIN | POLLHUP | POLLERR) && dir & LIBNBD_AIO_DIRECTION_READ)
				nbd_aio_notify_read(of[i]->nbd);
			else if (fds[i].revents & POLLOUT && dir & LIBNBD_AIO_DIRECTION_WRITE)
				nbd_aio_notify_write(of[i]->nbd);
			else if (fds[i].revents & (POLLHUP | POLLERR | POLLNVAL))
				nbd_aio_notify_read(of[i]->nbd);
		}
		if (p->in_flight < before)
			return true;
		if (until && monotonic_ns() >= until)
			return true;
	}
}
