/* SPDX-License-Identifier: BSD-2-Clause */
#include "web/host.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/parse.h"

/* "ADDR:PORT", "[V6]:PORT", "ADDR", "V6", ":PORT" into host and port, the port as text.  -1: too long. */
static int split(const char *text, char *host, size_t room, const char **port)
{
	const char *end = text + strlen(text), *colon = strrchr(text, ':');
	bool bracket = *text == '[';

	*port = "";
	if (bracket && (end = strchr(text, ']'))) {
		*port = end[1] == ':' ? end + 2 : end + 1;
		text++;
	} else if (!bracket && colon && colon == strchr(text, ':')) {
		end = colon;
		*port = colon + 1;
	}
	if (!end || (size_t)(end - text) >= room)
		return -1;
	memcpy(host, text, (size_t)(end - text));
	host[end - text] = '\0';
	return 0;
}

static bool is_loopback_4(struct in_addr a)
{
	return ntohl(a.s_addr) >> 24 == 127;
}

static bool is_loopback(const struct sockaddr_storage *a)
{
	if (a->ss_family == AF_INET)
		return is_loopback_4(((const struct sockaddr_in *)(const void *)a)->sin_addr);
	return a->ss_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr);
}

static int listen_at(const struct addrinfo *ai)
{
	int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	if (fd < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0 && bind(fd, ai->ai_addr, ai->ai_addrlen) == 0 &&
	    listen(fd, 64) == 0)
		return fd;
	int err = errno;
	close(fd);
	errno = err;
	return -1;
}

static void find_name(struct host *h, int fd)
{
	struct sockaddr_storage a = { 0 };
	socklen_t len = sizeof a;
	char number[INET6_ADDRSTRLEN + 20], port[8];

	getsockname(fd, (struct sockaddr *)&a, &len);
	h->loopback = is_loopback(&a);
	if (getnameinfo((struct sockaddr *)&a, len, number, sizeof number, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV))
		return;
	snprintf(h->name, sizeof h->name, strchr(number, ':') ? "[%s]:%s" : "%s:%s", number, port);
}

int host_listen(struct host *h, const char *where, struct err *e)
{
	const struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV };
	struct addrinfo *found = NULL;
	const char *text;
	uint64_t port = 0;
	char service[8];

	*h = (struct host){ 0 };
	if (split(where, h->given, sizeof h->given, &text) < 0 || (*text && parse_u64("web: the port", text, 0, 65535, &port, e) < 0))
		return e->msg[0] ? -1 : err_set(e, "web=%s: expected ADDRESS:PORT", where);
	snprintf(service, sizeof service, "%u", (unsigned)port);
	int rc = getaddrinfo(*h->given ? h->given : "127.0.0.1", service, &hints, &found);
	if (rc)
		return err_set(e, "web=%s: %s", where, gai_strerror(rc));
	int fd = listen_at(found);
	if (fd < 0)
		err_set(e, "web: cannot listen at %s port %u: %s", *h->given ? h->given : "127.0.0.1", (unsigned)port, strerror(errno));
	else
		find_name(h, fd);
	freeaddrinfo(found);
	return fd;
}

bool host_is_ours(const struct host *h, const char *header)
{
	struct in_addr v4;
	struct in6_addr v6;
	char name[256];
	const char *port;

	if (split(header, name, sizeof name, &port) < 0)
		return false;
	if (strcasecmp(name, "localhost") == 0 || (*h->given && strcasecmp(name, h->given) == 0))
		return true;
	if (inet_pton(AF_INET, name, &v4) == 1)
		return !h->loopback || is_loopback_4(v4);
	return inet_pton(AF_INET6, name, &v6) == 1 && (!h->loopback || IN6_IS_ADDR_LOOPBACK(&v6));
}

bool host_is_origin(const char *host, const char *origin)
{
	return strncasecmp(origin, "http://", 7) == 0 && strcasecmp(origin + 7, host) == 0;
}
