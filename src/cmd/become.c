/* SPDX-License-Identifier: BSD-2-Clause */
#include "cmd/become.h"
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

char *find_command(const char *command, char *path, size_t room)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

	if (n > 0) {
		self[n] = '\0';
		snprintf(path, room, "%s/blkscope-%s", dirname(self), command);
		if (access(path, X_OK) == 0)
			return path;
	}
	snprintf(path, room, "%s/blkscope-%s", LIBEXECDIR, command);
	return path;
}

void become(const char *command, char **argv, struct err *e)
{
	char path[PATH_MAX + 64];

	execv(find_command(command, path, sizeof path), argv);
	err_set(e, "cannot run %s: %s", path, strerror(errno));
}
