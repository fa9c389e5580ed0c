/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the server listens, and how a client is told. */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include "cmd/uri.h"
#include "server/listen.h"
#include "unit/test.h"

static struct err e;
static struct listeners ls;

static bool said(const char *part)
{
	return strstr(e.msg, part) != NULL;
}

#define OPEN(...) listen_open(&ls, &(struct listen_options){ __VA_ARGS__ }, &e)

static bool failed(int rc)
{
	listen_close(&ls, true);
	return rc < 0;
}

TEST(port_0_is_one_free_port_for_every_socket)
{
	CHECK_EQ_U(OPEN(.port = "0"), 0);
	CHECK(ls.port != 0 && ls.count > 0);
	for (unsigned i = 0; i < ls.count; i++) {
		struct sockaddr_in6 to; /* the port is where sockaddr_in has it */
		socklen_t len = sizeof to;
		int listening = 0;
		CHECK(getsockname(ls.fd[i], (struct sockaddr *)&to, &len) == 0);
		CHECK_EQ_U(ntohs(to.sin6_port), ls.port);
		len = sizeof listening;
		CHECK(getsockopt(ls.fd[i], SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) == 0 && listening);
	}
	listen_close(&ls, false);
}

TEST(a_port_that_is_taken_is_an_error_that_names_it)
{
	struct listeners first;
	char port[12];
	CHECK_EQ_U(OPEN(.address = "127.0.0.1", .port = "0"), 0);
	first = ls;
	snprintf(port, sizeof port, "%u", first.port);
	CHECK(failed(OPEN(.port = port)) && said(port) && said("in use"));
	listen_close(&first, false);
}

TEST(bad_ports_and_addresses_are_named)
{
	CHECK(failed(OPEN(.port = "65536")) && said("65536"));
	CHECK(failed(OPEN(.port = "99999999999999999999999")) && said("out of range"));
	CHECK(failed(OPEN(.port = "")) && said("empty port"));
	CHECK(failed(OPEN(.port = "no-such-service")) && said("no-such-service"));
	CHECK(failed(OPEN(.address = "192.0.2.77", .port = "0")) && said("192.0.2.77"));
	CHECK(failed(OPEN(.vsock = true, .port = "foo")) && said("foo"));
}

static char dir[] = "/tmp/test_listenXXXXXX";

TEST(a_unix_socket_is_made_with_an_absolute_name)
{
	struct stat st;
	CHECK(mkdtemp(dir) && chdir(dir) == 0);
	CHECK_EQ_U(OPEN(.unix_path = "s"), 0);
	CHECK(ls.unix_path[0] == '/' && stat(ls.unix_path, &st) == 0 && S_ISSOCK(st.st_mode));
	CHECK(ls.port == 0);
	listen_close(&ls, false);
	CHECK(stat("s", &st) == 0); /* stays, as nbdkit's does */
	CHECK(failed(OPEN(.unix_path = "s")) && said("in use"));
	CHECK(stat("s", &st) == 0); /* it was not ours to remove */
	CHECK(unlink("s") == 0);
	CHECK_EQ_U(OPEN(.unix_path = "s"), 0);
	listen_close(&ls, true); /* the server did not come up */
	CHECK(stat("s", &st) < 0);
	CHECK(chdir("/") == 0 && rmdir(dir) == 0);
}

TEST(a_unix_name_that_does_not_fit_or_is_empty_is_refused)
{
	char name[200];
	memset(name, 'a', sizeof name);
	name[0] = '/';
	name[107] = '\0'; /* as long as may be: it is the directory that cannot be written, or it works */
	int rc = OPEN(.unix_path = name);
	CHECK(rc == 0 || !said("too long"));
	listen_close(&ls, true);
	name[107] = 'a';
	name[108] = '\0';
	CHECK(failed(OPEN(.unix_path = name)) && said("too long") && said("107"));
	CHECK(failed(OPEN(.unix_path = "")) && said("empty"));
	CHECK(failed(OPEN(.unix_path = "/nonexistent/s")) && said("/nonexistent/s"));
}

TEST(a_private_socket_lives_in_a_directory_that_goes_with_it)
{
	struct stat st;
	char path[128];
	CHECK_EQ_U(OPEN(.unix_path = "-"), 0);
	CHECK(stat(ls.private_dir, &st) == 0 && (st.st_mode & 0777) == 0700);
	snprintf(path, sizeof path, "%s", ls.private_dir);
	listen_close(&ls, false);
	CHECK(stat(path, &st) < 0);
	listen_close(&ls, false); /* twice is fine */
}

static int activated(const char *pid, const char *fds)
{
	char own[20];
	snprintf(own, sizeof own, "%ld", (long)getpid());
	setenv("LISTEN_PID", pid ? pid : own, 1);
	setenv("LISTEN_FDS", fds, 1);
	setenv("LISTEN_FDNAMES", "x", 1);
	e.msg[0] = '\0';
	return listen_activated(&e);
}

