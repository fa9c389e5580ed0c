/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/read_fd.h"
#include "base/util.h"
#include "cmd/disk_kinds.h"

struct image {
	struct disk disk;
	int fd;
	bool holes;                /* the file system tells of them */
	pthread_mutex_t lock;      /* guards the two below */
	uint64_t hole, data;       /* the last hole that was found: from there to there */
};

/* Is all of it in a hole? */
static bool in_hole(struct image *i, uint64_t off, uint64_t end)
{
	pthread_mutex_lock(&i->lock);
	if (i->holes && (off < i->hole || off >= i->data)) {
		off_t data = lseek(i->fd, (off_t)off, SEEK_DATA);
		if (data < 0 && errno == ENXIO)
			data = (off_t)i->disk.size;
		i->holes = data >= 0;
		if (data > (off_t)off) {
			i->hole = off;
			i->data = (uint64_t)data;
		}
	}
	bool is = i->holes && off >= i->hole && end <= i->data;
	pthread_mutex_unlock(&i->lock);
	return is;
}

static int image_read(struct disk *d, uint64_t off, size_t len, void *to)
{
	struct image *i = container_of(d, struct image, disk);

	if (!in_hole(i, off, off + len))
		return read_fd(&i->fd, to, len, off);
	memset(to, 0, len);
	return 0;
}

static void image_close(struct disk *d)
{
	struct image *i = container_of(d, struct image, disk);

	close(i->fd);
	pthread_mutex_destroy(&i->lock);
	free(i);
}

static const struct disk_ops ops = { .read = image_read, .close = image_close };

/* Images whose bytes are not the disk's. */
static const char *wrapped(int fd)
{
	static const struct {
		const char *magic, *name;
	} formats[] = { { "QFI\xfb", "qcow2" }, { "KDMV", "VMDK" }, { "vhdxfile", "VHDX" }, { "conectix", "VHD" }, { "<<< ", "VDI" } };
	char head[8] = { 0 };

	if (read_fd(&fd, head, sizeof head, 0))
		return NULL;
	for (size_t i = 0; i < ARRAY_LEN(formats); i++)
		if (memcmp(head, formats[i].magic, strlen(formats[i].magic)) == 0)
			return formats[i].name;
	return NULL;
}

struct disk *disk_open_image(int fd, const char *name, struct err *e)
{
	struct image *i = calloc(1, sizeof *i);
	off_t size = lseek(fd, 0, SEEK_END);
	const char *format = wrapped(fd);

	if (!i || size < 0)
		err_set(e, "%s: %s", name, i ? strerror(errno) : "out of memory");
	else if (format)
		err_set(e, "%s: a %s image: its bytes are not the disk's; serve it (qemu-nbd --read-only) and give the URI", name, format);
	if (!i || size < 0 || format) {
		free(i);
		close(fd);
		return NULL;
	}
	*i = (struct image){ .disk = { .ops = &ops, .size = (uint64_t)size }, .fd = fd, .holes = true };
	pthread_mutex_init(&i->lock, NULL);
	return &i->disk;
}
