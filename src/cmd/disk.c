/* SPDX-License-Identifier: BSD-2-Clause */
#include "cmd/disk.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/read_fd.h"
#include "cmd/disk_kinds.h"

/* "nbd://", "nbds+unix://" and their like; a file may have a name of any kind, and is meant when it has a slash before. */
static bool is_uri(const char *name)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz+");
	return strncmp(name, "nbd", 3) == 0 && strncmp(name + n, "://", 3) == 0;
}

struct disk *disk_open(const char *name, const char *at, struct err *e)
{
	struct stat st;
	char magic[4];
	int fd;

	if (is_uri(name)) {
		if (!at)
			return disk_open_uri(name, e);
		err_set(e, "%s: only a recording has moments: --at=%s", name, at);
		return NULL;
	}
	fd = open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0) {
		err_set(e, "%s: %s", name, strerror(errno));
	} else if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode)) {
		err_set(e, "%s: %s", name, S_ISDIR(st.st_mode) ? strerror(EISDIR) : "neither a file nor a block device");
	} else {
		if (S_ISREG(st.st_mode) && read_fd(&fd, magic, sizeof magic, 0) == 0 && memcmp(magic, "REC1", sizeof magic) == 0)
			return disk_open_recording(fd, name, at, e);
		if (!at)
			return disk_open_image(fd, name, e);
		err_set(e, "%s: it is no recording, so it has no moments: --at=%s", name, at);
	}
	if (fd >= 0)
		close(fd);
	return NULL;
}

void disk_close(struct disk *d)
{
	if (!d)
		return;
	buf_free(&d->notes);
	d->ops->close(d);
}

void disk_give_up(struct disk *d)
{
	if (d && d->ops->give_up)
		d->ops->give_up(d);
}

uint64_t disk_size(const struct disk *d)
{
	return d->size;
}

int disk_read(struct disk *d, uint64_t off, size_t len, void *to)
{
	return off > d->size || len > d->size - off ? EINVAL : d->ops->read(d, off, len, to);
}

const char *disk_lost(const struct disk *d)
{
	return d->lost;
}

static int read_for_know(void *arg, uint64_t off, uint32_t len, void *to)
{
	return disk_read(arg, off, len, to);
}

static bool is_lost(void *arg)
{
	return disk_lost(arg);
}

struct know_disk disk_to_know(struct disk *d)
{
	return (struct know_disk){ .size = d->size, .read = read_for_know, .stop = is_lost, .arg = d };
}

const char *disk_notes(struct disk *d)
{
	return buf_str(&d->notes);
}
