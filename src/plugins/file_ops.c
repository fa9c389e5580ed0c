/* SPDX-License-Identifier: BSD-2-Clause */
/* What requests do to a file: pread(2), pwrite(2), fallocate(2), fdatasync(2), lseek(2), and on block devices ioctls. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>
#include "plugins/file.h"

enum { ZERO_PIECE = 1 << 20, SECTOR = 512 };
static const uint8_t zeroes[ZERO_PIECE];

/* --- opening --- */

static bool rotational(dev_t dev)
{
	char path[64], c = '0';
	snprintf(path, sizeof path, "/sys/dev/block/%u:%u/queue/rotational", major(dev), minor(dev));
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	if (read(fd, &c, 1) != 1)
		c = '0';
	close(fd);
	return c == '1';
}

int file_open(struct file_export *x, int dir, const char *name, bool readonly, int advice, struct limits *m)
{
	int flags = O_CLOEXEC | O_NOCTTY | O_NONBLOCK; /* not to hang at a pipe; regular files don't care */
	struct stat st;
	uint64_t size;
	bool write = !readonly;

	x->fd = openat(dir < 0 ? AT_FDCWD : dir, name, (write ? O_RDWR : O_RDONLY) | flags);
	if (x->fd < 0 && write && (errno == EROFS || errno == EACCES || errno == EPERM)) {
		write = false;
		x->fd = openat(dir < 0 ? AT_FDCWD : dir, name, O_RDONLY | flags);
	}
	if (x->fd < 0)
		return errno;
	if (fstat(x->fd, &st) < 0)
		goto failed;
	x->block = S_ISBLK(st.st_mode);
	if (!x->block && !S_ISREG(st.st_mode)) {
		errno = EINVAL;
		goto failed;
	}
	size = (uint64_t)st.st_size;
	if (x->block && ioctl(x->fd, BLKGETSIZE64, &size) < 0)
		goto failed;
	posix_fadvise(x->fd, 0, 0, advice);
	x->seeks_holes = !x->block && (lseek(x->fd, 0, SEEK_HOLE) >= 0 || errno == ENXIO);
	*m = (struct limits){
		.size = size, .can_write = write, .can_flush = true, .can_trim = write, .can_extents = x->seeks_holes,
		.can_multi_conn = true, .can_fast_zero = write, .rotational = x->block && rotational(st.st_rdev),
		.zero = write ? NATIVE : NONE, .fua = write ? NATIVE : NONE, .cache = NATIVE,
	};
	return 0;
failed:;
	int err = errno;
	file_close(x);
	return err;
}

void file_close(struct file_export *x)
{
	if (x->fd >= 0)
		close(x->fd);
	x->fd = -1;
}

/* --- reading and writing --- */

bool file_try_read(const struct file_export *x, const struct req *r)
{
	struct iovec iov = { r->data, r->len };
	if (x->no_cache)
		return false;
	return preadv2(x->fd, &iov, 1, (off_t)r->off, RWF_NOWAIT) == (ssize_t)r->len;
}

static int read_all(const struct file_export *x, const struct req *r)
{
	uint8_t *to = r->data;
	for (uint64_t done = 0; done < r->len;) {
		ssize_t n = pread(x->fd, to + done, r->len - done, (off_t)(r->off + done));
		if (n < 0 && errno != EINTR)
			return errno;
		if (n == 0)
			return EIO; /* the file has become shorter than the export */
		done += n > 0 ? (uint64_t)n : 0;
	}
	if (x->no_cache)
		posix_fadvise(x->fd, (off_t)r->off, (off_t)r->len, POSIX_FADV_DONTNEED);
	return 0;
}

static int write_all(const struct file_export *x, const void *data, uint64_t off, uint64_t len)
{
	const uint8_t *from = data;
	for (uint64_t done = 0; done < len;) {
		ssize_t n = pwrite(x->fd, from + done, len - done, (off_t)(off + done));
		if (n < 0 && errno != EINTR)
			return errno;
		done += n > 0 ? (uint64_t)n : 0;
	}
	if (x->no_cache && sync_file_range(x->fd, (off_t)off, (off_t)len,
					   SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER) == 0)
		posix_fadvise(x->fd, (off_t)off, (off_t)len, POSIX_FADV_DONTNEED);
	return 0;
}

/* --- holes --- */

