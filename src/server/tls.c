/* SPDX-License-Identifier: BSD-2-Clause */
#include "server/tls.h"
#include <errno.h>
#include <inttypes.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include "base/say.h"
#include "server/tls_keys.h"

enum {
	RECORD = 16 << 10,      /* bytes of payload in one record at most: RFC 8446, 5.1 */
	AT_ONCE = 1 << 20,      /* bytes moved by one call: then the other connections have theirs */
	HANDSHAKE = 32 << 10,   /* bytes that a client may say in it: its chain of certificates is the longest.  GnuTLS keeps half a
				 * message, however long that will be */
	PATIENCE = 16,          /* warnings and the like in a row that a client may send */
};

struct tls_session {
	gnutls_session_t gnutls;
	const struct tls *keys;
	struct transport *transport;
	uint64_t id;                               /* of the connection */
	const struct transport_ops *below;         /* how the encrypted bytes move */
	void (*ready)(struct transport *, unsigned); /* the connection's */
	void (*up_call)(struct transport *);
	bool up;                                   /* the handshake is over */
	bool ended;                                /* the client sends no more */
	int failed;                                /* an errno: nothing works any more */
	bool counts;                               /* the kernel counts what came, before: so many bytes */
	uint64_t before;
	uint64_t pulled;                           /* bytes of the handshake, when we count */
	size_t tried;                              /* bytes of a record that is half sent; 0: none is */
	struct buf plain;                          /* goes out before TLS begins ... */
	size_t plain_sent;                         /* ... as these bytes of it did */
	struct task more;                          /* input that the descriptor does not tell of */
};

static ssize_t not_now(void)
{
	errno = EAGAIN;
	return -1;
}

/* Bytes that came over a TCP connection so far; false: it is none. */
static bool tcp_bytes(int fd, uint64_t *n)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof info;
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0
	    || len < offsetof(struct tcp_info, tcpi_bytes_received) + sizeof info.tcpi_bytes_received)
		return false;
	*n = info.tcpi_bytes_received;
	return true;
}

/* And the handshake is not over. */
static bool said_too_much(const struct tls_session *s)
{
	uint64_t now = 0;
	return s->counts ? !tcp_bytes(s->transport->in, &now) || now - s->before > HANDSHAKE : s->pulled >= HANDSHAKE;
}

/* --- below GnuTLS, when it does not have the descriptor: what is not TCP, and memory in tests --- */

static ssize_t pull(gnutls_transport_ptr_t p, void *data, size_t len)
{
	struct tls_session *s = p;
	uint64_t most = s->up ? len : MIN((uint64_t)len, HANDSHAKE - s->pulled);
	struct iovec iov = { data, most };
	if (!most)
		return not_now(); /* shake_hands() knows */
	ssize_t got = s->below->recv(s->transport, &iov, 1);
	s->pulled += !s->up && got > 0 ? (uint64_t)got : 0;
	return got;
}

static ssize_t push(gnutls_transport_ptr_t p, const giovec_t *iov, int n)
{
	struct tls_session *s = p;
	return s->below->send(s->transport, (struct iovec *)iov, n); /* giovec_t is one */
}

/* --- the handshake --- */

static ssize_t give_up(struct tls_session *s, int error)
{
	s->failed = errno = error;
	return -1;
}

