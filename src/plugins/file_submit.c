/* SPDX-License-Identifier: BSD-2-Clause */
/* Where a request to a file runs.
 *
 * The loop itself does what does not block: what is in memory anyway, and what the kernel does without waiting.
 * What may block goes to the loop's io_uring where the kernel allows one, and else, with what a ring cannot do,
 * to the loop's pool of threads.  A write into the page cache, a hole, a look at the map of a file seldom block, but it
 * cannot be told beforehand: while such calls are quick, a thread of the pool drives the loop (loop/pool.h). */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "plugins/file.h"
#include "plugins/plugins.h"

enum {
	HERE_MAX = 256 << 10,   /* bytes that a loop copies itself */
	THREADS = 16,           /* of the pool, for one connection */
	QUICK_NS = 20000,       /* calls that take no more on average are quick; until they were, they take ... */
	UNKNOWN_NS = 1000000,
	IN_A_ROW = 64,          /* of that kind and no other for the pool: then it may drive */
};

/* --- on a thread of the pool --- */

/* For a directory: no way out of it.  "." and ".." are no files. */
static bool good_export(const char *name)
{
	return *name && !strchr(name, '/');
}

static int open_export(struct file *f, struct file_export *x, const struct client *c, struct limits *m)
{
	x->no_cache = f->no_cache;
	x->losses = &f->losses;
	x->name = f->dir >= 0 ? c->export : f->path ? f->path : "fd=";
	if (f->fd)
		return file_open_fd(x, f->fd, c->readonly, f->advice, m);
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
	struct file_slot *s = container_of(j, struct file_slot, job);
	struct file *f = s->layer->stage->block;
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
		s->took = monotonic_ns();
		s->err = file_run(x, s->req, s->done);
		s->took = monotonic_ns() - s->took;
	}
}

/* --- on the loop: what does not wait --- */

static bool is_in_memory(const struct file_export *x, const struct req *r)
{
	bool known = r->op == OP_READ || r->op == OP_FLUSH || r->op == OP_WRITE || r->op == OP_TRIM || r->op == OP_ZERO;
	return x->memory && known && r->len <= HERE_MAX;
}

/* --- on the loop: the pool --- */

static bool seldom_waits(const struct file_export *x, const struct req *r)
{
	bool change = r->op == OP_WRITE || r->op == OP_TRIM || r->op == OP_ZERO;
	return r->op == OP_EXTENTS || (change && r->len <= HERE_MAX && !(r->flags & REQ_FUA) && !x->no_cache);
}

/* Whether one thread may do it all, turns of the loop among it. */
static bool may_drive(struct file_export *x, const struct req *r)
{
	x->in_a_row = seldom_waits(x, r) ? MIN(x->in_a_row + 1, (unsigned)IN_A_ROW) : 0;
	return x->in_a_row == IN_A_ROW && x->call_ns[r->op] < QUICK_NS;
}

static void launch(struct file_slot *s)
{
	struct loop *loop = s->layer->stack->loop;
	if (s->req->op >= OP_READ)
		pool_drive(loop->pool, loop, may_drive(s->layer->data, s->req));
	pool_run(loop->pool, &s->job);
}

static void cancel_job(struct layer *l, struct req *r)
{
	struct file_slot *s = slot_of(l, r);
	struct file_export *x = l->data;
	if (s->queued) {
		list_del(&s->job.link);
		req_up(l, r, ESHUTDOWN);
	} else if (pool_take_back(l->stack->loop->pool, &s->job)) {
		x->running -= r->op >= OP_READ;
		req_up(l, r, ESHUTDOWN);
	} /* else it runs, and comes up in its own time */
}

static void pool_done(struct task *t)
{
	struct file_slot *s = container_of(t, struct file_slot, job.done);
	struct layer *l = s->layer;
	struct file_export *x = l->data;
	struct file *f = l->stage->block;
	struct req *r = s->req;

	req_unpark(r);
	if (r->op == OP_OPEN && !s->err) {
		l->limits = s->limits;
		x->ring = f->engine == ENGINE_POOL ? NULL : rings_here(&f->rings, l->stack->loop);
		list_init(&x->queue);
		for (unsigned i = 0; i < OP_COUNT; i++)
			x->call_ns[i] = UNKNOWN_NS;
	} else if (r->op >= OP_READ) {
		x->call_ns[r->op] = (unsigned)((x->call_ns[r->op] * (uint64_t)15 + MIN(s->took, (uint64_t)64 * UNKNOWN_NS)) / 16);
		struct list *link = list_pop(&x->queue);
		x->running -= !link;
		if (link) {
			struct file_slot *next = container_of(link, struct file_slot, job.link);
			next->queued = false;
			launch(next);
		}
	}
	req_up(l, r, s->err);
}

