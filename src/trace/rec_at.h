/* SPDX-License-Identifier: BSD-2-Clause */
/* rec_at: the disk as it was, at any moment of a recording with data.
 *
 * What the ranges hold is told by the few tables that tile the chunks before the moment, and by the events of the chunk it lies in:
 * opening one reads a chunk, whatever the recording's length.  Tables and data are read when they are asked for, and kept in
 * bounded memory.  One thread at a time. */
#pragma once
#include "trace/rec_read.h"
#include "trace/rec_table.h"

struct rec_at;

/* A moment, as people say it: "12.3s" and other durations since the beginning, "event=841" (after that event), "mark=TEXT" (the last
 * mark of that name), "" or "end".  The number of events that happened by then.  -1 with e set: there is no such moment. */
int rec_moment(const struct rec_file *f, const char *text, uint64_t *events, struct err *e);
/* Are events missing among the first ones, so many?  Then *at is the number of the first LOSS. */
bool rec_has_loss(const struct rec_file *f, uint64_t events, uint64_t *at);

struct rec_mark {
	char *text;            /* ours */
	uint64_t time, event;
};
struct rec_marks {
	size_t max;            /* no more are listed; set by the caller, the rest zero */
	struct rec_mark *at;   /* count of them, in order; ours */
	size_t count;
};
int rec_list_marks(const struct rec_file *f, struct rec_marks *m); /* -1: no memory */
void rec_free_marks(struct rec_marks *m);

/* The disk after the first events of them; f is borrowed.  NULL with e set. */
struct rec_at *rec_at_open(const struct rec_file *f, uint64_t events, struct err *e);
void rec_at_close(struct rec_at *a); /* NULL is fine */
/* Bytes of the disk, by the last CONNECT before the moment; 0: nobody had connected. */
uint64_t rec_at_size(const struct rec_at *a);
/* What is known of [off, off + len): struct rec_extent, sorted, cut to the range; what is in none was never written.
 * 0, or an errno, and out is as it was. */
int rec_at_map(struct rec_at *a, uint64_t off, uint64_t len, struct buf *out);
/* Bytes; what was never written reads as zeroes.  0, or an errno: EIO when the recording is damaged there. */
int rec_at_read(struct rec_at *a, uint64_t off, uint64_t len, void *to);