static bool not_supported(int err)
{
	return err == EOPNOTSUPP || err == ENOSYS || err == ENOTTY || err == EINVAL || err == ENODEV;
}

static int allocate(const struct file_export *x, int mode, const struct req *r)
{
	int rc;
	do
		rc = fallocate(x->fd, mode, (off_t)r->off, (off_t)r->len);
	while (rc < 0 && errno == EINTR);
	return rc < 0 ? errno : 0;
}

static int device_range(const struct file_export *x, unsigned long request, const struct req *r)
{
	uint64_t range[2] = { r->off, r->len };
	if (!x->block || (r->off | r->len) % SECTOR)
		return EOPNOTSUPP;
	return ioctl(x->fd, request, range) < 0 ? errno : 0;
}

static int zero_by_writing(const struct file_export *x, const struct req *r)
{
	int err = 0;
	for (uint64_t off = r->off, end = off + r->len, n; off < end && !err; off += n) {
		n = MIN(end - off, (uint64_t)ZERO_PIECE);
		err = write_all(x, zeroes, off, n);
	}
	return err;
}

static int zero(const struct file_export *x, const struct req *r)
{
	int err = EOPNOTSUPP;
	if (!(r->flags & REQ_NO_HOLE))
		err = allocate(x, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, r);
	/* On a device without help for it, ZERO_RANGE writes zeroes: not what a fast zero may do. */
	if (not_supported(err) && !(x->block && r->flags & REQ_FAST))
		err = allocate(x, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, r);
	if (not_supported(err) && !x->block) { /* tmpfs, NFS: make a hole, then fill it */
		err = allocate(x, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, r);
		if (!err && r->flags & REQ_NO_HOLE)
			err = allocate(x, FALLOC_FL_KEEP_SIZE, r);
	}
	if (not_supported(err) && !(r->flags & REQ_FAST))
		err = device_range(x, BLKZEROOUT, r); /* slow where the device has no help for it */
	if (not_supported(err) && r->flags & REQ_FAST)
		return EOPNOTSUPP;
	return not_supported(err) ? zero_by_writing(x, r) : err;
}

/* A hint: where it cannot be followed, that is no error. */
static int trim(const struct file_export *x, const struct req *r)
{
	int err = allocate(x, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, r);
	if (not_supported(err))
		err = device_range(x, BLKDISCARD, r);
	return not_supported(err) ? 0 : err;
}

/* lseek() moves the descriptor's offset, which nobody here uses. */
static int extents(const struct file_export *x, const struct req *r)
{
	struct extents *list = r->data;
	uint64_t off = r->off, end = off + r->len;
	bool more = true;

	while (off < end && more) {
		off_t data = lseek(x->fd, (off_t)off, SEEK_DATA);
		if (data < 0 && errno != ENXIO)
			return errno;
		uint64_t begin = data < 0 ? list->end : MIN((uint64_t)data, list->end);
		if (begin > off)
			more = extents_add(list, begin - off, EXTENT_HOLE | EXTENT_ZERO);
		off = begin;
		if (off >= end || !more)
			break;
		off_t hole = lseek(x->fd, (off_t)off, SEEK_HOLE);
		if (hole < 0 && errno != ENXIO)
			return errno;
		uint64_t stop = hole < 0 || (uint64_t)hole <= off ? list->end : MIN((uint64_t)hole, list->end);
		more = extents_add(list, stop - off, 0);
		off = stop;
		if (r->flags & REQ_ONE)
			break;
	}
	return 0;
}

int file_run(const struct file_export *x, struct req *r)
{
	int err = 0;

	switch (r->op) {
	case OP_READ:
		return read_all(x, r);
	case OP_WRITE:
		err = write_all(x, r->data, r->off, r->len);
		break;
	case OP_TRIM:
		err = trim(x, r);
		break;
	case OP_ZERO:
		err = zero(x, r);
		break;
	case OP_FLUSH:
		return fdatasync(x->fd) < 0 ? errno : 0;
	case OP_CACHE:
		return posix_fadvise(x->fd, (off_t)r->off, (off_t)r->len, POSIX_FADV_WILLNEED);
	case OP_EXTENTS:
		return extents(x, r);
	default:
		return EINVAL;
	}
	if (!err && r->flags & REQ_FUA && fdatasync(x->fd) < 0)
		err = errno;
	return err;
}
