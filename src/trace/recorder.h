/* SPDX-License-Identifier: BSD-2-Clause */
/* recorder: a recording that is being made, as those find it who want a mark in it (filters/recmark.h is its other end).
 * The recorder listens on an abstract socket that is named after the file.  Any thread. */
#pragma once
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include "base/err.h"

#define RECORDER_PREFIX "blkscope-record/" /* DEVICE:INODE/PID follow */
#define RECORDER_TEXT_MAX 4096 /* bytes of a mark, at least one; no NUL */

struct recorder {
	struct sockaddr_un address;
	socklen_t len;
};

/* The last one there is of the file (NULL: of any), and how many there are. */
unsigned recorder_find(const struct stat *file, struct recorder *r);
/* A mark with the time of now.  Waits some seconds for the answer at most.  0, or -1 with e set. */
int recorder_mark(const struct recorder *r, const char *text, size_t len, struct err *e);
