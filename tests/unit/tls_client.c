/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit/tls_client.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct tls *tls_client_keys(void)
{
	static const char text[] = "\nbob:ff\nalice:00112233445566778899aabbccddeeff\r\n";
	char path[] = "/tmp/blkscope-keys-XXXXXX";
	struct tls_options o = { .psk = path };
	struct err e;
	int fd = mkstemp(path);
	if (fd < 0)
		return NULL;
	struct tls *keys = write(fd, text, sizeof text - 1) == sizeof text - 1 ? tls_new(&o, &e) : NULL;
	close(fd);
	unlink(path);
	return keys;
}

static ssize_t pull(gnutls_transport_ptr_t p, void *data, size_t len)
{
	struct conn_rig *t = ((struct tls_client *)p)->rig;
	size_t n = MIN(len, conn_rig_left(t));
	if (n) {
		memcpy(data, conn_rig_got(t, n), n);
		return (ssize_t)n;
	}
	if (!t->conn)
		return 0;
	errno = EAGAIN;
	return -1;
}

static ssize_t push(gnutls_transport_ptr_t p, const void *data, size_t len)
{
	conn_rig_send(((struct tls_client *)p)->rig, data, len);
	return (ssize_t)len;
}

bool tls_client_start(struct tls_client *c, struct conn_rig *t, const char *priority, const char *user, const char *key)
{
	gnutls_datum_t hex = { (unsigned char *)key, (unsigned)strlen(key) };
	*c = (struct tls_client){ .rig = t };
	buf_init(&c->got, 512 << 20);
	if (gnutls_init(&c->session, GNUTLS_CLIENT | GNUTLS_NONBLOCK) < 0 || gnutls_priority_set_direct(c->session, priority, NULL) < 0
	    || gnutls_psk_allocate_client_credentials(&c->psk) < 0
	    || gnutls_psk_set_client_credentials(c->psk, user, &hex, GNUTLS_PSK_KEY_HEX) < 0
	    || gnutls_credentials_set(c->session, GNUTLS_CRD_PSK, c->psk) < 0)
		return false;
	gnutls_transport_set_ptr(c->session, c);
	gnutls_transport_set_pull_function(c->session, pull);
	gnutls_transport_set_push_function(c->session, push);
	return true;
}

static void rig_turn(struct tls_client *c)
{
	if (c->out_room)
		c->rig->out_room = c->out_room;
	conn_rig_turn(c->rig);
}

int tls_client_shake(struct tls_client *c)
{
	for (int i = 0; i < 100000; i++) {
		int rc = gnutls_handshake(c->session);
		if (rc == 0 || (gnutls_error_is_fatal(rc) && rc != GNUTLS_E_AGAIN)) {
			rig_turn(c);
			return rc;
		}
		rig_turn(c);
	}
	return GNUTLS_E_TIMEDOUT;
}

bool tls_client_send(struct tls_client *c, const void *p, size_t n)
{
	while (n) {
		ssize_t put = gnutls_record_send(c->session, p, n);
		if (put <= 0)
			return false;
		p = (const char *)p + put;
		n -= (size_t)put;
	}
	return true;
}

void tls_client_turn(struct tls_client *c)
{
	static char piece[16 << 10];
	for (int still = 0; still < 2; still++) {
		size_t out = c->rig->out.len;
		ssize_t got = GNUTLS_E_AGAIN;
		rig_turn(c);
		while (!c->ended && !c->error && (got = gnutls_record_recv(c->session, piece, sizeof piece)) > 0)
			buf_add(&c->got, piece, (size_t)got);
		if (got == 0)
			c->ended = true;
		else if (got < 0 && gnutls_error_is_fatal((int)got))
			c->error = (int)got;
		if (c->rig->out.len != out)
			still = -1;
	}
}

const uint8_t *tls_client_got(struct tls_client *c, size_t n)
{
	if (tls_client_left(c) < n)
		return NULL;
	c->got_at += n;
	return (const uint8_t *)c->got.p + c->got_at - n;
}

void tls_client_stop(struct tls_client *c)
{
	if (c->session)
		gnutls_deinit(c->session);
	if (c->psk)
		gnutls_psk_free_client_credentials(c->psk);
	buf_free(&c->got);
	*c = (struct tls_client){ 0 };
}
