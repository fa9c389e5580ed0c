/* SPDX-License-Identifier: BSD-2-Clause */
/* Opening a file or block device, and finding out what it can do. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>
#include "base/say.h"
#include "plugins/file.h"

enum { OPEN_FLAGS = O_CLOEXEC | O_NOCTTY | O_NONBLOCK }; /* not to hang at a pipe */

/* A partition has its disk's queue. */
static bool rotational(dev_t dev)
{
	char path[64], c = '0';
	snprintf(path, sizeof path, "/sys/dev/block/%u:%u/queue/rotational", major(dev), minor(dev));
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		snprintf(path, sizeof path, "/sys/dev/block/%u:%u/../queue/rotational", major(dev), minor(dev));
		fd = open(path, O_RDONLY | O_CLOEXEC);
	}
	if (fd < 0)
		return false;
	if (read(fd, &c, 1) != 1)
		c = '0';
	close(fd);
	return c == '1';
}

static bool in_memory(int fd)
{
	struct statfs s;
	return fstatfs(fd, &s) == 0 && (s.f_type == TMPFS_MAGIC || s.f_type == RAMFS_MAGIC);
}

/* x->fd is open, and closed again when it is not to be served. */
static int look_at(struct file_export *x, bool write, int advice, struct limits *m)
{
	struct stat st;
	uint64_t size;
	int sector = 512, err = EINVAL, flags = fcntl(x->fd, F_GETFL);

	if (flags < 0 || fstat(x->fd, &st) < 0)
		goto failed_errno;
	x->block = S_ISBLK(st.st_mode);
	x->dev = x->block ? st.st_rdev : st.st_dev;
	x->ino = x->block ? 0 : st.st_ino;
	if (!x->block && !S_ISREG(st.st_mode))
		goto failed;
	/* io_uring would take it for the wish to have EAGAIN. */
	if (flags & O_NONBLOCK && fcntl(x->fd, F_SETFL, flags & ~O_NONBLOCK) < 0)
		goto failed_errno;
	size = (uint64_t)st.st_size;
	if (x->block && (ioctl(x->fd, BLKGETSIZE64, &size) < 0 || ioctl(x->fd, BLKSSZGET, &sector) < 0))
		goto failed_errno;
	x->sector = (uint32_t)MAX(sector, 512);
	x->memory = !x->block && in_memory(x->fd);
	x->tries_reading = true;
	x->tries_writing = FILE_TRIES;
	posix_fadvise(x->fd, 0, 0, advice);
	pthread_mutex_init(&x->lock, NULL);
	*m = (struct limits){
		.size = size, .can_write = write, .can_flush = true, .can_trim = write, .can_multi_conn = true,
		.can_extents = !x->block && (lseek(x->fd, 0, SEEK_HOLE) >= 0 || errno == ENXIO),
		.can_fast_zero = write, .rotational = x->block && rotational(st.st_rdev),
		.zero = write ? NATIVE : NONE, .fua = write ? NATIVE : NONE, .cache = NATIVE,
	};
	return 0;
failed_errno:
	err = errno;
failed:
	close(x->fd);
	x->fd = -1;
	return err;
}

int file_open(struct file_export *x, int dir, const char *name, bool readonly, int advice, struct limits *m)
{
	bool write = !readonly;
	if (dir < 0)
		dir = AT_FDCWD;
	x->fd = openat(dir, name, (write ? O_RDWR : O_RDONLY) | OPEN_FLAGS);
	if (x->fd < 0 && write) {
		say_debug("file: %s cannot be opened for writing, so it is served read-only: %m", name);
		write = false;
		x->fd = openat(dir, name, O_RDONLY | OPEN_FLAGS);
	}
	return x->fd < 0 ? errno : look_at(x, write, advice, m);
}

int file_open_fd(struct file_export *x, int fd, bool readonly, int advice, struct limits *m)
{
	char path[64];
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0)
		return errno;
	bool write = !readonly && (flags & O_ACCMODE) == O_RDWR;
	/* Each connection is to have an open file of its own: of an error in writing back, the kernel tells each open
	 * file once, and a flush that missed it would be a lie.  Where that cannot be had, they share. */
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	x->fd = open(path, (write ? O_RDWR : O_RDONLY) | OPEN_FLAGS);
	if (x->fd < 0)
		x->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	return x->fd < 0 ? errno : look_at(x, write, advice, m);
}
