/* SPDX-License-Identifier: BSD-2-Clause */
#include "cmd/become.h"
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void become(const char *command, char **argv, struct err *e)
{
	char self[PATH_MAX], path[PATH_MAX + 64];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
	if (n > 0) {
		self[n] = '\0';
		snprintf(path, sizeof path, "%s/blkscope-%s", dirname(self), command);
		execv(path, argv);
	}
	snprintf(path, sizeof path, "%s/blkscope-%s", LIBEXECDIR, command);
	execv(path, argv);
	err_set(e, "cannot run %s: %s", path, strerror(errno));
}
