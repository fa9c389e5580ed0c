/* SPDX-License-Identifier: BSD-2-Clause */
#include "cmd/mark.h"
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/util.h"
#include "filters/recmark.h"

enum { ANSWER_MS = 5000 };

/* The socket of the recorder of the file (st NULL: of any), as /proc/net/unix names it.  How many there are. */
static unsigned find_recorders(const struct stat *st, struct sockaddr_un *a, socklen_t *len)
{
	char wanted[80] = "@" RECMARK_PREFIX, line[512];
	FILE *f = fopen("/proc/net/unix", "re");
	unsigned n = 0;

	if (st)
		snprintf(wanted, sizeof wanted, "@" RECMARK_PREFIX "%x:%x:%ju/", major(st->st_dev), minor(st->st_dev),
			 (uintmax_t)st->st_ino);
	while (f && fgets(line, sizeof line, f)) {
		char *name = strstr(line, wanted);
		if (!name)
			continue;
		name[strcspn(name, "\n")] = '\0';
		if (strlen(name) >= sizeof a->sun_path)
			continue;
		*a = (struct sockaddr_un){ .sun_family = AF_UNIX };
		memcpy(a->sun_path + 1, name + 1, strlen(name + 1));
		*len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
		n++;
	}
	if (f)
		fclose(f);
	return n;
}

static int send_mark(const struct sockaddr_un *a, socklen_t len, const char *text, struct err *e)
{
	struct sockaddr_un mine = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), one = 1, rc = 0;
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char answer[256];
	ssize_t n = -1;

	/* an address of our own, for the answer; the kernel adds who we are */
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &one, sizeof one) < 0
	    || bind(fd, (struct sockaddr *)&mine, sizeof(sa_family_t)) < 0
	    || sendto(fd, text, strlen(text), 0, (const struct sockaddr *)a, len) < 0)
		rc = err_set(e, "mark: cannot reach the recorder: %s", strerror(errno));
	else if (poll(&p, 1, ANSWER_MS) != 1 || (n = recv(fd, answer, sizeof answer, 0)) < 0)
		rc = err_set(e, "mark: the recorder does not answer");
	else if (n != 2 || memcmp(answer, "ok", 2) != 0)
		rc = err_set(e, "mark: %.*s", (int)n, answer);
	if (fd >= 0)
		close(fd);
	return rc;
}

int command_mark(int argc, char **argv, struct err *e)
{
	static const char option[] = "--recording=";
	const char *file = NULL;
	struct sockaddr_un a;
	socklen_t len = 0;
	struct stat st;

	if (argc > 1 && strncmp(argv[1], option, strlen(option)) == 0) {
		file = argv[1] + strlen(option);
		argc--;
		argv++;
	}
	if (argc != 2)
		return err_set(e, "usage: blkscope mark [--recording=FILE] TEXT");
	if (!*argv[1] || strlen(argv[1]) > REC_TEXT_MAX)
		return err_set(e, "mark: a mark is a text of 1 to 4096 bytes");
	if (file && stat(file, &st) < 0)
		return err_set(e, "mark: %s: %s", file, strerror(errno));
	unsigned n = find_recorders(file ? &st : NULL, &a, &len);
	if (n == 0)
		return err_set(e, file ? "mark: nobody records to %s" : "mark: nobody records", file);
	if (n > 1)
		return err_set(e, "mark: %u recordings are being made: which one? --recording=FILE", n);
	return send_mark(&a, len, argv[1], e);
}

char **command_at(int argc, char **argv, struct err *e)
{
	bool moment = argc > 2 && argv[2][0] != '-';
	char **words = calloc((size_t)argc + 6, sizeof *words), **w = words, *rec, *at = NULL;

	if (argc < 2 || argv[1][0] == '-') {
		free(words);
		err_set(e, "usage: blkscope at RECORDING [MOMENT] [OPTION]...: see blkscope-at(1)");
		return NULL;
	}
	if (!words || asprintf(&rec, "recording=%s", argv[1]) < 0
	    || (moment && asprintf(&at, "at=%s", argv[2] + (argv[2][0] == '@')) < 0)) {
		err_set(e, "at: out of memory");
		return NULL;
	}
	*w++ = argv[0];
	/* One moment may be written to; of many, each is as it was. */
	if (moment)
		*w++ = (char *)"--filter=cow";
	for (int i = moment ? 3 : 2; i < argc; i++)
		*w++ = argv[i];
	*w++ = (char *)"recording";
	*w++ = rec;
	if (moment)
		*w++ = at;
	return words;
}
