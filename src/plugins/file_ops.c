/* SPDX-License-Identifier: BSD-2-Clause */
/* What requests do to a file: pread(2), pwrite(2), fallocate(2), fdatasync(2), lseek(2), and on block devices ioctls. */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#include "plugins/file.h"

enum {
	ZERO_PIECE = 1 << 20,
	FOLIO_MAX = 2 << 20,
	RUNS_A_CALL = 1 << 14, /* data and holes found in one EXTENTS: some 20 ms of looking, then the reply goes */
};
static const uint8_t zeroes[ZERO_PIECE];

/* --- cache=none --- */

/* The kernel caches in units of up to FOLIO_MAX, and forgets one only when it is asked to forget all of it: so what
 * lies before s in the same unit is named again. */
static void forget(const struct file_export *x, struct span s)
{
	uint64_t begin = s.off & ~(uint64_t)(FOLIO_MAX - 1);
	posix_fadvise(x->fd, (off_t)begin, (off_t)(s.off + s.len - begin), POSIX_FADV_DONTNEED);
}

/* Waiting for each write to be on the disk would make them slow, and only what is there can leave the cache.  So writing
 * back begins at once, and the wait comes FILE_WINDOWS writes later. */
static void evict(const struct file_export *x, struct span s)
{
	if (!s.len)
		return;
	if (sync_file_range(x->fd, (off_t)s.off, (off_t)s.len,
			    SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER) < 0)
		file_synced(x, errno); /* fdatasync(2) will not tell it again */
	forget(x, s);
}

static void evict_later(struct file_export *x, struct span s)
{
	sync_file_range(x->fd, (off_t)s.off, (off_t)s.len, SYNC_FILE_RANGE_WRITE);
	pthread_mutex_lock(&x->lock);
	struct span old = x->windows[x->oldest];
	x->windows[x->oldest] = s;
	x->oldest = (x->oldest + 1) % FILE_WINDOWS;
	pthread_mutex_unlock(&x->lock);
	evict(x, old);
}

static void evict_all(struct file_export *x)
{
	for (unsigned i = 0; i < FILE_WINDOWS; i++)
		evict_later(x, (struct span){ 0 });
}

void file_close(struct file_export *x)
{
	if (x->no_cache)
		evict_all(x);
	pthread_mutex_destroy(&x->lock);
	close(x->fd);
	x->fd = -1;
}

/* --- reading and writing --- */

uint64_t file_try(struct file_export *x, const struct req *r)
{
	struct iovec iov = { r->data, r->len };
	ssize_t n = -1;
	if (x->no_cache)
		return 0;
	if (r->op == OP_READ && x->tries_reading) {
		n = preadv2(x->fd, &iov, 1, (off_t)r->off, RWF_NOWAIT);
		x->tries_reading = n >= 0 || errno == EAGAIN;
	} else if (r->op == OP_WRITE && x->tries_writing && !(r->flags & REQ_FUA)) {
		/* ext4 does not know it; XFS does; btrfs refuses where it must copy. */
		n = pwritev2(x->fd, &iov, 1, (off_t)r->off, RWF_NOWAIT);
		if (n >= 0)
			x->tries_writing = FILE_TRIES;
		else
			x->tries_writing = errno == EAGAIN ? x->tries_writing - 1 : 0;
	}
	return n > 0 ? (uint64_t)n : 0;
}

static int read_all(const struct file_export *x, const struct req *r, uint64_t done)
{
	uint8_t *to = r->data;
	while (done < r->len) {
		ssize_t n = pread(x->fd, to + done, r->len - done, (off_t)(r->off + done));
		if (n < 0 && errno != EINTR)
			return errno;
		if (n == 0)
			return EIO; /* the file has become shorter than the export */
		done += n > 0 ? (uint64_t)n : 0;
	}
	if (x->no_cache)
		forget(x, (struct span){ r->off, r->len });
	return 0;
}

