/* SPDX-License-Identifier: BSD-2-Clause */
/* recording: the disk as it was, out of a recording that the record filter made.
 * The moment is the export: "@12.3s", "@event=841", "@mark=mkfs"; "" is what at= says, or the end.  Read-only: put the cow filter
 * on top to write.  What reads the file may block and runs on the loop's pool.
 *
 * Threads: the recording is constant once start() has returned; a moment is shared by those who have it open, under its lock. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/read_fd.h"
#include "base/say.h"
#include "core/needs.h"
#include "loop/pool.h"
#include "plugins/plugins.h"
#include "trace/rec_at.h"

enum { LISTED_MAX = 1000 };     /* marks that are listed as exports */

/* A moment that somebody has open. */
struct moment {
	struct list link;
	uint64_t events;
	unsigned users;
	pthread_mutex_t lock;   /* guards disk */
	struct rec_at *disk;
};

struct recording {
	char *path;
	const char *at;
	uint64_t size;          /* 0: as the recording tells */
	int fd;
	bool opened;
	struct rec_file file;
	pthread_mutex_t lock;   /* guards moments and their users */
	struct list moments;
};

struct opened {
	struct moment *moment;
};

struct slot {
	struct job job;
	struct layer *layer;
	struct req *req;
	uint64_t size;
	int err;
};

/* --- on a thread of the pool --- */

/* The moment's disk, opened now or by somebody before.  NULL with e set. */
static struct moment *get_moment(struct recording *g, uint64_t events, struct err *e)
{
	struct moment *m = NULL;
	uint64_t lost;
	pthread_mutex_lock(&g->lock);
	list_for_each_safe(&g->moments, link, next)
		if (list_entry(link, struct moment, link)->events == events)
			m = list_entry(link, struct moment, link);
	if (!m) {
		struct rec_at *disk = rec_at_open(&g->file, events, e);
		m = disk ? calloc(1, sizeof *m) : NULL;
		if (m) {
			m->events = events;
			m->disk = disk;
			pthread_mutex_init(&m->lock, NULL);
			list_add_tail(&g->moments, &m->link);
			if (rec_has_loss(&g->file, events, &lost))
				say_error("recording: %s: requests are missing at event %llu, and maybe later: "
					  "what they wrote is not there", g->path, (unsigned long long)lost);
		} else if (disk) {
			rec_at_close(disk);
			err_set(e, "out of memory");
		}
	}
	if (m)
		m->users++;
	pthread_mutex_unlock(&g->lock);
	return m;
}

static void put_moment(struct recording *g, struct moment *m)
{
	pthread_mutex_lock(&g->lock);
	bool last = --m->users == 0;
	if (last)
		list_del(&m->link);
	pthread_mutex_unlock(&g->lock);
	if (!last)
		return;
	rec_at_close(m->disk);
	pthread_mutex_destroy(&m->lock);
	free(m);
}

static int open_moment(struct recording *g, struct opened *o, const char *name, uint64_t *size)
{
	uint64_t events;
	struct err e;

	if (*name && (*name != '@' || g->at)) /* with at= there is one moment: what is on top may keep writes for it */
		return ENOENT;
	if (rec_moment(&g->file, *name ? name + 1 : g->at ? g->at : "", &events, &e) < 0 || !(o->moment = get_moment(g, events, &e))) {
		say_error("recording: export \"%s\": %s", name, e.msg);
		return ENOENT;
	}
	*size = g->size ? g->size : rec_at_size(o->moment->disk);
	return 0;
}

static int map_disk(struct moment *m, const struct req *r)
{
	struct extents *x = r->data;
	struct buf map = { .limit = SIZE_MAX };
	int err = rec_at_map(m->disk, r->off, r->len, &map);
	uint64_t at = r->off;

	for (size_t i = 0; !err && i < map.len / sizeof(struct rec_extent); i++) {
		const struct rec_extent *e = (const struct rec_extent *)(const void *)map.p + i;
		uint32_t flags = e->addr == REC_ZEROES ? EXTENT_HOLE | EXTENT_ZERO : 0;
		if ((e->off > at && !extents_add(x, e->off - at, EXTENT_HOLE | EXTENT_ZERO)) || !extents_add(x, e->len, flags))
			break;
		at = e->off + e->len;
	}
	if (!err && at < r->off + r->len)
		extents_add(x, r->off + r->len - at, EXTENT_HOLE | EXTENT_ZERO);
	buf_free(&map);
	return err;
}

