/* SPDX-License-Identifier: BSD-2-Clause */
#include "server/listen.h"
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <linux/vm_sockets.h> /* last: some kernels' wants sys/socket.h before it */
#include "base/parse.h"

static int keep(struct listeners *ls, int fd, struct err *e)
{
	int *more = realloc(ls->fd, (ls->count + 1) * sizeof *more);
	if (!more) {
		close(fd);
		return err_set(e, "out of memory");
	}
	ls->fd = more;
	ls->fd[ls->count++] = fd;
	return 0;
}

static void forget_sockets(struct listeners *ls)
{
	for (unsigned i = 0; i < ls->count; i++)
		if (ls->fd[i] >= 0)
			close(ls->fd[i]);
	ls->count = 0;
}

void listen_close(struct listeners *ls, bool remove)
{
	forget_sockets(ls);
	if (ls->bound && (remove || ls->private_dir))
		unlink(ls->unix_path);
	if (ls->private_dir)
		rmdir(ls->private_dir);
	free(ls->fd);
	free(ls->unix_path);
	free(ls->private_dir);
	*ls = (struct listeners){ 0 };
}

/* What setsockcreatecon(3) does: sockets of this thread get the label; "" takes it back. */
static int label_sockets(const char *label, struct err *e)
{
	int fd = open("/proc/thread-self/attr/sockcreate", O_WRONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : write(fd, label, strlen(label));
	int saved = errno;
	if (fd >= 0)
		close(fd);
	errno = saved;
	return n < 0 ? err_set(e, "--selinux-label: cannot label the socket '%s': %s", label, strerror(errno)) : 0;
}

/* --- Unix --- */

static int private_path(struct listeners *ls, struct err *e)
{
	char dir[] = "/tmp/blkscopeXXXXXX";
	if (!mkdtemp(dir))
		return err_set(e, "-U -: cannot make a directory %s: %s", dir, strerror(errno));
	ls->private_dir = strdup(dir);
	if (ls->private_dir && asprintf(&ls->unix_path, "%s/socket", dir) >= 0)
		return 0;
	rmdir(dir);
	free(ls->private_dir);
	ls->unix_path = ls->private_dir = NULL;
	return err_set(e, "out of memory");
}

/* Absolute, since the --run command may change directory. */
static int absolute_path(struct listeners *ls, const char *path, struct err *e)
{
	if (!*path)
		return err_set(e, "-U: empty file name");
	if (*path == '/')
		return (ls->unix_path = strdup(path)) ? 0 : err_set(e, "out of memory");
	char *dir = getcwd(NULL, 0);
	if (!dir)
		return err_set(e, "-U %s: cannot tell the current directory: %s", path, strerror(errno));
	if (asprintf(&ls->unix_path, "%s/%s", dir, path) < 0)
		ls->unix_path = NULL;
	free(dir);
	return ls->unix_path ? 0 : err_set(e, "out of memory");
}

static int open_unix(struct listeners *ls, const char *path, struct err *e)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	if ((strcmp(path, "-") == 0 ? private_path(ls, e) : absolute_path(ls, path, e)) < 0)
		return -1;
	size_t len = strlen(ls->unix_path);
	if (len >= sizeof to.sun_path)
		return err_set(e, "-U: path too long: length %zu > max %zu bytes: %s", len, sizeof to.sun_path - 1, ls->unix_path);
	memcpy(to.sun_path, ls->unix_path, len);

	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_set(e, "socket: %s", strerror(errno));
	ls->bound = bind(fd, (struct sockaddr *)&to, sizeof to) == 0;
	if (!ls->bound || listen(fd, SOMAXCONN) < 0) {
		err_set(e, "-U %s: %s", ls->unix_path, strerror(errno));
		close(fd);
		return -1;
	}
	return keep(ls, fd, e);
}

/* --- vsock --- */

static int open_vsock(struct listeners *ls, const char *port, struct err *e)
{
	struct sockaddr_vm to = { .svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY };
	unsigned number = 0;
	if (parse_unsigned("-p", port, 1, UINT32_MAX - 1, &number, e) < 0)
		return -1;
	to.svm_port = number;
	int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_set(e, "--vsock: %s", strerror(errno));
	if (bind(fd, (struct sockaddr *)&to, sizeof to) < 0 || listen(fd, SOMAXCONN) < 0) {
		err_set(e, "--vsock port %u: %s", number, strerror(errno));
		close(fd);
		return -1;
	}
	ls->vsock = true;
	ls->port = number;
	return keep(ls, fd, e);
}

/* --- TCP --- */

/* The port in an address, and setting it. */
static uint16_t *port_of(struct sockaddr *to)
{
	return to->sa_family == AF_INET6 ? &((struct sockaddr_in6 *)to)->sin6_port : &((struct sockaddr_in *)to)->sin_port;
}

