/* SPDX-License-Identifier: BSD-2-Clause */
/* tls_client: a client of GnuTLS at the other end of a conn_rig.  For tests and for the fuzzer. */
#pragma once
#include <gnutls/gnutls.h>
#include "server/tls.h"
#include "unit/conn_rig.h"

#define TLS_CLIENT_13 "NORMAL:-VERS-ALL:+VERS-TLS1.3:+ECDHE-PSK:+DHE-PSK"
#define TLS_CLIENT_12 "NORMAL:-VERS-ALL:+VERS-TLS1.2:+ECDHE-PSK:+DHE-PSK"

struct tls_client {
	struct conn_rig *rig;
	gnutls_session_t session;
	gnutls_psk_client_credentials_t psk;
	struct buf got;            /* what the server said inside TLS */
	size_t got_at;             /* read by the test */
	size_t out_room;           /* bytes the server may send between two looks of ours; 0: any */
	bool ended;                /* the server said goodbye as TLS has it */
	int error;                 /* GnuTLS's, when receiving failed for good */
};

/* Keys of a server that knows alice (00112233445566778899aabbccddeeff), and what must be freed with tls_free(). */
struct tls *tls_client_keys(void);
/* Ready for tls_client_shake(); key in hexadecimal. */
bool tls_client_start(struct tls_client *c, struct conn_rig *t, const char *priority, const char *user, const char *key);
int tls_client_shake(struct tls_client *c); /* 0, or GnuTLS's error */
bool tls_client_send(struct tls_client *c, const void *p, size_t n); /* n > 0 */
void tls_client_turn(struct tls_client *c); /* until nothing moves any more */
const uint8_t *tls_client_got(struct tls_client *c, size_t n); /* the next n bytes, or NULL */
static inline size_t tls_client_left(const struct tls_client *c) { return c->got.len - c->got_at; }
void tls_client_stop(struct tls_client *c);
