/* SPDX-License-Identifier: BSD-2-Clause */
/* shift_clock: preloaded, sets the clock of the day (CLOCK_REALTIME) by as many seconds as the file SHIFT_CLOCK says. */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t id, struct timespec *ts)
{
	static int (*real)(clockid_t, struct timespec *);
	static int fd = -1;
	char text[32] = "";

	if (!real)
		real = (__typeof__(real))dlsym(RTLD_NEXT, "clock_gettime");
	int rc = real(id, ts);
	if (rc < 0 || id != CLOCK_REALTIME || !getenv("SHIFT_CLOCK"))
		return rc;
	if (fd < 0)
		fd = open(getenv("SHIFT_CLOCK"), O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && pread(fd, text, sizeof text - 1, 0) > 0)
		ts->tv_sec += atol(text);
	return rc;
}