/* -1 with errno. */
static int tcp_socket(const struct addrinfo *ai, const struct sockaddr *to)
{
	static const int on = 1;
	int fd = socket(ai->ai_family, ai->ai_socktype | SOCK_CLOEXEC, ai->ai_protocol);
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (ai->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
	if (bind(fd, to, ai->ai_addrlen) < 0 || listen(fd, SOMAXCONN) < 0) {
		int saved = errno;
		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

static int bind_failed(const struct addrinfo *ai, unsigned port, int error, struct err *e)
{
	char host[NI_MAXHOST] = "?";
	getnameinfo(ai->ai_addr, ai->ai_addrlen, host, sizeof host, NULL, 0, NI_NUMERICHOST);
	return err_set(e, "cannot listen on %s port %u: %s", host, port, strerror(error));
}

/* A hosts file may give one address twice. */
static bool seen_before(const struct addrinfo *list, const struct addrinfo *ai)
{
	for (; list != ai; list = list->ai_next)
		if (list->ai_addrlen == ai->ai_addrlen && memcmp(list->ai_addr, ai->ai_addr, ai->ai_addrlen) == 0)
			return true;
	return false;
}

/* A socket for every address.  What this machine cannot do (no IPv6, say) is left out as long as one
 * address works; a port that somebody else has is an error even then, or clients would find him.
 * Returns that errno, or 0. */
static int bind_all(struct listeners *ls, const struct addrinfo *list, unsigned port, struct err *e)
{
	int missing = 0;
	const struct addrinfo *which = NULL;
	for (const struct addrinfo *ai = list; ai; ai = ai->ai_next) {
		struct sockaddr_storage to = { 0 };
		if (seen_before(list, ai))
			continue;
		memcpy(&to, ai->ai_addr, ai->ai_addrlen);
		*port_of((struct sockaddr *)&to) = htons((uint16_t)port);
		int fd = tcp_socket(ai, (struct sockaddr *)&to);
		if (fd < 0 && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL)) {
			missing = errno;
			which = ai;
			continue;
		}
		if (fd < 0) {
			int saved = errno;
			return bind_failed(ai, port, saved, e), saved;
		}
		socklen_t len = sizeof to;
		if (getsockname(fd, (struct sockaddr *)&to, &len) == 0)
			port = ntohs(*port_of((struct sockaddr *)&to)); /* -p 0: the same for all */
		if (keep(ls, fd, e) < 0)
			return ENOMEM;
	}
	ls->port = port;
	if (ls->count == 0)
		return bind_failed(which, port, missing, e), missing;
	return 0;
}

/* How a client of this machine says it: localhost; a number when only one outer address is served,
 * or only IPv6, which localhost need not mean. */
static void name_host(struct listeners *ls, const struct addrinfo *ai)
{
	const struct sockaddr_in *v4 = (const void *)ai->ai_addr;
	const struct sockaddr_in6 *v6 = (const void *)ai->ai_addr;
	bool is_v6 = ai->ai_family == AF_INET6;
	bool local = is_v6 ? IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr) || IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr)
		   : v4->sin_addr.s_addr == htonl(INADDR_ANY) || v4->sin_addr.s_addr == htonl(INADDR_LOOPBACK);
	char host[NI_MAXHOST];

	for (; ai && local && is_v6; ai = ai->ai_next)
		is_v6 = ai->ai_family == AF_INET6;
	strcpy(ls->host, is_v6 ? "[::1]" : "localhost");
	if (!local && getnameinfo(ai->ai_addr, ai->ai_addrlen, host, sizeof host, NULL, 0, NI_NUMERICHOST) == 0)
		snprintf(ls->host, sizeof ls->host, is_v6 ? "[%s]" : "%s", host);
}

/* getaddrinfo() takes any number modulo 65536; a person wants to be told. */
static int check_port(const char *port, struct err *e)
{
	bool number = port[strspn(port, "0123456789")] == '\0';
	if (!*port)
		return err_set(e, "-p: empty port");
	if (number && strtoull(port, NULL, 10) > UINT16_MAX)
		return err_set(e, "-p: port number out of range 0 to 65535: %s", port);
	return 0; /* or a name such as nbd: getaddrinfo() tells */
}

static int open_tcp(struct listeners *ls, const struct listen_options *o, const char *port, struct err *e)
{
	const struct addrinfo hints = { .ai_flags = AI_PASSIVE, .ai_family = o->family, .ai_socktype = SOCK_STREAM };
	struct addrinfo *list;
	int rc, tries = 20;

	if (check_port(port, e) < 0)
		return -1;
	rc = getaddrinfo(o->address, port, &hints, &list);
	if (rc != 0)
		return err_set(e, "cannot listen on %s port %s: %s", o->address ? o->address : "any address", port,
			       rc == EAI_SYSTEM ? strerror(errno) : gai_strerror(rc));
	unsigned wanted = ntohs(*port_of(list->ai_addr));
	while ((rc = bind_all(ls, list, wanted, e)) == EADDRINUSE && wanted == 0 && --tries > 0)
		forget_sockets(ls); /* the port was free for one family only */
	name_host(ls, list);
	freeaddrinfo(list);
	return rc == 0 ? 0 : -1;
}

int listen_open(struct listeners *ls, const struct listen_options *o, struct err *e)
{
	const char *port = o->port ? o->port : LISTEN_PORT;
	*ls = (struct listeners){ 0 };
	if (o->label && label_sockets(o->label, e) < 0)
		return -1;
	int rc = o->unix_path ? open_unix(ls, o->unix_path, e)
	       : o->vsock ? open_vsock(ls, port, e) : open_tcp(ls, o, port, e);
	if (o->label && rc == 0)
		rc = label_sockets("", e);
	return rc;
}
