/* SPDX-License-Identifier: BSD-2-Clause */
/* Which server, and how to talk to it: from parameters to a handle of libnbd's that connects. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include "base/parse.h"
#include "core/needs.h"
#include "plugins/nbd.h"

enum { DEFAULT_PORT = 10809, NAME_MAX_BYTES = 4096 }; /* proto.md, "Strings" */

/* --- the command line --- */

int target_add_arg(struct target *t, const char *value, bool command, struct err *e)
{
	size_t n = MAX(t->argc, (size_t)1); /* [0] is kept for command= */
	const char **argv = reallocarray(t->argv, n + 2, sizeof *argv);
	if (!argv)
		return err_set(e, "out of memory");
	if (!t->argc)
		argv[0] = NULL;
	t->argv = argv;
	if (command)
		argv[0] = value;
	else
		argv[n++] = value;
	argv[n] = NULL;
	t->argc = n;
	return 0;
}

void target_free(struct target *t)
{
	free(t->argv);
}

static void one_way(struct target *t, bool given, enum target_how how)
{
	if (!given)
		return;
	t->ways++;
	t->how = how;
}

/* libnbd would only say so when the first client comes. */
static int check_uri(const char *uri, struct err *e)
{
	static const char *const schemes[] = { "nbd", "nbds", "nbd+unix", "nbds+unix", "nbd+vsock", "nbds+vsock" };
	size_t n = strcspn(uri, ":");
	for (size_t i = 0; i < ARRAY_LEN(schemes); i++)
		if (strlen(schemes[i]) == n && strncmp(uri, schemes[i], n) == 0 && uri[n] == ':')
			return 0;
	return err_set(e, "uri: \"%s\" is no URI of an NBD server (nbd://HOST, nbd+unix:///?socket=PATH ...)", uri);
}

static int check_way(struct target *t, struct err *e)
{
	one_way(t, t->uri, TO_URI);
	one_way(t, t->socket, TO_SOCKET);
	one_way(t, t->hostname, TO_TCP);
	one_way(t, t->vsock, TO_VSOCK);
	one_way(t, t->has_fd, TO_FD);
	one_way(t, t->argc && t->argv[0], TO_COMMAND);
	if (t->ways != 1)
		return err_set(e, "give one of uri, socket, hostname, vsock, socket-fd and command%s",
			       t->ways ? ", not several" : ", to say which NBD server");
	if (t->argc && t->how != TO_COMMAND)
		return err_set(e, "arg goes with command");
	if (t->port && t->how != TO_TCP && t->how != TO_VSOCK)
		return err_set(e, "port goes with hostname or vsock");
	if (t->how == TO_URI)
		return check_uri(t->uri, e);
	if (t->how == TO_SOCKET && strlen(t->socket) >= sizeof((struct sockaddr_un *)NULL)->sun_path)
		return err_set(e, "socket: the path is too long for a Unix socket: %s", t->socket);
	if (t->how == TO_TCP && (!*t->hostname || (t->port && !*t->port)))
		return err_set(e, "%s: empty", *t->hostname ? "port" : "hostname");
	if (t->how == TO_FD) {
		struct stat st;
		if (fstat((int)t->fd, &st) < 0)
			return err_set(e, "socket-fd: %u: %s", t->fd, strerror(errno));
		if (!S_ISSOCK(st.st_mode))
			return err_set(e, "socket-fd: %u is not a socket", t->fd);
	}
	t->vsock_port = DEFAULT_PORT;
	if (t->how == TO_VSOCK
	    && (parse_unsigned("vsock", t->vsock, 0, UINT32_MAX, &t->cid, e) < 0
		|| (t->port && parse_unsigned("port", t->port, 0, UINT32_MAX, &t->vsock_port, e) < 0)))
		return -1;
	return 0;
}

static int check_file(const char *key, const char *path, struct err *e)
{
	struct stat st;
	return !path || stat(path, &st) == 0 ? 0 : err_set(e, "%s: %s: %s", key, path, strerror(errno));
}

