/* SPDX-License-Identifier: BSD-2-Clause */
/* bench-loop: the yardstick, the least work that an NBD server can do.
 *
 *     bench-loop SOCKET [SIZE]        a Unix socket
 *     bench-loop PORT [SIZE]          TCP on 127.0.0.1
 *
 * One thread for each connection, blocking; one recv for as many requests as have come, one
 * sendmsg for all their replies; reads are sent from where the disk's bytes lie and large
 * writes are received there.  Nothing is between the socket and the memory: no layers, no
 * log, no structured replies, and no checks but one comparison, which keeps a wrong client
 * out of this program's memory by dropping its connection.  It is here to show how far a
 * real server is from the limit, and is good for nothing else. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/bytes.h"
#include "base/parse.h"
#include "base/say.h"

#define NBD_MAGIC 0x4e42444d41474943ull
#define OPT_MAGIC 0x49484156454f5054ull
#define REP_MAGIC 0x0003e889045565a9ull
#define REQUEST_MAGIC 0x25609513u
#define SIMPLE_MAGIC 0x67446698u
enum { REQUEST_LEN = 28, REPLY_LEN = 16 };
enum { CMD_READ = 0, CMD_WRITE = 1, CMD_DISC = 2 };
enum { OPT_EXPORT_NAME = 1, OPT_ABORT = 2, OPT_INFO = 6, OPT_GO = 7 };
enum { REP_ACK = 1, REP_INFO = 3 };
#define REP_ERR_UNSUP 0x80000001u
#define EXPORT_FLAGS 0x0101 /* HAS_FLAGS, CAN_MULTI_CONN */
enum { IN_ROOM = 256 * 1024, MAX_OUT = IOV_MAX };

static uint8_t *disk;
static uint64_t disk_size; /* bytes */

struct conn {
	int fd;
	uint8_t in[IN_ROOM];
	size_t in_len;
	uint8_t heads[MAX_OUT][REPLY_LEN];
	struct iovec out[MAX_OUT];
	unsigned n_heads, n_out;
};

static bool get(int fd, void *p, size_t n)
{
	return !n || recv(fd, p, n, MSG_WAITALL) == (ssize_t)n; /* recv waits even for 0 bytes */
}

static bool put(int fd, const void *p, size_t n)
{
	return send(fd, p, n, MSG_NOSIGNAL) == (ssize_t)n;
}

static bool option_reply(int fd, uint32_t option, uint32_t type, const void *data, uint32_t len)
{
	uint8_t m[20 + 12];
	put_be32(put_be32(put_be32(put_be64(m, REP_MAGIC), option), type), len);
	memcpy(m + 20, data, len);
	return put(fd, m, 20 + len);
}

/* Everything before the first request; false when there will be none. */
static bool handshake(int fd)
{
	uint8_t hello[18], flags[4], head[16], data[8192], info[12];
	put_be16(put_be64(put_be64(hello, NBD_MAGIC), OPT_MAGIC), 3);
	put_be16(put_be64(put_be16(info, 0), disk_size), EXPORT_FLAGS);
	if (!put(fd, hello, sizeof hello) || !get(fd, flags, sizeof flags))
		return false;
	while (get(fd, head, sizeof head)) {
		uint32_t option = get_be32(head + 8), len = get_be32(head + 12);
		if (len > sizeof data || !get(fd, data, len))
			return false;
		if (option == OPT_EXPORT_NAME) {
			memset(data, 0, 134);
			memcpy(data, info + 2, 10);
			return put(fd, data, flags[3] & 2 ? 10 : 134);
		}
		if (option == OPT_GO || option == OPT_INFO) {
			if (!option_reply(fd, option, REP_INFO, info, sizeof info))
				return false;
			if (!option_reply(fd, option, REP_ACK, "", 0) || option == OPT_GO)
				return option == OPT_GO;
		} else if (!option_reply(fd, option, option == OPT_ABORT ? REP_ACK : REP_ERR_UNSUP, "", 0) || option == OPT_ABORT) {
			return false;
		}
	}
	return false;
}

static bool flush(struct conn *c)
{
	struct msghdr m = { .msg_iov = c->out, .msg_iovlen = c->n_out };
	while (m.msg_iovlen) {
		ssize_t n = sendmsg(c->fd, &m, MSG_NOSIGNAL);
		if (n < 0)
			return false;
		for (; m.msg_iovlen && (size_t)n >= m.msg_iov->iov_len; m.msg_iov++, m.msg_iovlen--)
			n -= m.msg_iov->iov_len;
		if (m.msg_iovlen) {
			m.msg_iov->iov_base = (uint8_t *)m.msg_iov->iov_base + n;
			m.msg_iov->iov_len -= n;
		}
	}
	c->n_out = c->n_heads = 0;
	return true;
}

static bool reply(struct conn *c, const uint8_t *request, void *data, size_t len)
{
	if (c->n_out + 2 > MAX_OUT && !flush(c))
		return false;
	uint8_t *h = c->heads[c->n_heads++];
	put_be32(put_be32(h, SIMPLE_MAGIC), 0);
	memcpy(h + 8, request + 8, 8);
	struct iovec *last = c->out + c->n_out - 1;
	if (c->n_out && (uint8_t *)last->iov_base + last->iov_len == h)
		last->iov_len += REPLY_LEN;
	else
		c->out[c->n_out++] = (struct iovec){ h, REPLY_LEN };
	if (len)
		c->out[c->n_out++] = (struct iovec){ data, len };
	return true;
}

