/* SPDX-License-Identifier: BSD-2-Clause */
/* Sockets that a service manager opened for us: sd_listen_fds(3) tells the rules. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/parse.h"
#include "server/listen.h"

enum { FIRST_FD = 3, FDS_MAX = 1024 };

int listen_activated(struct err *e)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	uint64_t who = 0, count = 0;
	int rc = 0;
	if (pid && fds) {
		rc = parse_u64("LISTEN_PID", pid, 0, INT32_MAX, &who, e);
		if (rc == 0 && who == (uint64_t)getpid())
			rc = parse_u64("LISTEN_FDS", fds, 0, FDS_MAX, &count, e);
	}
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	return rc < 0 ? -1 : (int)count;
}

static int check_socket(int fd, struct err *e)
{
	int type = 0, listening = 0;
	socklen_t len = sizeof type;
	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0)
		return err_set(e, "socket activation: file descriptor %d: %s", fd, strerror(errno));
	len = sizeof listening;
	getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len);
	if (type != SOCK_STREAM || !listening)
		return err_set(e, "socket activation: file descriptor %d is not a listening stream socket", fd);
	return 0;
}

int listen_adopt(struct listeners *ls, unsigned count, struct err *e)
{
	*ls = (struct listeners){ 0 };
	for (unsigned i = 0; i < count; i++)
		if (check_socket(FIRST_FD + (int)i, e) < 0)
			return -1;
	if (!(ls->fd = calloc(count, sizeof *ls->fd)))
		return err_set(e, "out of memory");
	for (unsigned i = 0; i < count; i++) {
		ls->fd[ls->count++] = FIRST_FD + (int)i;
		fcntl(ls->fd[i], F_SETFD, FD_CLOEXEC);
	}
	return 0;
}
