/* SPDX-License-Identifier: BSD-2-Clause */
/* logwriter: gets lines into a file (and past a script) without making requests wait for the disk.
 *
 * Lines of all loops go into one buffer, stamped under its lock: so the file is in the order of its
 * stamps, whatever thread a line came from.  A thread of its own writes the buffer when it is 20 ms old or half
 * full.  When the disk cannot keep up, logwriter_wait() makes new requests wait; nothing is dropped.  Only
 * when writing fails (a full disk) are lines that the buffer cannot hold given up: they are counted, told on
 * stderr, and a line `Lost lines=N` says so in the file once writing works again.
 *
 * Any thread, but start and stop: main. */
#pragma once
#include <stdbool.h>
#include "base/err.h"
#include "loop/loop.h"

struct logwriter;

/* Where a request that has to wait leaves its address: zeroed, embedded in its slot. */
struct logwait {
	struct task task;      /* posted to loop when there is room; set by the caller */
	struct loop *loop;
	struct list link;
};

/* path NULL: no file; script NULL: none.  Both borrowed until stop.  NULL with e set. */
struct logwriter *logwriter_start(const char *path, bool append, const char *script, struct err *e);
int logwriter_forked(struct logwriter *w, struct err *e); /* start the thread; until then logwriter_flush() writes */
void logwriter_flush(struct logwriter *w);
void logwriter_stop(struct logwriter *w);   /* everything is written, or told to be lost; NULL is fine */

/* True: w->task will be posted, when it is time to try again.  False: go on. */
bool logwriter_wait(struct logwriter *w, struct logwait *wait);
/* A line without stamp and newline. */
void logwriter_line(struct logwriter *w, const char *text, size_t len);
/* The shell variables of a line, one assignment each, for the script.  Nothing without a script. */
void logwriter_script(struct logwriter *w, const char *assignments, size_t len);
bool logwriter_has_script(const struct logwriter *w);
bool logwriter_has_file(const struct logwriter *w);