/* Words for what went wrong; in text when they must be made. */
static const char *reason(struct tls_session *s, int rc, char *text, size_t room)
{
	gnutls_datum_t words = { NULL, 0 };

	switch (rc) {
	case GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR:
		rc = gnutls_certificate_verification_status_print(gnutls_session_get_verify_cert_status(s->gnutls), GNUTLS_CRT_X509,
								  &words, 0);
		if (rc < 0)
			return gnutls_strerror(rc);
		snprintf(text, room, "the client's certificate: %.*s", (int)words.size, words.data);
		tls_lib.release(words.data);
		for (size_t n = strlen(text); n && text[n - 1] == ' ';)
			text[--n] = '\0';
		return text;
	case GNUTLS_E_NO_CERTIFICATE_FOUND:
	case GNUTLS_E_CERTIFICATE_REQUIRED:
		return "the client shows no certificate of our authority";
	case GNUTLS_E_PREMATURE_TERMINATION:
		return "the client hung up";
	case GNUTLS_E_WARNING_ALERT_RECEIVED:
	case GNUTLS_E_FATAL_ALERT_RECEIVED:
		snprintf(text, room, "the client says: %s", gnutls_alert_get_name(gnutls_alert_get(s->gnutls)));
		return text;
	case GNUTLS_E_RECEIVED_ILLEGAL_PARAMETER:
	case GNUTLS_E_DECRYPTION_FAILED:
		if (tls_keys_psk(s->keys) && !s->up)
			return "no such user, or another key";
		return gnutls_strerror(rc);
	default:
		return gnutls_strerror(rc);
	}
}

static bool plain_is_out(struct tls_session *s)
{
	while (s->plain_sent < s->plain.len) {
		struct iovec iov = { s->plain.p + s->plain_sent, s->plain.len - s->plain_sent };
		ssize_t put = s->below->send(s->transport, &iov, 1);
		if (put < 0)
			return false;
		s->plain_sent += (size_t)put;
	}
	buf_free(&s->plain);
	s->plain_sent = 0;
	return true;
}

/* 0: it is over; -1 with errno. */
static ssize_t shake_hands(struct tls_session *s)
{
	char text[256];
	int rc, warnings = 0;

	if (!plain_is_out(s))
		return errno == EAGAIN || errno == EWOULDBLOCK ? not_now() : give_up(s, errno);
	do
		rc = gnutls_handshake(s->gnutls);
	while (rc == GNUTLS_E_INTERRUPTED || (rc < 0 && rc != GNUTLS_E_AGAIN && !gnutls_error_is_fatal(rc) && ++warnings < PATIENCE));
	if (rc == GNUTLS_E_AGAIN && !said_too_much(s))
		return not_now();
	if (rc == GNUTLS_E_AGAIN) {
		say_error("connection=%" PRIu64 ": TLS handshake failed: more than %d bytes of it", s->id, HANDSHAKE);
		return give_up(s, EPROTO);
	}
	if (rc < 0) {
		say_error("connection=%" PRIu64 ": TLS handshake failed: %s", s->id, reason(s, rc, text, sizeof text));
		gnutls_alert_send_appropriate(s->gnutls, rc); /* when the socket has room for it */
		return give_up(s, EPROTO);
	}
	s->up = true;
	if (say_verbose) {
		char *words = gnutls_session_get_desc(s->gnutls);
		unsigned by_kernel = gnutls_transport_is_ktls_enabled(s->gnutls);
		say_debug("connection=%" PRIu64 " TLS: %s%s", s->id, words ? words : "?", by_kernel ? ", by the kernel" : "");
		tls_lib.release(words);
	}
	s->up_call(s->transport);
	return 0;
}

/* --- receiving --- */

static ssize_t receive(struct tls_session *s, void *to, size_t len)
{
	char text[256];
	ssize_t got;
	int warnings = 0;

	if (s->failed)
		return give_up(s, s->failed);
	if (s->ended)
		return 0;
	do
		got = gnutls_record_recv(s->gnutls, to, len);
	while (got == GNUTLS_E_INTERRUPTED
	       || (got == GNUTLS_E_WARNING_ALERT_RECEIVED && ++warnings < PATIENCE)); /* what else is not fatal, is an unheard-of wish */
	if (got > 0)
		return got;
	if (got == GNUTLS_E_AGAIN)
		return not_now();
	if (got == 0 || got == GNUTLS_E_PREMATURE_TERMINATION) { /* many clients go without TLS's goodbye */
		s->ended = true;
		return 0;
	}
	say_debug("connection=%" PRIu64 " TLS: %s", s->id, reason(s, (int)got, text, sizeof text));
	gnutls_alert_send_appropriate(s->gnutls, (int)got);
	return give_up(s, EPROTO);
}

