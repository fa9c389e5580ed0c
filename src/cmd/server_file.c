/* SPDX-License-Identifier: BSD-2-Clause */
#include "cmd/server_file.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "view/cursor.h"

#define HEAD 65536 /* bytes of a file that are looked at */

bool is_socket(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && S_ISSOCK(st.st_mode);
}

/* Who listens there; -1: e says why that is not known. */
static pid_t find_server(const char *path, struct err *e)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct ucred who = { 0 };
	socklen_t len = sizeof who;

	if (strlen(path) >= sizeof a.sun_path)
		return err_set(e, "%s: too long for a socket's name", path);
	memcpy(a.sun_path, path, strlen(path));
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), rc = 0;
	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof a) < 0)
		rc = err_set(e, "%s: no server answers: %s", path, strerror(errno));
	else if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0 || who.pid <= 0)
		rc = err_set(e, "%s: the kernel does not say who listens", path);
	if (fd >= 0)
		close(fd);
	return rc < 0 ? -1 : who.pid;
}

/* Is descriptor name of the process open for writing? */
static bool writes(pid_t pid, const char *name)
{
	char path[300], line[128];
	unsigned flags = 0;

	snprintf(path, sizeof path, "/proc/%d/fdinfo/%s", (int)pid, name);
	FILE *f = fopen(path, "re");
	while (f && fgets(line, sizeof line, f))
		if (sscanf(line, "flags: %o", &flags) == 1)
			break;
	if (f)
		fclose(f);
	return (flags & O_ACCMODE) != O_RDONLY;
}

enum what { NOTHING, LOG, RECORDING }; /* the better the later */

/* What the file at hand holds. */
static enum what kind_of(const char *path)
{
	static char head[HEAD];
	struct log_reader r = { 0 };
	struct event ev;
	struct stat st;
	ssize_t n = -1;

	if (stat(path, &st) < 0 || !S_ISREG(st.st_mode)) /* opening a device or a FIFO may do something */
		return NOTHING;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd >= 0)
		n = pread(fd, head, sizeof head, 0);
	if (fd >= 0)
		close(fd);
	const char *p = head;
	if (n > 0 && tape_is_recording(head, (size_t)n))
		return RECORDING;
	return n > 0 && log_next(&r, &p, head + n, &ev) ? LOG : NOTHING;
}

/* The name that the file has, if it is the same file from here; else what /proc calls it. */
static void name_it(const char *link, char *to, size_t room)
{
	char path[PATH_MAX];
	struct stat a, b;
	ssize_t n = readlink(link, path, sizeof path - 1);

	if (n > 0)
		path[n] = '\0';
	bool same = n > 0 && stat(path, &a) == 0 && stat(link, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
	snprintf(to, room, "%s", same ? path : link);
}

int server_file(const char *socket, char *to, size_t room, struct err *e)
{
	pid_t pid = find_server(socket, e);
	enum what best = NOTHING;
	char folder[40], path[320];

	if (pid < 0)
		return -1;
	snprintf(folder, sizeof folder, "/proc/%d/fd", (int)pid);
	DIR *d = opendir(folder);
	if (!d)
		return err_set(e, "%s: cannot look into its server, process %d: %s", socket, (int)pid, strerror(errno));
	for (struct dirent *i; (i = readdir(d));) {
		snprintf(path, sizeof path, "%s/%s", folder, i->d_name);
		enum what is = i->d_name[0] != '.' && writes(pid, i->d_name) ? kind_of(path) : NOTHING;
		if (is > best) {
			best = is;
			name_it(path, to, room);
		}
	}
	closedir(d);
	return best ? 0 : err_set(e, "%s: its server, process %d, writes neither a log nor a recording (--filter=record)", socket,
				  (int)pid);
}
