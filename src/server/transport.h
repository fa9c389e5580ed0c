/* SPDX-License-Identifier: BSD-2-Clause */
/* transport: how a connection's bytes come and go: a socket, a pair of pipes, memory in a test.
 * Never blocks.  Loop thread only. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>
#include "core/core.h"
#include "loop/loop.h"

struct transport;

struct transport_ops {
	/* Bytes moved; 0: end of input (recv); -1: errno, EAGAIN when nothing can move now. */
	ssize_t (*recv)(struct transport *, struct iovec *iov, int n);
	ssize_t (*send)(struct transport *, struct iovec *iov, int n);
	/* Tell when input is there, when output has room; hang-ups are told always. */
	void (*want)(struct transport *, bool in, bool out);
	void (*close)(struct transport *); /* twice is fine */
};

enum { TRANSPORT_IN = 1, TRANSPORT_OUT = 2, TRANSPORT_GONE = 4 };

struct tls_session;

struct transport {
	const struct transport_ops *ops;
	/* Called by the loop with a mask of TRANSPORT_*; set by the connection. */
	void (*ready)(struct transport *, unsigned what);
	/* The same for a plain socket or pipe that may have something, and may not: false.  NULL: it only wants to be told. */
	bool (*look)(struct transport *);
	struct tls_session *tls;  /* NULL: plain (tls.h) */
	struct loop *loop;
	int in, out;              /* ours; the same for a socket */
	bool is_socket, is_unix; /* is_unix: a socket of that kind */
	struct watch in_watch, out_watch; /* out_watch only when out differs from in */
};

/* Who is at the other end of fd.  The strings in p are malloc'd, the caller's: for transport_peer_free(). */
void transport_peer(int fd, struct peer *p);
void transport_peer_free(struct peer *p);
/* Descriptors become non-blocking; they are the transport's, also on failure.  0, or -1 with errno. */
int transport_open(struct transport *t, struct loop *l, int in, int out);
