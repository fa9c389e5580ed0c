/* SPDX-License-Identifier: BSD-2-Clause */
/* disk: the bytes of an export, of an image, or of a disk at a moment of a recording, to look at and never to change.
 * Holes are known and not read.  A handle may be used by several threads: its reads take turns where they must. */
#pragma once
#include "base/err.h"
#include "know/know.h"
#include "trace/rec_at.h"

struct disk;

/* What `blkscope explain' and others take: nbd://..., a recording, or a file or block device.  at: of a recording, see rec_moment();
 * NULL: its end.  NULL with e set, which names it. */
struct disk *disk_open(const char *name, const char *at, struct err *e);
/* The disk after that many events of a recording that is open already; f is borrowed. */
struct disk *disk_of_recording(const struct rec_file *f, uint64_t events, struct err *e);
void disk_close(struct disk *d); /* NULL is fine */
/* Any thread, before disk_close(): what is being read from a server that does not answer fails now, and so does all that comes. */
void disk_give_up(struct disk *d); /* NULL is fine */

uint64_t disk_size(const struct disk *d); /* bytes */
/* off + len <= size; 0 or an errno. */
int disk_read(struct disk *d, uint64_t off, size_t len, void *to);
/* NULL; or, in words, why no read can succeed any more: the server is gone. */
const char *disk_lost(const struct disk *d);
/* For know_disk_map(): valid as long as d; its stop is the caller's to set. */
struct know_disk disk_to_know(struct disk *d);
/* What its file or server said that a person should hear, lines that end in newlines; "" mostly. */
const char *disk_notes(struct disk *d);