/* With RWF_DSYNC, each of the calls returns when its own bytes, and what it takes to find them again, are on stable
 * storage and the device's cache is flushed: what O_DSYNC promises, and what FUA asks for.  fdatasync(2) would
 * wait for what others wrote to the file as well. */
static int write_all(const struct file_export *x, const void *data, uint64_t off, uint64_t len, int flags)
{
	const uint8_t *from = data;
	for (uint64_t done = 0; done < len;) {
		struct iovec iov = { (void *)(from + done), len - done };
		ssize_t n = pwritev2(x->fd, &iov, 1, (off_t)(off + done), flags);
		if (n < 0 && errno != EINTR)
			return errno;
		done += n > 0 ? (uint64_t)n : 0;
	}
	return 0;
}

static int sync_data(const struct file_export *x)
{
	int rc;
	do
		rc = fdatasync(x->fd);
	while (rc < 0 && errno == EINTR);
	return file_synced(x, rc < 0 ? errno : 0);
}

static int write_req(struct file_export *x, const struct req *r, uint64_t done)
{
	const uint8_t *from = r->data;
	int flags = r->flags & REQ_FUA ? RWF_DSYNC : 0;
	int err = write_all(x, from + done, r->off + done, r->len - done, flags);
	if (flags && err == EOPNOTSUPP) { /* a file system without write_iter() */
		err = write_all(x, from + done, r->off + done, r->len - done, 0);
		if (!err)
			err = sync_data(x);
	} else if (flags) {
		file_dsynced(x, err);
	}
	if (!err && x->no_cache)
		evict_later(x, (struct span){ r->off, r->len });
	return err;
}

/* --- holes --- */

bool file_not_supported(int err)
{
	return err == EOPNOTSUPP || err == ENOSYS || err == ENOTTY || err == EINVAL || err == ENODEV;
}

int file_hole_mode(const struct req *r)
{
	return FALLOC_FL_KEEP_SIZE | (r->op == OP_ZERO && r->flags & REQ_NO_HOLE ? FALLOC_FL_ZERO_RANGE : FALLOC_FL_PUNCH_HOLE);
}

static int allocate(const struct file_export *x, int mode, struct span s)
{
	int rc;
	do
		rc = fallocate(x->fd, mode, (off_t)s.off, (off_t)s.len);
	while (rc < 0 && errno == EINTR);
	return rc < 0 ? errno : 0;
}

static int device_range(const struct file_export *x, unsigned long request, struct span s)
{
	uint64_t range[2] = { s.off, s.len };
	if (!x->block)
		return EOPNOTSUPP;
	return ioctl(x->fd, request, range) < 0 ? errno : 0;
}

/* The part of r that a device can trim or zero: whole sectors.  Of a file, all of it. */
static struct span whole_sectors(const struct file_export *x, const struct req *r)
{
	uint64_t begin = r->off, end = r->off + r->len;
	if (x->block) {
		begin = (begin + x->sector - 1) / x->sector * x->sector;
		end = end / x->sector * x->sector;
	}
	return (struct span){ begin, begin < end ? end - begin : 0 };
}

static int zero_by_writing(const struct file_export *x, uint64_t off, uint64_t end)
{
	int err = 0;
	for (uint64_t n; off < end && !err; off += n) {
		n = MIN(end - off, (uint64_t)ZERO_PIECE);
		err = write_all(x, zeroes, off, n, 0);
	}
	return err;
}

