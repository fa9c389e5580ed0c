/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/read_fd.h"
#include "cmd/disk_kinds.h"

struct recorded {
	struct disk disk;
	int fd;                    /* -1: somebody else's file */
	struct rec_file file;      /* when it is ours */
	pthread_mutex_t lock;      /* guards at */
	struct rec_at *at;
};

static int recorded_read(struct disk *d, uint64_t off, size_t len, void *to)
{
	struct recorded *r = container_of(d, struct recorded, disk);

	pthread_mutex_lock(&r->lock);
	int rc = rec_at_read(r->at, off, len, to);
	pthread_mutex_unlock(&r->lock);
	return rc;
}

static void recorded_close(struct disk *d)
{
	struct recorded *r = container_of(d, struct recorded, disk);

	rec_at_close(r->at);
	rec_close(&r->file);
	if (r->fd >= 0)
		close(r->fd);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

static const struct disk_ops ops = { .read = recorded_read, .close = recorded_close };

static struct recorded *new_recorded(struct err *e)
{
	struct recorded *r = calloc(1, sizeof *r);

	if (!r) {
		err_set(e, "out of memory");
		return NULL;
	}
	r->disk.ops = &ops;
	r->disk.notes.limit = 4096;
	r->fd = -1;
	pthread_mutex_init(&r->lock, NULL);
	return r;
}

static int open_moment(struct recorded *r, const struct rec_file *f, uint64_t events, struct err *e)
{
	if (!(r->at = rec_at_open(f, events, e)))
		return -1;
	r->disk.size = rec_at_size(r->at);
	return 0;
}

struct disk *disk_of_recording(const struct rec_file *f, uint64_t events, struct err *e)
{
	struct recorded *r = new_recorded(e);

	if (r && open_moment(r, f, events, e) < 0) {
		recorded_close(&r->disk);
		return NULL;
	}
	return r ? &r->disk : NULL;
}

static int open_file(struct recorded *r, const char *at, struct err *e)
{
	struct stat st;
	uint64_t events;

	if (fstat(r->fd, &st) < 0)
		return err_set(e, "%s", strerror(errno));
	const struct rec_source source = { .read = read_fd, .owner = &r->fd, .size = (uint64_t)st.st_size };
	if (rec_open(&r->file, &source, e) < 0 || rec_moment(&r->file, at ? at : "", &events, e) < 0 ||
	    open_moment(r, &r->file, events, e) < 0)
		return -1;
	char damage[REC_DAMAGE_ROOM];
	if (rec_damage(&r->file, true, damage))
		buf_printf(&r->disk.notes, "%s\n", damage);
	return r->disk.size ? 0 : err_set(e, "at that moment nobody had connected yet: the disk's size is not known");
}

struct disk *disk_open_recording(int fd, const char *name, const char *at, struct err *e)
{
	struct recorded *r = new_recorded(e);
	struct err why = { 0 };

	if (!r) {
		close(fd);
		return NULL;
	}
	r->fd = fd;
	if (open_file(r, at, &why) == 0)
		return &r->disk;
	err_set(e, "%s: %s", name, why.msg);
	buf_free(&r->disk.notes);
	recorded_close(&r->disk);
	return NULL;
}
