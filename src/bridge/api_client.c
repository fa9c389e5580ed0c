/* SPDX-License-Identifier: BSD-2-Clause */
/* Who is served, and strings that live as long: nbdkit-plugin(3), "Peer name", "Export name", "String lifetime". */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bridge/context.h"
#include "nbdkit-plugin.h"

static struct interned *server_strings; /* until the process ends */
static pthread_mutex_t strings_lock = PTHREAD_MUTEX_INITIALIZER; /* of all chains: requests of a connection run side by side */

static const struct client *client(const char *function)
{
	if (context && context->client)
		return context->client;
	nbdkit_error("%s: there is no connection here", function);
	errno = EINVAL;
	return NULL;
}

const char *nbdkit_export_name(void)
{
	const struct client *c = client("nbdkit_export_name");
	if (!c || context->export)
		return c ? context->export : NULL;
	nbdkit_error("nbdkit_export_name: no export is chosen yet");
	errno = EINVAL;
	return NULL;
}

int nbdkit_is_tls(void)
{
	const struct client *c = client("nbdkit_is_tls");
	return c ? c->tls : -1;
}

int nbdkit_peer_name(struct sockaddr *addr, socklen_t *addrlen)
{
	const struct client *c = client("nbdkit_peer_name");
	if (!c)
		return -1;
	if (!c->peer.len) {
		nbdkit_error("nbdkit_peer_name: the client has no address");
		errno = ENOTSOCK;
		return -1;
	}
	memcpy(addr, &c->peer.addr, MIN(*addrlen, c->peer.len));
	*addrlen = c->peer.len;
	return 0;
}

static int64_t peer_number(const char *function, int64_t (*get)(const struct peer *))
{
	const struct client *c = client(function);
	if (c && get(&c->peer) < 0) {
		nbdkit_error("%s: only known of clients on Unix sockets", function);
		errno = ENOTSUP;
	}
	return c ? get(&c->peer) : -1;
}

static int64_t get_pid(const struct peer *p) { return p->pid; }
static int64_t get_uid(const struct peer *p) { return p->uid; }
static int64_t get_gid(const struct peer *p) { return p->gid; }
int64_t nbdkit_peer_pid(void) { return peer_number("nbdkit_peer_pid", get_pid); }
int64_t nbdkit_peer_uid(void) { return peer_number("nbdkit_peer_uid", get_uid); }
int64_t nbdkit_peer_gid(void) { return peer_number("nbdkit_peer_gid", get_gid); }

static char *copy(const char *text)
{
	char *s = strdup(text);
	if (!s)
		nbdkit_error("out of memory");
	return s;
}

char *nbdkit_peer_security_context(void)
{
	const struct client *c = client("nbdkit_peer_security_context");
	if (c && !c->peer.label)
		nbdkit_debug("nbdkit_peer_security_context: the client's socket has no label");
	return c && c->peer.label ? copy(c->peer.label) : NULL;
}

/* "" when there is none: only certificates that were verified count. */
char *nbdkit_peer_tls_dn(void)
{
	const struct client *c = client("nbdkit_peer_tls_dn");
	return c ? copy(c->peer.tls_dn ? c->peer.tls_dn : "") : NULL;
}

char *nbdkit_peer_tls_issuer_dn(void)
{
	const struct client *c = client("nbdkit_peer_tls_issuer_dn");
	return c ? copy(c->peer.tls_issuer_dn ? c->peer.tls_issuer_dn : "") : NULL;
}

void nbdkit_disconnect(int force)
{
	const struct client *c = client("nbdkit_disconnect");
	if (c && context->stack)
		stack_leave(context->stack, force ? LEAVE_AT_ONCE : LEAVE_WHEN_ANSWERED);
}

/* --- interned strings --- */

static const char *keep(struct interned *s)
{
	if (!s) {
		nbdkit_error("out of memory");
		return NULL;
	}
	struct interned **strings = context && context->strings ? context->strings : &server_strings;
	pthread_mutex_lock(&strings_lock);
	s->next = *strings;
	*strings = s;
	pthread_mutex_unlock(&strings_lock);
	return s->text;
}

void interned_free(struct interned **strings)
{
	while (*strings) {
		struct interned *s = *strings;
		*strings = s->next;
		free(s);
	}
}

const char *nbdkit_strndup_intern(const char *str, size_t n)
{
	size_t len = str ? strnlen(str, n) : 0;
	struct interned *s = str ? malloc(sizeof *s + len + 1) : NULL;
	if (s) {
		memcpy(s->text, str, len);
		s->text[len] = '\0';
	}
	return keep(s);
}

const char *nbdkit_strdup_intern(const char *str)
{
	return nbdkit_strndup_intern(str, SIZE_MAX);
}

const char *nbdkit_vprintf_intern(const char *fmt, va_list ap)
{
	char *text;
	if (vasprintf(&text, fmt, ap) < 0)
		return keep(NULL);
	const char *s = nbdkit_strdup_intern(text);
	free(text);
	return s;
}

const char *nbdkit_printf_intern(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	const char *s = nbdkit_vprintf_intern(fmt, ap);
	va_end(ap);
	return s;
}