/* Until all is full or the socket is empty: then the connection can tell which by the count, as with a plain socket. */
static ssize_t tls_recv(struct transport *t, struct iovec *iov, int n)
{
	struct tls_session *s = t->tls;
	size_t sum = 0;

	if (!s->up && !s->failed && shake_hands(s) < 0)
		return -1;
	for (int i = 0; i < n; i++)
		for (size_t at = 0; at < iov[i].iov_len && sum < AT_ONCE;) {
			ssize_t got = receive(s, (char *)iov[i].iov_base + at, iov[i].iov_len - at);
			if (got <= 0)
				return sum ? (ssize_t)sum : got;
			at += (size_t)got;
			sum += (size_t)got;
		}
	return (ssize_t)sum;
}

/* --- sending --- */

/* A place in an array of pieces. */
struct place {
	const struct iovec *iov;
	int left;      /* pieces */
	size_t at;     /* bytes of the first one that are done */
};

static void go_on(struct place *p, size_t n)
{
	while (p->left && n >= p->iov->iov_len - p->at) {
		n -= p->iov->iov_len - p->at;
		p->iov++;
		p->left--;
		p->at = 0;
	}
	p->at += n;
}

/* The next bytes, *len of them at most and then exactly: where they lie together, or copied behind each other. */
static const void *next_record(struct place p, size_t *len, uint8_t *copy)
{
	size_t n = 0;
	if (p.left && p.iov->iov_len - p.at >= *len)
		return (const uint8_t *)p.iov->iov_base + p.at;
	while (p.left && n < *len) {
		size_t k = MIN(*len - n, p.iov->iov_len - p.at);
		memcpy(copy + n, (const uint8_t *)p.iov->iov_base + p.at, k);
		n += k;
		go_on(&p, k);
	}
	*len = n;
	return copy;
}

/* A record that does not fit the socket waits inside GnuTLS, which wants to be given the same bytes again.  It counts as sent
 * only then, so that the connection waits for room, and calls with what it has from that byte on. */
static ssize_t tls_send(struct transport *t, struct iovec *iov, int n)
{
	struct tls_session *s = t->tls;
	struct place p = { iov, n, 0 };
	uint8_t copy[RECORD];
	size_t sum = 0;
	ssize_t put = 0;

	if (s->failed)
		return give_up(s, s->failed);
	if (!s->up)
		return not_now();
	go_on(&p, 0); /* over empty pieces */
	while (p.left && sum < AT_ONCE) {
		size_t len = s->tried ? s->tried : RECORD;
		const void *record = next_record(p, &len, copy);
		do
			put = gnutls_record_send(s->gnutls, record, len);
		while (put == GNUTLS_E_INTERRUPTED);
		s->tried = put == GNUTLS_E_AGAIN ? len : 0;
		if (put < 0)
			break;
		sum += (size_t)put;
		go_on(&p, (size_t)put);
	}
	if (sum || put >= 0)
		return (ssize_t)sum;
	if (put == GNUTLS_E_AGAIN)
		return not_now();
	return give_up(s, put == GNUTLS_E_PUSH_ERROR && errno ? errno : EPIPE);
}

/* --- when to call again --- */

static void tls_want(struct transport *t, bool in, bool out)
{
	struct tls_session *s = t->tls;

	if (!s->up && !s->failed) {
		bool sends = s->plain.len || gnutls_record_get_direction(s->gnutls);
		s->below->want(t, in && !sends, in && sends);
		return;
	}
	s->below->want(t, in, out);
	if (in && (s->failed || s->ended || gnutls_record_check_pending(s->gnutls)))
		loop_later(t->loop, &s->more);
}

static void more_inside(struct task *task)
{
	struct tls_session *s = container_of(task, struct tls_session, more);
	s->ready(s->transport, TRANSPORT_IN);
}

