/* SPDX-License-Identifier: BSD-2-Clause */
#include "filters/recmark.h"
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>
#include "trace/recorder.h"

struct recmark {
	struct recwriter *writer;
	int fd;
	pthread_t thread;
	atomic_bool stopping;
};

/* The sender's user; -1: not told. */
static int64_t sender(struct msghdr *m)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_CREDENTIALS) {
			struct ucred who;
			memcpy(&who, CMSG_DATA(c), sizeof who);
			return who.uid;
		}
	return -1;
}

static const char *hear(struct recmark *m, const char *text, size_t len, int64_t uid)
{
	struct rec_event e = { .type = REC_MARK, .text = (const uint8_t *)text, .text_len = (uint32_t)len };
	if (uid != 0 && uid != geteuid())
		return "only root and the user that records may set marks";
	if (!len || len > REC_TEXT_MAX || memchr(text, '\0', len))
		return "a mark is a text of 1 to 4096 bytes";
	recwriter_note(m->writer, &e, NULL);
	return "ok";
}

static void *listen_for_marks(void *arg)
{
	struct recmark *m = arg;
	while (!atomic_load(&m->stopping)) {
		char text[REC_TEXT_MAX + 1];
		_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(struct ucred))];
		struct sockaddr_un from;
		struct iovec iov = { text, sizeof text };
		struct msghdr msg = { .msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &iov, .msg_iovlen = 1,
				      .msg_control = control, .msg_controllen = sizeof control };
		ssize_t n = recvmsg(m->fd, &msg, MSG_CMSG_CLOEXEC);
		if (n < 0 && errno != EINTR)
			break; /* shut down */
		if (n < 0 || atomic_load(&m->stopping))
			continue;
		const char *answer = hear(m, text, (size_t)n, sender(&msg));
		if (msg.msg_namelen > sizeof(sa_family_t))
			sendto(m->fd, answer, strlen(answer), MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&from, msg.msg_namelen);
	}
	return NULL;
}

static socklen_t name_socket(struct sockaddr_un *a, const struct stat *st)
{
	*a = (struct sockaddr_un){ .sun_family = AF_UNIX };
	int n = snprintf(a->sun_path + 1, sizeof a->sun_path - 1, RECORDER_PREFIX "%x:%x:%ju/%d", major(st->st_dev), minor(st->st_dev),
			 (uintmax_t)st->st_ino, (int)getpid());
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
}

struct recmark *recmark_start(struct recwriter *w, const char *path, struct err *e)
{
	struct recmark *m = calloc(1, sizeof *m);
	struct sockaddr_un a;
	struct stat st;
	int one = 1, err;

	if (!m) {
		err_set(e, "record: out of memory");
		return NULL;
	}
	m->writer = w;
	m->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (m->fd < 0 || stat(path, &st) < 0 || setsockopt(m->fd, SOL_SOCKET, SO_PASSCRED, &one, sizeof one) < 0
	    || bind(m->fd, (struct sockaddr *)&a, name_socket(&a, &st)) < 0) {
		err_set(e, "record: cannot listen for marks: %s", strerror(errno));
	} else if ((err = pthread_create(&m->thread, NULL, listen_for_marks, m))) {
		err_set(e, "record: cannot start a thread: %s", strerror(err));
	} else {
		return m;
	}
	if (m->fd >= 0)
		close(m->fd);
	free(m);
	return NULL;
}

void recmark_stop(struct recmark *m)
{
	if (!m)
		return;
	atomic_store(&m->stopping, true);
	shutdown(m->fd, SHUT_RDWR); /* wakes the thread */
	pthread_join(m->thread, NULL);
	close(m->fd);
	free(m);
}

void recmark_peer(struct buf *b, const struct peer *p)
{
	char text[INET6_ADDRSTRLEN];
	const struct sockaddr_in *v4 = (const void *)&p->addr;
	const struct sockaddr_in6 *v6 = (const void *)&p->addr;

	if (!p->len)
		return;
	if (p->addr.ss_family == AF_INET && inet_ntop(AF_INET, &v4->sin_addr, text, sizeof text))
		buf_printf(b, "%s:%u", text, ntohs(v4->sin_port));
	else if (p->addr.ss_family == AF_INET6 && inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof text))
		buf_printf(b, "[%s]:%u", text, ntohs(v6->sin6_port));
	else if (p->addr.ss_family == AF_UNIX)
		buf_printf(b, "uid %" PRId64 " pid %" PRId64, p->uid, p->pid);
}
