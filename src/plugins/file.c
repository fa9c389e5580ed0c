/* SPDX-License-Identifier: BSD-2-Clause */
/* file: a regular file or block device, or the files of a directory by export name.  Parameters are those of
 * nbdkit-file-plugin(1), and engine=. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/parse.h"
#include "core/needs.h"
#include "plugins/file.h"
#include "plugins/plugins.h"

/* --- parameters --- */

/* A descriptor that our parent opened for us.  0, 1 and 2 are taken. */
static int parse_fd(const char *key, const char *value, int *fd, struct err *e)
{
	uint64_t n;
	if (parse_u64(key, value, 3, INT32_MAX, &n, e) < 0)
		return -1;
	if (fcntl((int)n, F_SETFD, FD_CLOEXEC) < 0)
		return err_set(e, "%s=%s: %s", key, value, strerror(errno));
	*fd = (int)n;
	return 0;
}

static int set_fd(void *block, const char *key, const char *value, struct err *e)
{
	struct file *f = block;
	return parse_fd(key, value, &f->fd, e);
}

static int set_dirfd(void *block, const char *key, const char *value, struct err *e)
{
	struct file *f = block;
	return parse_fd(key, value, &f->dirfd, e);
}

static int set_cache(void *block, const char *key, const char *value, struct err *e)
{
	struct file *f = block;
	f->no_cache = strcmp(value, "none") == 0;
	return f->no_cache || strcmp(value, "default") == 0 ? 0
	       : err_set(e, "%s: unknown value \"%s\": expected default or none", key, value);
}

static int set_fadvise(void *block, const char *key, const char *value, struct err *e)
{
	static const struct { const char *name; int advice; } known[] = {
		{ "normal", POSIX_FADV_NORMAL }, { "random", POSIX_FADV_RANDOM }, { "sequential", POSIX_FADV_SEQUENTIAL },
	};
	struct file *f = block;
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (strcmp(value, known[i].name) == 0) {
			f->advice = known[i].advice;
			return 0;
		}
	return err_set(e, "%s: unknown value \"%s\": expected normal, random or sequential", key, value);
}

static int set_engine(void *block, const char *key, const char *value, struct err *e)
{
	static const char *const known[] = { [ENGINE_AUTO] = "auto", [ENGINE_URING] = "uring", [ENGINE_POOL] = "pool" };
	struct file *f = block;
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (strcmp(value, known[i]) == 0) {
			f->engine = i;
			return 0;
		}
	return err_set(e, "%s: unknown value \"%s\": expected auto, uring or pool", key, value);
}

static const struct option options[] = {
	{ .key = "file", .type = OPTION_PATH, .offset = offsetof(struct file, path), .arg = "FILENAME",
	  .help = "the file or block device to serve", .magic = true },
	OPT_PATH("dir", struct file, dir_path, "DIRECTORY", "serve the files in it, by export name"),
	OPT_CALL("fd", set_fd, "N", "as file, but open already: an inherited descriptor"),
	OPT_CALL("dirfd", set_dirfd, "N", "as dir, but open already: an inherited descriptor"),
	OPT_CALL("cache", set_cache, "default|none", "none: leave little of the file in the page cache"),
	OPT_CALL("fadvise", set_fadvise, "normal|random|sequential", "how the file will be read"),
	OPT_CALL("engine", set_engine, "auto|uring|pool", "what may block: io_uring if there is one, or must be, or threads"),
	{ 0 }
};

/* --- start and stop --- */

static int check_file(const struct file *f, struct err *e)
{
	char name[32];
	struct stat st;
	int flags = 0;

	snprintf(name, sizeof name, "fd=%d", f->fd);
	const char *what = f->path ? f->path : name;
	if (f->path ? stat(f->path, &st) < 0 : fstat(f->fd, &st) < 0 || (flags = fcntl(f->fd, F_GETFL)) < 0)
		return err_set(e, "%s: %s", what, strerror(errno));
	if (S_ISDIR(st.st_mode))
		return err_set(e, "%s: a directory; %s= serves the files in it", what, f->path ? "dir" : "dirfd");
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return err_set(e, "%s: neither a regular file nor a block device", what);
	if ((flags & O_ACCMODE) == O_WRONLY || flags & (O_PATH | O_APPEND))
		return err_set(e, "%s: must be open for reading, or for reading and writing at any place", what);
	return 0;
}