static void tls_ready(struct transport *t, unsigned what)
{
	struct tls_session *s = t->tls;
	if (!s->up && what & TRANSPORT_OUT)
		what |= TRANSPORT_IN; /* the handshake goes on when it is asked for input */
	s->ready(t, what);
}

/* --- the beginning and the end --- */

static void tls_close(struct transport *t)
{
	struct tls_session *s = t->tls;

	if (s->up && !s->failed)
		gnutls_bye(s->gnutls, GNUTLS_SHUT_WR); /* when there is room; it does not wait */
	gnutls_deinit(s->gnutls);
	list_del(&s->more.link);
	buf_free(&s->plain);
	t->ops = s->below;
	t->ready = s->ready;
	t->tls = NULL;
	free(s);
	t->ops->close(t);
}

static const struct transport_ops tls_ops = { tls_recv, tls_send, tls_want, tls_close };

int tls_start(struct transport *t, const struct tls *keys, struct buf *plain, size_t sent, uint64_t id,
	      void (*up)(struct transport *))
{
	struct tls_session *s = calloc(1, sizeof *s);

	if (!s)
		return -1;
	if (gnutls_init(&s->gnutls, GNUTLS_SERVER | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL | GNUTLS_NO_TICKETS) < 0) {
		free(s);
		return -1;
	}
	if (tls_keys_use(keys, s->gnutls) < 0) {
		gnutls_deinit(s->gnutls);
		free(s);
		return -1;
	}
	if (t->is_socket && t->in == t->out && (s->counts = tcp_bytes(t->in, &s->before))) { /* it may leave the work to the kernel */
		gnutls_transport_set_int2(s->gnutls, t->in, t->out);
	} else {
		gnutls_transport_set_ptr(s->gnutls, s);
		gnutls_transport_set_pull_function(s->gnutls, pull);
		gnutls_transport_set_vec_push_function(s->gnutls, push);
	}
	s->keys = keys;
	s->transport = t;
	s->id = id;
	s->below = t->ops;
	s->ready = t->ready;
	s->up_call = up;
	s->plain = *plain;
	buf_init(plain, s->plain.limit);
	s->plain_sent = sent;
	task_init(&s->more, more_inside);
	t->ops = &tls_ops;
	t->ready = tls_ready;
	t->tls = s;
	return 0;
}

static char *take_words(int rc, gnutls_datum_t *words)
{
	char *copy = rc < 0 ? NULL : strndup((const char *)words->data, words->size);
	tls_lib.release(words->data);
	return copy;
}

int tls_peer(const struct transport *t, struct peer *p)
{
	const struct tls_session *s = t->tls;
	gnutls_datum_t words = { NULL, 0 };
	gnutls_x509_crt_t crt;
	unsigned count = 0;

	if (tls_keys_psk(s->keys)) {
		if (gnutls_psk_server_get_username2(s->gnutls, &words) < 0)
			return -1;
		p->tls_psk_user = strndup((const char *)words.data, words.size); /* a name of our file */
		return p->tls_psk_user ? 0 : -1;
	}
	if (!tls_keys_verify(s->keys))
		return 0;
	const gnutls_datum_t *chain = gnutls_certificate_get_peers(s->gnutls, &count);
	if (!count || gnutls_x509_crt_init(&crt) < 0)
		return -1;
	if (gnutls_x509_crt_import(crt, chain, GNUTLS_X509_FMT_DER) >= 0) {
		p->tls_dn = take_words(gnutls_x509_crt_get_dn3(crt, &words, 0), &words);
		words = (gnutls_datum_t){ NULL, 0 };
		p->tls_issuer_dn = take_words(gnutls_x509_crt_get_issuer_dn3(crt, &words, 0), &words);
	}
	gnutls_x509_crt_deinit(crt);
	return p->tls_dn && p->tls_issuer_dn ? 0 : -1;
}