TEST(activation_is_for_the_process_that_is_named)
{
	CHECK_EQ_U(activated(NULL, "2"), 2);
	CHECK(!getenv("LISTEN_PID") && !getenv("LISTEN_FDS") && !getenv("LISTEN_FDNAMES"));
	CHECK_EQ_U(listen_activated(&e), 0); /* nothing set */
	CHECK_EQ_U(activated("1", "2"), 0);
	CHECK_EQ_U(activated(NULL, "0"), 0);
	CHECK(activated(NULL, "x") < 0 && said("LISTEN_FDS"));
	CHECK(activated(NULL, "-1") < 0);
	CHECK(activated(NULL, "100000") < 0);
	CHECK(activated("x", "1") < 0 && said("LISTEN_PID"));
}

TEST(activation_takes_listening_sockets_only)
{
	int saved = dup(3), pipes[2];
	CHECK(pipe(pipes) == 0 && dup2(pipes[0], 3) == 3);
	CHECK(failed(listen_adopt(&ls, 1, &e)) && said("descriptor 3"));
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	CHECK(dup2(fd, 3) == 3);
	CHECK(failed(listen_adopt(&ls, 1, &e)) && said("not a listening"));
	CHECK(bind(3, (struct sockaddr *)&(struct sockaddr){ .sa_family = AF_UNIX }, sizeof(sa_family_t)) == 0);
	CHECK(listen(3, 1) == 0);
	CHECK_EQ_U(listen_adopt(&ls, 1, &e), 0);
	CHECK(ls.count == 1 && ls.fd[0] == 3);
	listen_close(&ls, false);
	if (saved >= 0)
		dup2(saved, 3);
}

static struct keys keys;

static const char *uri(struct listeners l, const char *export)
{
	static struct buf b = { .limit = 4096 };
	b.len = 0;
	return uri_add(&b, &l, &keys, export) ? buf_str(&b) : NULL;
}

TEST(a_uri_has_the_form_of_its_transport)
{
	struct listeners tcp = { .host = "localhost", .port = 10809 }, vsock = { .vsock = true, .port = 5 };
	struct listeners un = { .unix_path = (char *)"/tmp/a b?c/socket" };
	CHECK_STR(uri(tcp, ""), "nbd://localhost:10809");
	CHECK_STR(uri(tcp, "a b/c"), "nbd://localhost:10809/a%20b/c");
	CHECK_STR(uri(vsock, ""), "nbd+vsock://1:5");
	CHECK_STR(uri(vsock, "x"), "nbd+vsock://1:5/x");
	CHECK_STR(uri(un, ""), "nbd+unix://?socket=/tmp/a%20b%3Fc/socket");
	CHECK_STR(uri(un, "\xc3\xa9?&"), "nbd+unix:///%C3%A9%3F%26?socket=/tmp/a%20b%3Fc/socket");
}

TEST(a_uri_of_a_server_that_requires_tls_names_the_files)
{
	struct listeners tcp = { .host = "localhost", .port = 10809 }, vsock = { .vsock = true, .port = 5 };
	struct listeners un = { .unix_path = (char *)"/s" };
	keys = (struct keys){ .certificates = (char *)"/c&d" };
	CHECK_STR(uri(tcp, "x"), "nbd://localhost:10809/x");
	keys.required = true;
	CHECK_STR(uri(tcp, "x"), "nbds://localhost:10809/x?tls-certificates=/c%26d");
	CHECK_STR(uri(vsock, ""), "nbds+vsock://1:5?tls-certificates=/c%26d");
	CHECK_STR(uri(un, ""), "nbds+unix://?socket=/s&tls-certificates=/c%26d");
	keys = (struct keys){ .psk = (char *)"/k", .required = true };
	CHECK_STR(uri(un, "x"), "nbds+unix:///x?socket=/s&tls-psk-file=/k");
	keys = (struct keys){ 0 };
}

TEST(the_variables_of_run_survive_a_shell)
{
	struct listeners un = { .unix_path = (char *)"/tmp/it's $x`y`/s" };
	struct buf b = { .limit = 4096 };
	char line[256] = "";
	CHECK(uri_add_variables(&b, &un, &keys, "a\"b\\c"));
	CHECK(buf_printf(&b, "printf '%%s|%%s|%%s|%%s|%%s' \"$unixsocket\" \"$exportname\" \"$port\" \"$uri\" \"$nbd\""));
	setenv("SCRIPT", buf_str(&b), 1);
	FILE *sh = popen("exec sh -c \"$SCRIPT\"", "r");
	CHECK(sh && fgets(line, sizeof line, sh));
	pclose(sh);
	buf_free(&b);
	CHECK_STR(line, "/tmp/it's $x`y`/s|a\"b\\c||nbd+unix:///a%22b%5Cc?socket=/tmp/it%27s%20%24x%60y%60/s"
			"|nbd+unix:///a%22b%5Cc?socket=/tmp/it%27s%20%24x%60y%60/s");
}
