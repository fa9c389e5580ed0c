/* SPDX-License-Identifier: BSD-2-Clause */
/* logwriter: gets lines into a file (and past a script) without making requests wait for the disk.
 *
 * Lines wait in filters/loglanes.h, and the file is in the order of their stamps, whatever thread a line came from.  A
 * thread of its own writes them when they are 20 ms old, or many.  When the disk cannot keep up, logwriter_wait() makes
 * new requests wait; nothing is dropped.  Only when writing fails (a full disk) are lines that memory cannot hold given
 * up: they are counted, told on stderr, and a line `Lost lines=N` says so in the file once writing works again.
 *
 * Any thread, but start and stop: main. */
#pragma once
#include <stdbool.h>
#include "base/err.h"
#include "loop/loop.h"

struct logwriter;
struct loglane;
struct lanewait;

/* path NULL: no file; script NULL: none.  Both borrowed until stop.  NULL with e set. */
struct logwriter *logwriter_start(const char *path, bool append, const char *script, struct err *e);
int logwriter_forked(struct logwriter *w, struct err *e); /* start the thread; until then logwriter_flush() writes */
void logwriter_flush(struct logwriter *w);
void logwriter_stop(struct logwriter *w);   /* everything is written, or told to be lost; NULL is fine */

/* Whether a request should ask logwriter_wait() before it begins; costs nothing. */
bool logwriter_full(struct logwriter *w);
/* True: w->task will be posted, when it is time to try again.  False: go on. */
bool logwriter_wait(struct logwriter *w, struct lanewait *wait);
/* Room for a line of at most len bytes, without stamp and newline; LOGLINE_DIGITS more may be scribbled on.  Its stamp is
 * the time of this call.  Then the thread must go on to logwriter_close() with the text's end, and log nothing else
 * before.  NULL, when len is above LOGLINE_MAX - LOGLINE_DIGITS only: it is to be lost, and end may be NULL, too. */
char *logwriter_open(struct logwriter *w, size_t len, struct loglane **lane);
void logwriter_close(struct logwriter *w, struct loglane *lane, char *end);
/* The same for a text that is there already. */
void logwriter_line(struct logwriter *w, const char *text, size_t len);
/* The shell variables of a line, one assignment each, for the script.  Nothing without a script. */
void logwriter_script(struct logwriter *w, const char *assignments, size_t len);
