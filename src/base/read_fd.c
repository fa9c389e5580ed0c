/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/read_fd.h"
#include <errno.h>
#include <unistd.h>

int read_fd(void *fd, void *to, size_t n, uint64_t at)
{
	while (n) {
		ssize_t got = pread(*(const int *)fd, to, n, (off_t)at);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got ? errno : EIO;
		to = (char *)to + got;
		n -= (size_t)got;
		at += (uint64_t)got;
	}
	return 0;
}