/* The n bytes of a write that are not in the buffer go straight to the disk; what comes
 * behind them in the same call goes to the (now empty) buffer. */
static bool receive_rest(struct conn *c, uint8_t *to, size_t n)
{
	while (n) {
		struct iovec v[2] = { { to, n }, { c->in, IN_ROOM } };
		ssize_t got = readv(c->fd, v, 2);
		if (got <= 0)
			return false;
		size_t k = MIN(n, (size_t)got);
		to += k;
		n -= k;
		c->in_len = got - k;
	}
	return true;
}

/* All requests in the buffer; false when the connection ends. */
static bool serve_buffer(struct conn *c)
{
	uint8_t *p = c->in, *end = c->in + c->in_len;
	while (end - p >= REQUEST_LEN) {
		uint8_t head[REQUEST_LEN];
		memcpy(head, p, REQUEST_LEN);
		uint64_t off = get_be64(head + 16);
		uint32_t len = get_be32(head + 24), type = get_be16(head + 6);
		p += REQUEST_LEN;
		if (get_be32(head) != REQUEST_MAGIC || off > disk_size || len > disk_size - off || type > CMD_WRITE)
			return false; /* DISC is one of these */
		if (type == CMD_WRITE) {
			size_t here = MIN(len, (size_t)(end - p));
			memcpy(disk + off, p, here);
			p += here;
			if (here < len) {
				if (!flush(c) || !receive_rest(c, disk + off + here, len - here))
					return false;
				p = c->in;
				end = p + c->in_len;
			}
		}
		if (!reply(c, head, disk + off, type == CMD_READ ? len : 0))
			return false;
	}
	c->in_len = end - p;
	memmove(c->in, p, c->in_len);
	return flush(c);
}

static void *serve(void *arg)
{
	struct conn *c = arg;
	ssize_t n;
	if (handshake(c->fd))
		while ((n = recv(c->fd, c->in + c->in_len, IN_ROOM - c->in_len, 0)) > 0) {
			c->in_len += n;
			if (!serve_buffer(c))
				break;
		}
	close(c->fd);
	free(c);
	return NULL;
}

static int listen_at(int family, const void *address, socklen_t len, const char *where, struct err *e)
{
	int on = 1, fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool ok = fd >= 0;
	if (ok && family == AF_INET) /* the sockets that are accepted inherit NODELAY */
		ok = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0
		     && setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0;
	if (ok && bind(fd, address, len) == 0 && listen(fd, 1024) == 0)
		return fd;
	err_set(e, "%s: cannot listen: %s", where, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

/* A number is a port of 127.0.0.1, all else a path. */
static int listen_on(const char *where, struct err *e)
{
	struct sockaddr_un path = { .sun_family = AF_UNIX };
	struct sockaddr_in local = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	unsigned port;
	if (*where && !where[strspn(where, "0123456789")]) {
		if (parse_unsigned("PORT", where, 1, 65535, &port, e) < 0)
			return -1;
		local.sin_port = htons((uint16_t)port);
		return listen_at(AF_INET, &local, sizeof local, where, e);
	}
	if (strlen(where) >= sizeof path.sun_path)
		return err_set(e, "%s: path too long for a socket", where);
	strcpy(path.sun_path, where);
	return listen_at(AF_UNIX, &path, sizeof path, where, e);
}

static int accept_for_ever(int fd, struct err *e)
{
	for (;;) {
		struct conn *c = calloc(1, sizeof *c);
		struct sockaddr_storage peer = { 0 };
		socklen_t len = sizeof peer;
		int room = 1 << 20; /* as our server asks for; TCP finds its own */
		pthread_t t;
		if (!c)
			return err_set(e, "out of memory");
		if ((c->fd = accept4(fd, (struct sockaddr *)&peer, &len, SOCK_CLOEXEC)) < 0)
			return err_set(e, "accept: %s", strerror(errno));
		if (peer.ss_family == AF_UNIX)
			setsockopt(c->fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
		if (pthread_create(&t, NULL, serve, c))
			return err_set(e, "cannot start a thread");
		pthread_detach(t);
	}
}

int main(int argc, char **argv)
{
	struct err e = { "" };
	int fd;
	say_start("bench-loop", SAY_STDERR, false);
	signal(SIGPIPE, SIG_IGN);
	disk_size = MIB(64);
	if (argc < 2 || argc > 3) {
		err_set(&e, "usage: bench-loop SOCKET|PORT [SIZE]");
	} else if (argc == 2 || parse_size("SIZE", argv[2], &disk_size, &e) == 0) {
		disk = mmap(NULL, disk_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (disk == MAP_FAILED)
			err_set(&e, "cannot have a disk of %" PRIu64 " bytes: %s", disk_size, strerror(errno));
		else if ((fd = listen_on(argv[1], &e)) >= 0)
			accept_for_ever(fd, &e);
	}
	say_error("%s", e.msg);
	return 1;
}
