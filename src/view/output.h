/* SPDX-License-Identifier: BSD-2-Clause */
/* output: what a recording can be turned into without a display: one picture, a film strip,
 * a film, the model as text, a table of what each step did.
 * Each takes a player whose log was scanned to its end, writes a whole file or none of it
 * that looks whole, and returns 0, or -1 with e set.  Times are ns since the log's start.
 * Main thread. */
#pragma once
#include "view/contents.h"
#include "view/paint.h"
#include "view/play.h"

#define OUTPUT_DISKS_MAX 16u

/* One more disk, on the clock of the first. */
struct other {
	struct play *play;
	const struct contents *contents; /* NULL: nobody knows its bytes */
};

struct look_options {
	const struct palette *palette;
	bool hilbert;
	unsigned cols;       /* cells in a row; 0: the map's choice */
	struct steps *steps; /* NULL: none */
	bool structure;      /* show what the parts of the disk are */
	const struct contents *contents; /* its bytes; NULL: nobody knows them */
	bool heat;           /* tell of time by a map of time and place: the players keep heat */
	struct other *other; /* others of them, at most OUTPUT_DISKS_MAX - 1; borrowed */
	size_t others;
};

/* What the parts of the disk are, at the moment that the model is at.  Zeroed it is none yet. */
struct structure {
	struct know_map *know; /* ours; NULL: none */
	uint64_t events;       /* of the moment it is of */
	struct outlines outlines;
};

void output_structure_free(struct structure *s);

/* What a scene borrows, of each disk. */
struct shown {
	struct structure parts[OUTPUT_DISKS_MAX];
	struct tile tile[OUTPUT_DISKS_MAX];
};

/* Make the parts anew, if something happened since.  Nothing is done unless o asks for them. */
int output_structures(struct play *p, const struct look_options *o, struct shown *s, struct err *e);
void output_shown_free(struct shown *s);

/* The clock of all disks: when the first of them begins, and the last one ends, ns since 1970. */
uint64_t output_start(const struct play *p, const struct look_options *o);
uint64_t output_end(const struct play *p, const struct look_options *o);
/* The i-th disk; i: from 0 to o->others. */
static inline struct play *output_disk(struct play *p, const struct look_options *o, size_t i) { return i ? o->other[i - 1].play : p; }

/* The captions: those that were asked for, else a recording's marks; NULL: none. */
const struct steps *output_steps(const struct play *p, const struct look_options *o);

#define AT_END UINT64_MAX

/* The scene of a moment, for the painter; model and scene belong together.  What it points to is the players' and s's. */
struct scene output_scene(struct play *p, const struct look_options *o, struct shown *s, uint64_t now);
/* Models at a moment, rows as asked for. */
int output_seek(struct play *p, const struct look_options *o, uint64_t at, uint64_t *now, struct err *e);

int output_png(struct play *p, const struct look_options *o, uint64_t at, const char *file, struct err *e);
int output_dump(struct play *p, const struct look_options *o, uint64_t at, struct err *e); /* to stdout */
int output_summary(struct play *p, const struct look_options *o, struct err *e);           /* to stdout */
/* n 0: one frame at the end of each step. */
int output_strip(struct play *p, const struct look_options *o, const uint64_t *at, size_t n, const char *file,
	struct err *e);

struct video_options {
	unsigned fps;
	double speed; /* seconds of recording in a second of film */
};
int output_video(struct play *p, const struct look_options *o, const struct video_options *v, const char *file,
	struct err *e);

/* A canvas as a PNG file; the same canvas gives the same bytes. */
int png_save(const struct canvas *c, const char *file, struct err *e);
