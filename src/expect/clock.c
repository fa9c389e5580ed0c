/* SPDX-License-Identifier: BSD-2-Clause */
#include <poll.h>
#include "expect/private.h"
#include "base/util.h"

uint64_t mx_in_ms(int ms)
{
	return ms < 0 ? MX_NEVER : monotonic_ns() + (uint64_t)ms * NS_PER_MS;
}

bool mx_over(uint64_t time)
{
	return time != MX_NEVER && monotonic_ns() >= time;
}

int mx_sleep(struct pollfd *fds, size_t n, uint64_t until)
{
	uint64_t now = until == 0 || until == MX_NEVER ? 0 : monotonic_ns(), left = until > now ? until - now : 0;
	struct timespec ts = { (time_t)(left / NS_PER_S), (long)(left % NS_PER_S) };
	return ppoll(fds, n, until == MX_NEVER ? NULL : &ts, NULL);
}
