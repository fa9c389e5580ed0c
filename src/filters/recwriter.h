/* SPDX-License-Identifier: BSD-2-Clause */
/* recwriter: gets what happens into a recording without making requests wait for the disk.
 *
 * What is noted waits in lanes (filters/loglanes.h), with the written bytes that are new (recstore_prepare()), and a thread of
 * its own makes chunks of it, in the order of the stamps.  When that thread or the disk cannot keep up, recwriter_full() says so, and a
 * new request either waits (recwriter_wait()) or goes on without being noted, begin and end (recwriter_drop()): as the user asked.
 * What was dropped, and what memory or a file that was given up did not take, is counted, told on stderr and by a LOSS event.
 *
 * Any thread, but start and stop: main. */
#pragma once
#include "filters/lanethread.h"
#include "filters/recfile.h"

struct recwriter;

/* path is borrowed until stop.  drop: requests will not wait, but be dropped.  NULL with e set. */
struct recwriter *recwriter_start(const char *path, enum rec_data data, bool drop, struct err *e);
int recwriter_forked(struct recwriter *w, struct err *e); /* start the thread */
void recwriter_stop(struct recwriter *w); /* everything is written, or told to be lost; NULL is fine */

bool recwriter_full(struct recwriter *w);
bool recwriter_wait(struct recwriter *w, struct lanewait *wait); /* as lanethread_wait() */
void recwriter_drop(struct recwriter *w, uint64_t events);       /* so many are not noted */
/* Note an event, now: its time is set here.  e->text is copied; data: len bytes of a BEGIN of a WRITE, copied when they are
 * kept and new, or NULL. */
void recwriter_note(struct recwriter *w, struct rec_event *e, const void *data);
