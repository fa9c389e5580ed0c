/* SPDX-License-Identifier: BSD-2-Clause */
#include "trace/recorder.h"
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum { ANSWER_MS = 5000 };

/* As /proc/net/unix names their sockets. */
unsigned recorder_find(const struct stat *file, struct recorder *r)
{
	char wanted[80] = "@" RECORDER_PREFIX, line[512];
	FILE *f = fopen("/proc/net/unix", "re");
	unsigned n = 0;

	if (file)
		snprintf(wanted, sizeof wanted, "@" RECORDER_PREFIX "%x:%x:%ju/", major(file->st_dev), minor(file->st_dev),
			 (uintmax_t)file->st_ino);
	while (f && fgets(line, sizeof line, f)) {
		char *name = strstr(line, wanted);
		if (!name)
			continue;
		name[strcspn(name, "\n")] = '\0';
		if (strlen(name) >= sizeof r->address.sun_path)
			continue;
		r->address = (struct sockaddr_un){ .sun_family = AF_UNIX };
		memcpy(r->address.sun_path + 1, name + 1, strlen(name + 1));
		r->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
		n++;
	}
	if (f)
		fclose(f);
	return n;
}

int recorder_mark(const struct recorder *r, const char *text, size_t len, struct err *e)
{
	struct sockaddr_un mine = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), one = 1, rc = 0;
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char answer[256];
	ssize_t n = -1;

	/* an address of our own, for the answer; the kernel adds who we are */
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &one, sizeof one) < 0
	    || bind(fd, (struct sockaddr *)&mine, sizeof(sa_family_t)) < 0
	    || sendto(fd, text, len, 0, (const struct sockaddr *)&r->address, r->len) < 0)
		rc = err_set(e, "mark: cannot reach the recorder: %s", strerror(errno));
	else if (poll(&p, 1, ANSWER_MS) != 1 || (n = recv(fd, answer, sizeof answer, 0)) < 0)
		rc = err_set(e, "mark: the recorder does not answer");
	else if (n != 2 || memcmp(answer, "ok", 2) != 0)
		rc = err_set(e, "mark: %.*s", (int)n, answer);
	if (fd >= 0)
		close(fd);
	return rc;
}
