/* SPDX-License-Identifier: BSD-2-Clause */
/* cost: what a running process has used so far, all its threads together.
 * The CPU time is the kernel's own count in ns, with threads that have ended; the rest is
 * read from /proc and describes the threads alive now, and the machine.  Main thread. */
#pragma once
#include <sys/types.h>
#include "base/err.h"

struct cost {
	uint64_t cpu;      /* ns, user and system */
	uint64_t threads;
	uint64_t switches; /* voluntary context switches of the threads alive */
	uint64_t rss;      /* KiB resident */
	uint64_t kernel;   /* KiB that the kernel has for itself, on the whole machine: both ends' sockets, stacks, page tables */
};

/* pid 0 costs nothing.  0, or -1 with e set when there is no such process. */
int cost_read(pid_t pid, struct cost *out, struct err *e);
