/* SPDX-License-Identifier: BSD-2-Clause */
/* file: what one request does to an open file or block device, in calls that may block.
 * For file.c (the plug-in); on a thread of a pool, but file_try_read(). */
#pragma once
#include "core/core.h"

/* An export that is open.  Constant between OPEN and CLOSE. */
struct file_export {
	int fd;             /* -1: not open */
	bool block;         /* a block device */
	bool no_cache;      /* cache=none */
	bool seeks_holes;   /* SEEK_HOLE works */
};

/* Open dir's entry name (or the path name when dir is -1) and tell what it can do.  advice: POSIX_FADV_*.
 * 0, or an errno. */
int file_open(struct file_export *x, int dir, const char *name, bool readonly, int advice, struct limits *m);
void file_close(struct file_export *x);

/* READ WRITE FLUSH TRIM ZERO CACHE EXTENTS.  0, or an errno. */
int file_run(const struct file_export *x, struct req *r);
/* A READ that needs not wait, because the kernel has the bytes.  False: it would, or cannot tell. */
bool file_try_read(const struct file_export *x, const struct req *r);
