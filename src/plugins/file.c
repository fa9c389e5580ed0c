/* SPDX-License-Identifier: BSD-2-Clause */
/* file: a regular file or block device, or the files of a directory by export name.  Parameters are those of
 * nbdkit-file-plugin(1).
 *
 * What may block runs on a pool; a read of what the kernel has in its cache does not block, and is done at once.
 * The stage is constant after start. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "loop/pool.h"
#include "plugins/file.h"
#include "plugins/plugins.h"

enum {
	THREADS = 16,        /* calls at once, for all connections */
	TRY_MAX = 256 << 10, /* bytes that a loop copies itself */
};

struct file {
	char *path, *dir_path;
	int dir;                /* dir=: open, once started; else -1 */
	int advice;             /* POSIX_FADV_* */
	bool no_cache;
	struct pool *pool;
};

struct slot {
	struct job job;
	struct layer *layer;
	struct req *req;
	struct limits limits;   /* OPEN's */
	int err;
};

/* --- on a thread of the pool --- */

/* For a directory: no way out of it, nothing hidden. */
static bool good_export(const char *name)
{
	return *name && *name != '.' && !strchr(name, '/');
}

static int open_export(const struct file *f, struct file_export *x, const struct client *c, struct limits *m)
{
	x->no_cache = f->no_cache;
	if (f->dir < 0)
		return file_open(x, -1, f->path, c->readonly, f->advice, m);
	return good_export(c->export) ? file_open(x, f->dir, c->export, c->readonly, f->advice, m) : ENOENT;
}

static int list_exports(const struct file *f, struct exports *list)
{
	int fd = openat(f->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), err = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	struct stat st;

	if (!d) {
		err = errno;
		if (fd >= 0)
			close(fd);
		return err;
	}
	while (!err && (e = readdir(d)))
		if (good_export(e->d_name) && fstatat(f->dir, e->d_name, &st, 0) == 0 && (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode)))
			err = exports_add(list, e->d_name, NULL) < 0 ? ENOMEM : 0;
	closedir(d);
	return err;
}

static void work(struct job *j)
{
	struct slot *s = container_of(j, struct slot, job);
	const struct file *f = s->layer->stage->block;
	struct file_export *x = s->layer->data;

	switch (s->req->op) {
	case OP_OPEN:
		s->err = open_export(f, x, s->layer->client, &s->limits);
		break;
	case OP_LIST:
		s->err = list_exports(f, s->req->data);
		break;
	case OP_CLOSE:
		file_close(x);
		break;
	default:
		s->err = file_run(x, s->req);
	}
}

/* --- on the loop --- */

static void done(struct task *t)
{
	struct slot *s = container_of(t, struct slot, job.done);
	struct layer *l = s->layer;

	req_unpark(s->req);
	if (s->req->op == OP_OPEN && !s->err)
		l->limits = s->limits;
	req_up(l, s->req, s->err);
}

static void cancel(struct layer *l, struct req *r)
{
	const struct file *f = l->stage->block;
	struct slot *s = slot_of(l, r);
	if (pool_take_back(f->pool, &s->job))
		req_up(l, r, ESHUTDOWN); /* else it runs, and comes up in its own time */
}

static void submit(struct layer *l, struct req *r)
{
	const struct file *f = l->stage->block;
	struct slot *s = slot_of(l, r);

	if ((r->op != OP_LIST || f->dir < 0) && r->op != OP_CLOSE && plugin_common(l, r))
		return;
	if (r->op == OP_READ && r->len <= TRY_MAX && file_try_read(l->data, r)) {
		req_up(l, r, 0);
		return;
	}
	*s = (struct slot){ .layer = l, .req = r, .job = { .work = work, .home = l->stack->loop } };
	list_init(&s->job.link);
	task_init(&s->job.done, done);
	req_park(l, r, cancel);
	pool_run(f->pool, &s->job);
}

/* --- parameters --- */

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

static int start(struct stage *s, struct err *e)
{
	struct file *f = s->block;
	struct stat st;

	f->dir = -1;
	if (!f->path == !f->dir_path)
		return err_set(e, "you must supply either [file=]<FILENAME> or dir=<DIRNAME>%s",
			       f->path ? ", not both" : "");
	if (f->path && stat(f->path, &st) < 0)
		return err_set(e, "%s: %s", f->path, strerror(errno));
	if (f->path && !S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return err_set(e, "%s: neither a regular file nor a block device", f->path);
	if (f->dir_path && (f->dir = open(f->dir_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		return err_set(e, "%s: %s", f->dir_path, strerror(errno));
	if ((f->pool = pool_new(THREADS, e)))
		return 0;
	if (f->dir >= 0)
		close(f->dir);
	return -1;
}

static void stop(struct stage *s)
{
	struct file *f = s->block;
	if (f->pool && f->dir >= 0)
		close(f->dir);
	pool_free(f->pool);
}

static const struct option options[] = {
	{ .key = "file", .type = OPTION_PATH, .offset = offsetof(struct file, path), .arg = "FILENAME",
	  .help = "the file or block device to serve", .magic = true },
	OPT_PATH("dir", struct file, dir_path, "DIRECTORY", "serve the files in it, by export name"),
	OPT_CALL("cache", set_cache, "default|none", "none: leave little of the file in the page cache"),
	OPT_CALL("fadvise", set_fadvise, "normal|random|sequential", "how the file will be read"),
	{ 0 }
};

const struct module mod_file = {
	.name = "file",
	.longname = "a file, a block device, or a directory of them",
	.stage_size = sizeof(struct file),
	.layer_size = sizeof(struct file_export),
	.slot_size = sizeof(struct slot),
	.options = options,
	.start = start,
	.stop = stop,
	.submit = submit,
};