static void to_pool(struct file_slot *s)
{
	struct layer *l = s->layer;
	struct file_export *x = l->data;
	bool data = s->req->op >= OP_READ;

	if (!loop_pool(l->stack->loop)) {
		req_up(l, s->req, ENOMEM);
		return;
	}
	s->job = (struct job){ .work = work, .home = l->stack->loop };
	list_init(&s->job.link);
	task_init(&s->job.done, pool_done);
	req_park(l, s->req, cancel_job);
	s->queued = data && x->running == THREADS;
	if (s->queued) {
		list_add_tail(&x->queue, &s->job.link);
		return;
	}
	x->running += data;
	launch(s);
}

/* --- on the loop: the ring --- */

/* The kernel's workers do the writes of a regular file one by one, with FUA's wait for the disk in each: threads do
 * them as quickly, and those with FUA eight times as quickly, as their waits are shared.  What is larger than
 * HERE_MAX a ring may copy on our time. */
static bool for_ring(const struct file_export *x, const struct req *r)
{
	if (!x->ring || x->no_cache)
		return false;
	switch (r->op) {
	case OP_READ:
		return r->len <= HERE_MAX;
	case OP_WRITE:
		return r->len <= HERE_MAX && x->block;
	case OP_FLUSH:
	case OP_TRIM:
	case OP_ZERO:
		return true;
	default:
		return false;
	}
}

static void prepare(struct ring_op *op, struct io_uring_sqe *sqe)
{
	struct file_slot *s = container_of(op, struct file_slot, op);
	const struct file_export *x = s->layer->data;
	struct req *r = s->req;

	req_unpark(r); /* the kernel may write to its data until it is done */
	if (r->op == OP_FLUSH || s->syncing) {
		io_uring_prep_fsync(sqe, x->fd, IORING_FSYNC_DATASYNC);
	} else if (r->op == OP_READ) {
		io_uring_prep_read(sqe, x->fd, (uint8_t *)r->data + s->done, (unsigned)(r->len - s->done), r->off + s->done);
	} else if (r->op == OP_WRITE) {
		io_uring_prep_write(sqe, x->fd, (uint8_t *)r->data + s->done, (unsigned)(r->len - s->done), r->off + s->done);
		if (r->flags & REQ_FUA)
			sqe->rw_flags = RWF_DSYNC; /* see file_ops.c */
	} else {
		io_uring_prep_fallocate(sqe, x->fd, file_hole_mode(r), (off_t)r->off, (off_t)r->len);
	}
}

static bool needs_sync(const struct req *r)
{
	return r->flags & REQ_FUA && (r->op == OP_TRIM || r->op == OP_ZERO);
}

static void ring_done(struct ring_op *op, int res)
{
	struct file_slot *s = container_of(op, struct file_slot, op);
	struct layer *l = s->layer;
	struct file_export *x = l->data;
	struct req *r = s->req;
	bool data = r->op == OP_READ || r->op == OP_WRITE;

	if (res == -EAGAIN || res == -EINTR || res == -ECANCELED || (res < 0 && file_not_supported(-res))
	    || (res == 0 && r->op == OP_WRITE)) {
		to_pool(s); /* there it is known what to do about it */
		return;
	}
	if (res < 0 || (res == 0 && r->op == OP_READ)) {
		if (r->op == OP_FLUSH || s->syncing)
			file_synced(x, -res);
		else if (r->op == OP_WRITE && r->flags & REQ_FUA)
			file_dsynced(x, -res);
		req_up(l, r, res ? -res : EIO); /* EIO: the file has become shorter than the export */
		return;
	}
	s->done += data ? (uint64_t)res : 0;
	bool more = data ? s->done < r->len : needs_sync(r) && !s->syncing;
	s->syncing = more && !data;
	if (more)
		ring_run(x->ring, op);
	else
		req_up(l, r, r->op == OP_FLUSH ? file_flushed(x, 0) : 0);
}

static void cancel_waiting(struct layer *l, struct req *r)
{
	struct file_slot *s = slot_of(l, r);
	if (ring_take_back(&s->op))
		req_up(l, r, ESHUTDOWN);
}

static void to_ring(struct file_slot *s)
{
	const struct file_export *x = s->layer->data;
	s->op = (struct ring_op){ .prepare = prepare, .done = ring_done };
	list_init(&s->op.link);
	req_park(s->layer, s->req, cancel_waiting);
	ring_run(x->ring, &s->op);
}

/* --- the way in --- */

int file_direct(struct layer *l, struct req *r)
{
	return file_run(l->data, r, 0);
}

void file_submit(struct layer *l, struct req *r)
{
	const struct file *f = l->stage->block;
	struct file_export *x = l->data;
	struct file_slot *s = slot_of(l, r);
	uint64_t done = 0;

	if ((r->op != OP_LIST || f->dir < 0) && r->op != OP_CLOSE && plugin_common(l, r))
		return;
	if (is_in_memory(x, r)) {
		req_up(l, r, file_run(x, r, 0));
		return;
	}
	if ((r->op == OP_READ || r->op == OP_WRITE) && r->len <= HERE_MAX && (done = file_try(x, r)) == r->len) {
		req_up(l, r, 0);
		return;
	}
	*s = (struct file_slot){ .layer = l, .req = r, .done = done };
	if (for_ring(x, r))
		to_ring(s);
	else
		to_pool(s);
}

