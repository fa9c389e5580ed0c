/* SPDX-License-Identifier: BSD-2-Clause */
/* The transport of plain descriptors. */
#include "server/transport.h"
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static ssize_t fd_recv(struct transport *t, struct iovec *iov, int n)
{
	ssize_t got;
	do
		got = n == 1 ? read(t->in, iov->iov_base, iov->iov_len) : readv(t->in, iov, n);
	while (got < 0 && errno == EINTR);
	return got;
}

static ssize_t fd_send(struct transport *t, struct iovec *iov, int n)
{
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = (size_t)n };
	ssize_t put;
	do
		put = t->is_socket ? sendmsg(t->out, &m, MSG_NOSIGNAL) : writev(t->out, iov, n);
	while (put < 0 && errno == EINTR);
	return put;
}

static void fd_want(struct transport *t, bool in, bool out)
{
	uint32_t in_events = in ? EPOLLIN : 0, out_events = out ? EPOLLOUT : 0;
	if (t->in == t->out) {
		watch_change(t->loop, &t->in_watch, in_events | out_events);
		return;
	}
	watch_change(t->loop, &t->in_watch, in_events);
	watch_change(t->loop, &t->out_watch, out_events);
}

static void fd_close(struct transport *t)
{
	if (t->in < 0)
		return;
	watch_stop(t->loop, &t->in_watch);
	watch_stop(t->loop, &t->out_watch);
	if (t->out != t->in)
		close(t->out);
	close(t->in);
	t->in = t->out = -1;
}

static const struct transport_ops fd_ops = { fd_recv, fd_send, fd_want, fd_close };

static void in_ready(struct watch *w, uint32_t events)
{
	struct transport *t = container_of(w, struct transport, in_watch);
	unsigned what = 0;
	if (events & EPOLLIN)
		what |= TRANSPORT_IN;
	if (events & EPOLLOUT)
		what |= TRANSPORT_OUT;
	if (events & (EPOLLHUP | EPOLLERR))
		what |= TRANSPORT_GONE;
	t->ready(t, what);
}

static bool in_look(struct watch *w)
{
	struct transport *t = container_of(w, struct transport, in_watch);
	return t->look && !t->tls && w->events & EPOLLIN && t->look(t);
}

static void out_ready(struct watch *w, uint32_t events)
{
	struct transport *t = container_of(w, struct transport, out_watch);
	t->ready(t, events & (EPOLLHUP | EPOLLERR) ? TRANSPORT_GONE : TRANSPORT_OUT);
}

/* NULL: there is none, as without a security module that labels sockets; or no memory. */
static char *peer_label(int fd)
{
	char none[1];
	socklen_t len = 0;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERSEC, none, &len) == 0 || errno != ERANGE)
		return NULL;
	char *label = malloc((size_t)len + 1); /* it need not end in a zero */
	if (!label || getsockopt(fd, SOL_SOCKET, SO_PEERSEC, label, &len) < 0) {
		free(label);
		return NULL;
	}
	label[len] = '\0';
	return label;
}

void transport_peer(int fd, struct peer *p)
{
	struct ucred who;
	socklen_t len = sizeof who;

	p->len = sizeof p->addr;
	if (getpeername(fd, (struct sockaddr *)&p->addr, &p->len) < 0)
		p->len = 0;
	p->pid = p->uid = p->gid = -1;
	p->label = p->len ? peer_label(fd) : NULL;
	if (p->len && p->addr.ss_family == AF_UNIX && getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) == 0) {
		p->pid = who.pid;
		p->uid = who.uid;
		p->gid = who.gid;
	}
}

void transport_peer_free(struct peer *p)
{
	free((char *)p->label);
	free((char *)p->tls_dn);
	free((char *)p->tls_issuer_dn);
	free((char *)p->tls_psk_user);
	p->label = p->tls_dn = p->tls_issuer_dn = p->tls_psk_user = NULL;
}

static int set_nonblocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);
	return flags < 0 ? -1 : fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

int transport_open(struct transport *t, struct loop *l, int in, int out)
{
	int type, one = 1;
	socklen_t len = sizeof type;

	t->ops = &fd_ops;
	t->loop = l;
	t->in = in;
	t->out = out;
	t->in_watch = (struct watch){ .fd = -1, .ready = in_ready, .look = in_look };
	t->out_watch = (struct watch){ .fd = -1, .ready = out_ready };
	t->is_unix = false;
	t->is_socket = getsockopt(out, SOL_SOCKET, SO_TYPE, &type, &len) == 0;
	if (t->is_socket) {
		/* Replies go out in one call a turn: waiting for more would only add delay.  Fails on Unix sockets. */
		setsockopt(out, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
		setsockopt(out, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
		/* TCP sizes its own; a Unix socket takes what it may have: two large replies in one call. */
		struct sockaddr_storage a = { 0 };
		socklen_t alen = sizeof a;
		int room = 1 << 20;
		t->is_unix = getsockname(out, (struct sockaddr *)&a, &alen) == 0 && a.ss_family == AF_UNIX;
		if (t->is_unix)
			setsockopt(out, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
	}
	if (set_nonblocking(in) < 0 || (in != out && set_nonblocking(out) < 0))
		goto fail;
	if (watch_start(l, &t->in_watch, in, EPOLLIN) < 0)
		goto fail;
	if (in != out && watch_start(l, &t->out_watch, out, 0) < 0)
		goto fail;
	return 0;
fail:;
	int saved = errno;
	fd_close(t);
	errno = saved;
	return -1;
}
