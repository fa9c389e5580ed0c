/* SPDX-License-Identifier: BSD-2-Clause */
/* fail_io: preloaded, makes calls that reach a disk fail while the directory FAIL_IO says so: by a file with the call's name
 * in it, which holds the errno; or "short", to do only half of what was asked; or "slow N", to take N ms.  Any thread. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

/* What is to be done about a call: false: as usual. */
static bool told(const char *call, bool *cut)
{
	char path[512], text[16] = "";
	const char *dir = getenv("FAIL_IO");
	int saved = errno;

	snprintf(path, sizeof path, "%s/%s", dir ? dir : "/nonexistent", call);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	if (fd >= 0)
		close(fd);
	errno = saved;
	if (n <= 0)
		return false;
	if (strncmp(text, "slow", 4) == 0) {
		usleep((useconds_t)atoi(text + 4) * 1000);
		return false;
	}
	if (strncmp(text, "short", 5) == 0 && cut)
		*cut = true;
	else
		errno = atoi(text);
	return true;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t pread64(int fd, void *p, size_t n, off64_t off)
{
	bool cut = false;
	if (told("pread", &cut) && !cut)
		return -1;
	return REAL(pread64)(fd, p, cut && n > 1 ? n / 2 : n, off);
}

ssize_t preadv64v2(int fd, const struct iovec *v, int count, off64_t off, int flags)
{
	if (told("pread", NULL))
		return -1;
	return REAL(preadv64v2)(fd, v, count, off, flags);
}

ssize_t pwritev64v2(int fd, const struct iovec *v, int count, off64_t off, int flags)
{
	bool cut = false;
	if (told("pwrite", &cut) && !cut)
		return -1;
	struct iovec half = { v->iov_base, v->iov_len > 1 ? v->iov_len / 2 : v->iov_len };
	return cut && count == 1 ? REAL(pwritev64v2)(fd, &half, 1, off, flags) : REAL(pwritev64v2)(fd, v, count, off, flags);
}

ssize_t pwrite64(int fd, const void *p, size_t n, off64_t off)
{
	bool cut = false;
	if (told("pwrite", &cut) && !cut)
		return -1;
	return REAL(pwrite64)(fd, p, cut && n > 1 ? n / 2 : n, off);
}

int fallocate64(int fd, int mode, off64_t off, off64_t len)
{
	return told("fallocate", NULL) ? -1 : REAL(fallocate64)(fd, mode, off, len);
}

int fdatasync(int fd)
{
	return told("fdatasync", NULL) ? -1 : REAL(fdatasync)(fd);
}

int sync_file_range(int fd, off64_t off, off64_t len, unsigned int flags)
{
	return told("sync_file_range", NULL) ? -1 : REAL(sync_file_range)(fd, off, len, flags);
}
