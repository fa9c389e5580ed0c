/* SPDX-License-Identifier: BSD-2-Clause */
/* export: a session as one file of HTML that needs no program: the page, with the answers that it would have got.
 * What goes in is bounded: EXPORT_MOMENTS pictures of a disk (fewer when they are large), EXPORT_DEEDS requests by place, and with
 * contents EXPORT_CONTENTS bytes of the disk.  Any thread; it may take some seconds. */
#pragma once
#include "web/session.h"

#define EXPORT_MAX (128u << 20)      /* bytes of the page */
#define EXPORT_MOMENTS 600u
#define EXPORT_PICTURES (256u << 20) /* bytes of a disk's pictures before they are packed */
#define EXPORT_STRUCTURES 24u
#define EXPORT_DEEDS 200000u         /* requests of a disk, */
#define EXPORT_DEEDS_OF_CELL 6u      /* the last of each cell */
#define EXPORT_CONTENTS (8u << 20)

/* out: with a limit of EXPORT_MAX.  -1: e says what is wrong. */
int export_page(struct session *s, bool contents, struct buf *out, struct err *e);

/* ---- its parts ---- */

/* One more player of the disk, brought up to what its feed has. */
int export_player(struct play *p, struct feed *d, struct err *e);
/* The members "frames", "curve", "structure" and "blocks" of a disk; each an object behind a comma when comma is set. */
struct export_disk {
	struct session *session;
	struct feed *feed;
	struct past *past;
	size_t number;
	uint64_t start;        /* of the session */
	struct map shape;      /* owns nothing */
	unsigned cols;
	uint64_t *moment;      /* moments, ns since 1970, in order; ours */
	size_t moments;
	bool contents;
};
/* play_to() and play_to_event(), however long that takes, but not longer than the server runs. */
int export_walk(const struct export_disk *x, struct play *p, const struct moment *m, struct err *e);
/* The map of a moment, waited for some seconds; NULL: it cannot be had. */
struct known *export_map(const struct export_disk *x, const struct moment *m);
int export_frames(const struct export_disk *x, struct buf *b, struct err *e);
int export_curve(const struct export_disk *x, struct buf *b, struct err *e);
int export_structure(const struct export_disk *x, struct buf *b, struct err *e);
int export_blocks(const struct export_disk *x, struct buf *b, struct err *e);