static int zero_sectors(const struct file_export *x, const struct req *r, struct span s)
{
	bool fast = r->flags & REQ_FAST;
	int zero_range = FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
	int mode = file_hole_mode(r), err = EOPNOTSUPP;

	/* On a device without help for it, ZERO_RANGE writes zeroes: not what a fast zero may do. */
	if (!(mode == zero_range && x->block && fast))
		err = allocate(x, mode, s);
	if (file_not_supported(err) && mode == punch && !(x->block && fast))
		err = allocate(x, zero_range, s);
	if (file_not_supported(err) && !x->block) { /* tmpfs, NFS: make a hole, then fill it */
		err = allocate(x, punch, s);
		if (!err && r->flags & REQ_NO_HOLE)
			err = allocate(x, FALLOC_FL_KEEP_SIZE, s);
	}
	if (file_not_supported(err) && !fast)
		err = device_range(x, BLKZEROOUT, s); /* slow where the device has no help for it */
	if (file_not_supported(err))
		err = fast ? EOPNOTSUPP : zero_by_writing(x, s.off, s.off + s.len);
	return err;
}

static int zero(const struct file_export *x, const struct req *r)
{
	struct span s = whole_sectors(x, r);
	uint64_t end = r->off + r->len;
	if (!s.len)
		return zero_by_writing(x, r->off, end); /* less than two sectors */
	int err = zero_sectors(x, r, s); /* first, since it may be refused */
	if (!err)
		err = zero_by_writing(x, r->off, s.off);
	return err ? err : zero_by_writing(x, s.off + s.len, end);
}

/* A hint: where it cannot be followed, that is no error. */
static int trim(const struct file_export *x, const struct req *r)
{
	struct span s = whole_sectors(x, r);
	if (!s.len)
		return 0;
	int err = allocate(x, file_hole_mode(r), s);
	if (file_not_supported(err))
		err = device_range(x, BLKDISCARD, s);
	return file_not_supported(err) ? 0 : err;
}

/* --- extents --- */

/* Where the next data (or hole) begins, at most at the end of the export; 0, or an errno.  What lies beyond the end of a
 * file that was cut is no hole: reading it fails, and nobody may copy it as zeroes. */
static int seek(const struct file_export *x, int whence, uint64_t off, uint64_t limit, uint64_t *at)
{
	struct stat st;
	off_t to = lseek(x->fd, (off_t)off, whence); /* moves an offset that nobody uses */
	*at = to < 0 ? limit : MIN((uint64_t)to, limit);
	if (to >= 0 || errno != ENXIO)
		return to < 0 ? errno : 0;
	if (whence == SEEK_DATA && fstat(x->fd, &st) == 0 && (uint64_t)st.st_size < limit)
		*at = MAX((uint64_t)st.st_size, off);
	return 0;
}

static int extents(const struct file_export *x, const struct req *r)
{
	struct extents *list = r->data;
	uint64_t off = r->off, end = off + r->len, at;
	int err;

	for (unsigned i = 0; i < RUNS_A_CALL && off < end; i++) {
		if ((err = seek(x, SEEK_DATA, off, list->end, &at)))
			return err;
		if (at > off && (!extents_add(list, at - off, EXTENT_HOLE | EXTENT_ZERO) || r->flags & REQ_ONE))
			break;
		off = at;
		if (off >= end)
			break;
		if ((err = seek(x, SEEK_HOLE, off, list->end, &at)))
			return err;
		if (at <= off) /* the end of a file that was cut */
			at = list->end;
		if (!extents_add(list, at - off, 0) || r->flags & REQ_ONE)
			break;
		off = at;
	}
	return 0;
}

int file_run(struct file_export *x, struct req *r, uint64_t done)
{
	int err = 0;

	switch (r->op) {
	case OP_READ:
		return read_all(x, r, done);
	case OP_WRITE:
		return write_req(x, r, done);
	case OP_TRIM:
		err = trim(x, r);
		break;
	case OP_ZERO:
		err = zero(x, r);
		break;
	case OP_FLUSH:
		return file_flushed(x, sync_data(x));
	case OP_CACHE:
		return posix_fadvise(x->fd, (off_t)r->off, (off_t)r->len, POSIX_FADV_WILLNEED);
	case OP_EXTENTS:
		return extents(x, r);
	default:
		return EINVAL;
	}
	return !err && r->flags & REQ_FUA ? sync_data(x) : err;
}