static int list_moments(struct recording *g, struct exports *x)
{
	struct rec_marks marks = { .max = LISTED_MAX };
	int rc = exports_add(x, "", NULL);
	if (rc == 0 && !g->at)
		rc = rec_list_marks(&g->file, &marks);
	for (size_t i = 0; rc == 0 && i < marks.count; i++) {
		char name[REC_TEXT_MAX + 8];
		snprintf(name, sizeof name, "@mark=%s", marks.at[i].text);
		if (strlen(name) <= REC_TEXT_MAX)
			rc = exports_add(x, name, NULL);
	}
	rec_free_marks(&marks);
	return rc < 0 ? ENOMEM : 0;
}

static void work(struct job *j)
{
	struct slot *s = container_of(j, struct slot, job);
	struct layer *l = s->layer;
	struct recording *g = l->stage->block;
	struct opened *o = l->data;
	struct req *r = s->req;

	switch (r->op) {
	case OP_OPEN:
		s->err = open_moment(g, o, l->client->export, &s->size);
		break;
	case OP_LIST:
		s->err = list_moments(g, r->data);
		break;
	case OP_CLOSE:
		put_moment(g, o->moment);
		break;
	default:
		pthread_mutex_lock(&o->moment->lock);
		s->err = r->op == OP_READ ? rec_at_read(o->moment->disk, r->off, r->len, r->data) : map_disk(o->moment, r);
		pthread_mutex_unlock(&o->moment->lock);
	}
}

/* --- on the loop --- */

static void done(struct task *t)
{
	struct slot *s = container_of(t, struct slot, job.done);
	struct layer *l = s->layer;

	if (s->req->op == OP_OPEN && !s->err)
		l->limits = (struct limits){ .size = s->size, .can_extents = true, .can_multi_conn = true, .cache = NATIVE };
	req_up(l, s->req, s->err);
}

static void submit(struct layer *l, struct req *r)
{
	struct slot *s = slot_of(l, r);

	if (r->op != OP_LIST && r->op != OP_CLOSE && plugin_common(l, r))
		return;
	if (r->op == OP_CACHE || r->op == OP_FLUSH || !loop_pool(l->stack->loop)) {
		req_up(l, r, r->op == OP_CACHE || r->op == OP_FLUSH ? 0 : ENOMEM);
		return;
	}
	*s = (struct slot){ .layer = l, .req = r, .job = { .work = work, .home = l->stack->loop } };
	list_init(&s->job.link);
	task_init(&s->job.done, done);
	pool_run(l->stack->loop->pool, &s->job);
}

/* --- start and stop --- */

static int start(struct stage *s, struct err *e)
{
	struct recording *g = s->block;
	struct stat st;
	struct err why;
	uint64_t events;

	list_init(&g->moments);
	pthread_mutex_init(&g->lock, NULL);
	g->opened = true;
	g->fd = -1;
	if (!g->path)
		return err_set(e, "recording: which one? recording=FILE, or just its name");
	g->fd = open(g->path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (g->fd < 0 || fstat(g->fd, &st) < 0)
		return err_set(e, "recording: cannot open %s: %s", g->path, strerror(errno));
	const struct rec_source source = { .read = read_fd, .owner = &g->fd, .size = (uint64_t)MAX(st.st_size, (off_t)0) };
	if (rec_open(&g->file, &source, &why) < 0)
		return err_set(e, "recording: %s: %s", g->path, why.msg);
	char damage[REC_DAMAGE_ROOM];
	if (rec_damage(&g->file, true, damage))
		say_error("recording: %s: %s", g->path, damage);
	if (g->file.info.data != REC_DATA_YES)
		return err_set(e, "recording: %s was made without data: record with data=yes", g->path);
	return rec_moment(&g->file, g->at ? g->at : "", &events, e);
}

static void stop(struct stage *s)
{
	struct recording *g = s->block;
	if (!g->opened)
		return;
	rec_close(&g->file);
	if (g->fd >= 0)
		close(g->fd);
	pthread_mutex_destroy(&g->lock);
}

static void needs(const struct stage *s, struct needs *n)
{
	(void)s;
	n->what |= NEED_DATA;
}

static const struct option options[] = {
	{ .key = "recording", .type = OPTION_PATH, .offset = offsetof(struct recording, path), .arg = "FILE",
	  .help = "what the record filter wrote (required)", .magic = true },
	OPT_STRING("at", struct recording, at, "MOMENT", "12.3s, event=N, mark=TEXT or end: the default export (end)"),
	OPT_SIZE("size", struct recording, size, "size of the disk (as the recording tells)"),
	{ 0 }
};

const struct module mod_recording = {
	.name = "recording",
	.longname = "a disk at any moment of a recording",
	.stage_size = sizeof(struct recording),
	.layer_size = sizeof(struct opened),
	.slot_size = sizeof(struct slot),
	.options = options,
	.start = start,
	.stop = stop,
	.needs = needs,
	.submit = submit,
};
