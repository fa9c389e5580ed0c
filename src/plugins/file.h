/* SPDX-License-Identifier: BSD-2-Clause */
/* file: what the parts of the file plug-in share.  file.c reads its parameters, file_submit.c decides where a request
 * runs, file_open.c and file_ops.c make the calls, file_lost.c remembers what could not be written back, file_ring.c is
 * the io_uring of a loop. */
#pragma once
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>
#include "core/core.h"
#include "loop/pool.h"
#include "plugins/file_ring.h"

enum {
	FILE_WINDOWS = 8,
	FILE_TRIES = 64,
};

/* Files whose flushes fail from now on; any thread. */
struct losses {
	pthread_mutex_t lock;
	atomic_bool any;
	bool all;               /* no memory to remember which */
	struct list list;       /* struct loss */
};

/* The stage: constant after start, but for the rings and losses. */
struct file {
	char *path, *dir_path;
	int fd, dirfd;          /* given by number; 0: not given */
	int dir;                /* what is served of: a descriptor of ours, or -1 */
	int advice;             /* POSIX_FADV_* */
	bool no_cache;
	enum { ENGINE_AUTO, ENGINE_URING, ENGINE_POOL } engine;
	bool started;
	struct rings rings;
	struct losses losses;
};

/* A request's. */
struct file_slot {
	struct job job;         /* on the loop's pool */
	bool queued;            /* not yet there: in file_export.queue */
	uint64_t took;          /* ns, there */
	struct ring_op op;      /* on the ring */
	struct layer *layer;
	struct req *req;
	uint64_t done;          /* bytes of a READ or WRITE */
	bool syncing;           /* on the ring: all but FUA is done */
	int err;                /* the pool's answer */
	struct limits limits;   /* OPEN's */
};

struct span {
	uint64_t off, len; /* bytes */
};

/* An export that is open.  What follows FD is constant between OPEN and CLOSE, if nothing else is said. */
struct file_export {
	int fd;
	const char *name;    /* borrowed, for messages */
	struct losses *losses; /* the stage's */
	dev_t dev;           /* dev and ino: which file it is */
	ino_t ino;
	bool block;          /* a block device */
	bool memory;         /* on a file system in memory: but for swap, nothing of it waits for a disk */
	bool no_cache;       /* cache=none */
	uint32_t sector;     /* bytes: what a block device can trim and zero */
	/* The loop's: */
	bool tries_reading;     /* the file system may know reads that do not wait */
	unsigned tries_writing; /* the same, for how many writes more it may refuse */
	unsigned running;       /* data requests on the pool */
	struct list queue;      /* struct file_slot, by job.link: as many run as may */
	unsigned in_a_row;      /* requests for the pool that seldom wait */
	unsigned call_ns[OP_COUNT]; /* what a call there takes, about: a moving average */
	struct ring *ring;   /* the loop's, or NULL */
	/* cache=none: what was written last, and is on its way to the disk; guarded by lock. */
	pthread_mutex_t lock;
	struct span windows[FILE_WINDOWS];
	unsigned oldest;
};

/* Open dir's entry name (or the path name when dir is -1) and tell what it can do.  advice: POSIX_FADV_*.
 * 0, or an errno. */
int file_open(struct file_export *x, int dir, const char *name, bool readonly, int advice, struct limits *m);
/* The same for an open descriptor, which stays the caller's. */
int file_open_fd(struct file_export *x, int fd, bool readonly, int advice, struct limits *m);
void file_close(struct file_export *x);

/* READ WRITE FLUSH TRIM ZERO CACHE EXTENTS; the first done bytes of a READ or WRITE are done.  0, or an errno. */
int file_run(struct file_export *x, struct req *r, uint64_t done);
/* Loop thread: as many bytes of a READ or WRITE as can be had without waiting for anything; 0: none, or cannot tell. */
uint64_t file_try(struct file_export *x, const struct req *r);

/* --- what could not be written back --- */

/* The kernel tells an open file of such an error once, and drops the data: the next fdatasync(2) works, though what was
 * acknowledged before is not there.  So it is remembered here, by file, for as long as the server runs: whoever flushes
 * afterwards, on whatever connection, is told, too. */
void losses_init(struct losses *);
void losses_free(struct losses *);
/* A call that waits for the disk failed with err, if err is no success; any thread.  Returns err. */
int file_synced(const struct file_export *x, int err);
/* The answer to a FLUSH whose fdatasync(2) ended with err. */
int file_flushed(const struct file_export *x, int err);
/* The same for a WRITE with FUA: RWF_DSYNC writes first, and which of the two failed is not told.  A file system that is full
 * nearly always says so in the first, when there is nothing yet to lose, and is served on when there is room again. */
static inline int file_dsynced(const struct file_export *x, int err)
{
	return err == EIO || x->block ? file_synced(x, err) : err;
}

/* --- for an engine that makes the same calls another way --- */

/* How fallocate(2) is called first for a TRIM or ZERO. */
int file_hole_mode(const struct req *r);
/* This errno says that the file cannot do it so, and another way must be found. */
bool file_not_supported(int err);

/* --- where it runs --- */

/* The module's. */
void file_submit(struct layer *l, struct req *r);
int file_direct(struct layer *l, struct req *r);