static int start(struct stage *s, struct err *e)
{
	struct file *f = s->block;
	int given = !!f->path + !!f->dir_path + !!f->fd + !!f->dirfd;

	f->dir = -1;
	if (given != 1)
		return err_set(e, "you must supply either [file=]<FILENAME> or dir=<DIRNAME>, or fd= or dirfd=%s",
			       given ? ", and no two of them" : "");
	if ((f->path || f->fd) && check_file(f, e) < 0)
		return -1;
	if (f->dir_path && (f->dir = open(f->dir_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		return err_set(e, "%s: %s", f->dir_path, strerror(errno));
	if (f->dirfd && (f->dir = openat(f->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		return err_set(e, "dirfd=%d: %s", f->dirfd, strerror(errno));
	rings_init(&f->rings);
	losses_init(&f->losses);
	f->started = true;
	return 0;
}

/* By the user that serves, in the process that does. */
static int forked(struct stage *s, bool daemon, struct err *e)
{
	const struct file *f = s->block;
	struct loop l;
	if (f->engine != ENGINE_URING)
		return 0;
	if (loop_start(&l, e) < 0)
		return -1;
	struct ring *r = ring_new(&l);
	int rc = r ? 0 : err_set(e, "engine=uring: io_uring is not to be had: %s", strerror(errno));
	ring_free(r);
	loop_free(&l);
	return rc;
}

static void stop(struct stage *s)
{
	struct file *f = s->block;
	if (!f->started)
		return;
	rings_free(&f->rings);
	losses_free(&f->losses);
	if (f->dir >= 0)
		close(f->dir);
}

/* Links of the directory may lead out of it; where to is what they say now. */
static void need_links(int dir, struct needs *n)
{
	int fd = n->allow ? openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	struct stat st;

	while (d && (e = readdir(d)))
		if (e->d_type == DT_LNK || (e->d_type == DT_UNKNOWN && fstatat(dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0
					    && S_ISLNK(st.st_mode)))
			if (fstatat(dir, e->d_name, &st, 0) == 0 && (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode)))
				needs_path(n, dir, e->d_name, PATH_READ | PATH_WRITE);
	if (d)
		closedir(d);
	else if (fd >= 0)
		close(fd);
}

/* Each client opens the file anew, and asks how a block device turns. */
static void needs(const struct stage *s, struct needs *n)
{
	const struct file *f = s->block;

	n->what |= NEED_DATA | NEED_FILES | (f->engine == ENGINE_POOL ? 0 : NEED_RING);
	if (f->path)
		needs_path(n, AT_FDCWD, f->path, PATH_READ | PATH_WRITE);
	else if (f->fd)
		needs_fd(n, f->fd, PATH_READ | PATH_WRITE);
	if (f->dir >= 0) {
		needs_fd(n, f->dir, PATH_READ | PATH_WRITE | PATH_LIST);
		need_links(f->dir, n);
	}
	needs_path(n, AT_FDCWD, "/sys/devices", PATH_READ);
}

static void dump(void)
{
	printf("file_blksszget=yes\nfile_blkzeroout=yes\nfile_falloc_fl_punch_hole=yes\nfile_falloc_fl_zero_range=yes\n");
}

const struct module mod_file = {
	.name = "file",
	.longname = "a file, a block device, or a directory of them",
	.stage_size = sizeof(struct file),
	.layer_size = sizeof(struct file_export),
	.slot_size = sizeof(struct file_slot),
	.options = options,
	.start = start,
	.forked = forked,
	.stop = stop,
	.needs = needs,
	.submit = file_submit,
	.direct = file_direct,
	.dump_more = dump,
};
