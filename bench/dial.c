/* SPDX-License-Identifier: BSD-2-Clause */
#include "dial.h"
#include <errno.h>
#include <inttypes.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/bytes.h"

#define NBD_MAGIC 0x4e42444d41474943ull  /* NBDMAGIC */
#define OPT_MAGIC 0x49484156454f5054ull  /* IHAVEOPT */
#define REP_MAGIC 0x0003e889045565a9ull
enum { OPT_GO = 7, OPT_STRUCTURED = 8, REP_ACK = 1, REP_INFO = 3 };
enum { FIXED_NEWSTYLE = 1, NO_ZEROES = 2 };
#define MAX_REPLY 65536u /* bytes of one option reply that we are willing to read */

static int dial_unix(const char *path, struct err *e)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof a.sun_path)
		return err_set(e, "%s: path too long for a socket", path);
	strcpy(a.sun_path, path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a) == 0)
		return fd;
	err_set(e, "%s: cannot connect: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

static int dial_tcp(const char *host, const char *port, struct err *e)
{
	struct addrinfo *all, want = { .ai_socktype = SOCK_STREAM };
	int fd = -1, on = 1;
	int bad = getaddrinfo(host, port, &want, &all);
	if (bad)
		return err_set(e, "%s:%s: %s", host, port, gai_strerror(bad));
	for (struct addrinfo *a = all; a && fd < 0; a = a->ai_next) {
		fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
		if (fd < 0 || connect(fd, a->ai_addr, a->ai_addrlen) == 0)
			continue;
		err_set(e, "%s:%s: cannot connect: %s", host, port, strerror(errno));
		close(fd);
		fd = -1;
	}
	freeaddrinfo(all);
	if (fd >= 0)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	return fd;
}

int dial_connect(const char *where, struct err *e)
{
	char host[256];
	const char *colon = strrchr(where, ':');
	if (strchr(where, '/'))
		return dial_unix(where, e);
	if (!colon || (size_t)(colon - where) >= sizeof host)
		return err_set(e, "%s: neither a socket's path (with a '/') nor HOST:PORT", where);
	memcpy(host, where, colon - where);
	host[colon - where] = '\0';
	return dial_tcp(host, colon + 1, e);
}

static int get(int fd, void *p, size_t n, struct err *e)
{
	ssize_t got = n ? recv(fd, p, n, MSG_WAITALL) : 0; /* recv waits even for 0 bytes */
	if (got == (ssize_t)n)
		return 0;
	return err_set(e, "handshake: %s", got < 0 ? strerror(errno) : "the server closed the connection");
}

static int put(int fd, const void *p, size_t n, struct err *e)
{
	if (send(fd, p, n, MSG_NOSIGNAL) == (ssize_t)n)
		return 0;
	return err_set(e, "handshake: cannot send: %s", strerror(errno));
}

static int put_option(int fd, uint32_t option, const void *data, size_t len, struct err *e)
{
	uint8_t head[16 + 4200];
	if (len > sizeof head - 16)
		return err_set(e, "the export's name is too long");
	uint8_t *p = put_be32(put_be32(put_be64(head, OPT_MAGIC), option), (uint32_t)len);
	memcpy(p, data, len);
	return put(fd, head, 16 + len, e);
}

/* One reply to an option.  Its type is in *type and the first 12 bytes of its data in data. */
static int get_option_reply(int fd, uint32_t option, uint32_t *type, uint8_t data[12], struct err *e)
{
	uint8_t head[20], rest[MAX_REPLY];
	if (get(fd, head, sizeof head, e) < 0)
		return -1;
	uint32_t len = get_be32(head + 16);
	if (get_be64(head) != REP_MAGIC || get_be32(head + 8) != option || len > MAX_REPLY)
		return err_set(e, "handshake: malformed option reply");
	if (get(fd, rest, len, e) < 0)
		return -1;
	*type = get_be32(head + 12);
	if (*type & 0x80000000)
		return err_set(e, "the server refused option %" PRIu32 ": error %" PRIu32 " \"%.*s\"",
			       option, *type & 0x7fffffff, (int)MIN(len, 500u), (char *)rest);
	memset(data, 0xff, 12);
	memcpy(data, rest, MIN(len, 12u));
	return 0;
}

static int ask_structured(int fd, struct err *e)
{
	uint8_t data[12];
	uint32_t type = 0;
	if (put_option(fd, OPT_STRUCTURED, "", 0, e) < 0 || get_option_reply(fd, OPT_STRUCTURED, &type, data, e) < 0)
		return -1;
	return type == REP_ACK ? 0 : err_set(e, "handshake: unexpected reply to STRUCTURED_REPLY");
}

int dial_go(int fd, const char *export, bool structured, uint64_t *disk, struct err *e)
{
	uint8_t hello[18], flags[4], data[12], go[4 + 4096 + 2];
	size_t len = strlen(export);
	uint32_t type = 0;
	bool sized = false;
	if (len > 4096)
		return err_set(e, "the export's name is too long");
	if (get(fd, hello, sizeof hello, e) < 0)
		return -1;
	if (get_be64(hello) != NBD_MAGIC || get_be64(hello + 8) != OPT_MAGIC || !(get_be16(hello + 16) & FIXED_NEWSTYLE))
		return err_set(e, "handshake: not a fixed newstyle NBD server");
	put_be32(flags, FIXED_NEWSTYLE | (get_be16(hello + 16) & NO_ZEROES));
	if (put(fd, flags, sizeof flags, e) < 0 || (structured && ask_structured(fd, e) < 0))
		return -1;
	memcpy(put_be32(go, (uint32_t)len), export, len);
	put_be16(go + 4 + len, 0);
	if (put_option(fd, OPT_GO, go, 4 + len + 2, e) < 0)
		return -1;
	do {
		if (get_option_reply(fd, OPT_GO, &type, data, e) < 0)
			return -1;
		if (type == REP_INFO && get_be16(data) == 0) {
			*disk = get_be64(data + 2);
			sized = true;
		}
	} while (type == REP_INFO);
	return type == REP_ACK && sized ? 0 : err_set(e, "handshake: unexpected reply to GO");
}