int target_check(struct target *t, struct err *e)
{
	if (check_way(t, e) < 0)
		return -1;
	if (t->export && t->dynamic)
		return err_set(e, "dynamic-export: not with export, which names one");
	if (t->export && t->how == TO_URI)
		return err_set(e, "export: a URI holds the name itself");
	if (t->export && strlen(t->export) > NAME_MAX_BYTES)
		return err_set(e, "export: the name has more than %d bytes", NAME_MAX_BYTES);
	t->shared |= !target_again(t); /* there is only one connection to share */
	if (t->shared && t->dynamic)
		return err_set(e, "dynamic-export: not with a connection that is shared%s",
			       t->how == TO_FD ? ", as that of socket-fd is" : t->how == TO_COMMAND ? ", as that of command is" : "");
	if (check_file("tls-certificates", t->tls_certificates, e) < 0 || check_file("tls-psk", t->tls_psk, e) < 0)
		return -1;
	if (!t->has_tls && (t->tls_certificates || t->tls_psk || t->tls_username || t->tls_no_verify)) {
		t->has_tls = true;
		t->tls = LIBNBD_TLS_ALLOW;
	}
	struct nbd_handle *h = target_handle(t); /* what libnbd would refuse, it is to refuse now */
	if (!h)
		return err_set(e, "%s", nbd_get_error());
	bool no_uris = t->how == TO_URI && nbd_supports_uri(h) != 1;
	nbd_close(h);
	return no_uris ? err_set(e, "uri: this libnbd knows no URIs") : 0;
}

bool target_again(const struct target *t)
{
	return t->how != TO_FD && t->how != TO_COMMAND;
}

void target_needs(const struct target *t, struct needs *n)
{
	/* A URI may name files of keys, in its own spelling. */
	bool files = t->how == TO_URI && (strstr(t->uri, "tls-") || strncmp(t->uri, "nbds", 4) == 0);

	if (t->how == TO_COMMAND)
		n->what |= NEED_CHILD;
	if (target_again(t))
		n->what |= NEED_SOCKETS;
	if (t->how == TO_URI || t->how == TO_TCP || t->has_tls)
		n->what |= NEED_NAMES;
	if (t->tls_certificates)
		needs_path(n, AT_FDCWD, t->tls_certificates, PATH_READ | PATH_LIST);
	if (t->tls_psk)
		needs_path(n, AT_FDCWD, t->tls_psk, PATH_READ);
	if (files || (t->has_tls && !t->tls_certificates && !t->tls_psk))
		needs_path(n, AT_FDCWD, "/", PATH_READ | PATH_LIST);
}

bool target_blocks(const struct target *t)
{
	return t->how == TO_URI || t->how == TO_TCP || t->how == TO_COMMAND;
}

/* --- handles --- */

static int set_tls(const struct target *t, struct nbd_handle *h)
{
	if (!t->has_tls) /* a URI may ask for it */
		return 0;
	if (nbd_set_tls(h, t->tls) < 0 || (t->tls_certificates && nbd_set_tls_certificates(h, t->tls_certificates) < 0)
	    || (t->tls_no_verify && nbd_set_tls_verify_peer(h, false) < 0)
	    || (t->tls_username && nbd_set_tls_username(h, t->tls_username) < 0)
	    || (t->tls_psk && nbd_set_tls_psk_file(h, t->tls_psk) < 0))
		return -1;
	return 0;
}

struct nbd_handle *target_handle(const struct target *t)
{
	struct nbd_handle *h = nbd_create();
	if (!h)
		return NULL;
	/* Options mode even when an export is all we want: so the server's reason for a refusal comes as an errno. */
	if (nbd_set_opt_mode(h, true) < 0 || nbd_set_full_info(h, true) < 0 || nbd_add_meta_context(h, LIBNBD_CONTEXT_BASE_ALLOCATION) < 0
	    || (t->export && nbd_set_export_name(h, t->export) < 0) || nbd_set_uri_allow_local_file(h, true) < 0
	    || set_tls(t, h) < 0) {
		nbd_close(h); /* which leaves the words of the error alone */
		return NULL;
	}
	return h;
}

int target_connect(const struct target *t, struct nbd_handle *h)
{
	int rc = -1;

	switch (t->how) {
	case TO_URI:
		rc = nbd_aio_connect_uri(h, t->uri);
		break;
	case TO_SOCKET:
		rc = nbd_aio_connect_unix(h, t->socket);
		break;
	case TO_TCP:
		rc = nbd_aio_connect_tcp(h, t->hostname, t->port ? t->port : "10809");
		break;
	case TO_VSOCK:
		rc = nbd_aio_connect_vsock(h, t->cid, t->vsock_port);
		break;
	case TO_FD:
		rc = nbd_aio_connect_socket(h, (int)t->fd);
		break;
	case TO_COMMAND:
		rc = nbd_aio_connect_systemd_socket_activation(h, (char **)t->argv);
		break;
	case TO_NONE:
		break;
	}
	return rc < 0 ? call_errno(nbd_get_errno()) : 0;
}
