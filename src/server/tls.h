/* SPDX-License-Identifier: BSD-2-Clause */
/* tls: a transport that encrypts, put on top of another one when a client asks for it with NBD_OPT_STARTTLS.
 *
 * The handshake is part of receiving: recv() has nothing to give until it is over, and want() asks for what it needs
 * next.  GnuTLS may hold input that the descriptor no longer tells of: a task of the loop tells instead.
 * TLS 1.2 and 1.3; a client that wants to negotiate anew is sent away.  RFC 8446, RFC 5246; proto.md, "TLS support". */
#pragma once
#include "base/buf.h"
#include "base/err.h"
#include "server/transport.h"

/* --- keys: main thread; constant once made, any thread may use them --- */

struct tls_options {
	/* A directory: ca-cert.pem, server-cert.pem, server-key.pem and perhaps ca-crl.pem; or NULL. */
	const char *certificates;
	/* A file of lines NAME:KEY, the key in hexadecimal; then certificates do not count.  Or NULL. */
	const char *psk;
	bool verify_peer; /* only clients with a certificate of that CA */
};

struct tls;

/* All files are read now, never again.  NULL with e set. */
struct tls *tls_new(const struct tls_options *o, struct err *e);
void tls_free(struct tls *keys);                    /* NULL is fine */
bool tls_has_certificates(const char *dir);         /* the three files are there and may be read */
const char *tls_first_user(const struct tls *keys); /* of the PSK file; keys' own; NULL: there is no such file */

/* --- a connection: loop thread --- */

/* From now on t speaks TLS, when the plain text that still waits to be sent is out: it moves from plain, sent bytes of which
 * went out before.  keys are borrowed until t is closed; id is the connection's, for messages.  up() is called within
 * recv() at the end of the handshake.  A handshake that fails is told with say_error(), and by recv() with EPROTO.
 * 0, or -1: out of memory, and t is as before. */
int tls_start(struct transport *t, const struct tls *keys, struct buf *plain, size_t sent, uint64_t id,
	      void (*up)(struct transport *));
/* Who the client has proved to be: tls_dn, tls_issuer_dn and tls_psk_user of p.  After up().  0, or -1: out of memory. */
int tls_peer(const struct transport *t, struct peer *p);
