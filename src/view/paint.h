/* SPDX-License-Identifier: BSD-2-Clause */
/* paint: the model at a moment becomes a picture.
 * Pure: the same model, scene and canvas size give the same pixels; nothing here reads a
 * clock, a file or a font.  The map is scaled up by a whole number, so that a pixel of the
 * map is a square.  Strings and tables in the scene are borrowed for the call. */
#pragma once
#include "view/asker.h"
#include "view/canvas.h"
#include "view/curve.h"
#include "view/glow.h"
#include "view/heat.h"
#include "view/model.h"
#include "view/names.h"
#include "view/outlines.h"
#include "view/palette.h"
#include "view/steps.h"
#include "view/timeline.h"

#define PAINT_W 1440 /* the smallest canvas that the screen is laid out for */
#define PAINT_H 960
#define TEXTURE_FROM 4 /* canvas pixels per block: from here on shape tells the class as well */

#define PAINT_SCALE_MAX 64

/* One of several disks on one clock. */
struct tile {
	const char *name;
	const struct model *model;       /* NULL: nothing is known of it yet */
	const struct timeline *timeline;
	const struct heat *heat;         /* NULL: none */
	const struct outlines *outlines; /* as in a scene, and so are the next two */
	const struct spot *spot;
	const struct names *names;
};

struct scene {
	const struct palette *palette;
	bool hilbert;
	uint64_t start, now, end; /* ns since 1970; now may lie behind end */
	const struct timeline *timeline;
	const struct heat *heat;   /* it tells of time in the timeline's stead; NULL: none */
	const struct steps *steps; /* NULL: none */
	int pointer_x, pointer_y;  /* on the canvas; -1: nowhere */
	const char *status;        /* "paused", "live" ...; NULL: nothing */
	const char *notice;        /* something the person should know; NULL: nothing */
	bool help;
	uint64_t bad, overlong, lost; /* lines in the whole log; of a recording: damaged chunks, and events */
	bool recording;
	uint64_t exposed; /* ns since 1970: reads since then stay lit; 0: they fade */
	const struct outlines *outlines; /* NULL: none */
	const struct spot *spot;   /* what is known of the cell under the pointer; NULL: nothing yet */
	const struct names *names; /* of connections; NULL: none */
	/* When there are several disks, what is said above of one is said there of each. */
	const struct tile *tile;
	size_t tiles; /* of them; 0: there is one disk */
};

/* Where the map lies on a canvas. */
struct layout {
	struct grid grid;
	int scale;       /* canvas pixels per cell; 0: of one of several disks, whose map is made to fit */
	struct rect map;
	struct rect panel;
	struct rect time;
};

/* How long time is on the picture, ns: at least a ms. */
static inline uint64_t scene_length(const struct scene *s)
{
	uint64_t last = MAX(s->end, s->now);
	return MAX(last - s->start, NS_PER_MS);
}

/* Which bins, of so many ns from start on, are column x of w columns of time: at least one, [*from, *to).  False: none of them. */
bool scene_bins(const struct scene *s, int w, int x, uint64_t start, uint64_t bin, uint64_t *from, uint64_t *to);

struct layout paint_layout(int w, int h, const struct map *m, bool hilbert);
/* Of several disks: where they lie, where one of them does (but for panel and time), and which one is at (x, y). */
struct rect paint_tiles_room(int w, int h);
int paint_tiles_right(const struct scene *s, struct rect room); /* where they end */
struct layout paint_tile_layout(const struct scene *s, struct rect room, size_t i);
bool paint_tile_at(const struct scene *s, struct rect room, int x, int y, size_t *i);
bool paint_cell_at(const struct layout *l, int x, int y, uint32_t *cell);
/* When the recording shows what lies at x of the timeline, ns. */
bool paint_time_at(const struct scene *s, const struct layout *l, int x, int y, uint64_t *t);

void paint_screen(struct canvas *c, const struct model *m, const struct scene *s);
/* No size is known yet: say so. */
void paint_waiting(struct canvas *c, const struct scene *s, const char *why);

/* ---- the parts, each in its own file ---- */
void paint_map(struct canvas *c, const struct model *m, const struct scene *s, const struct grid *g, int x, int y,
	int scale);
/* As large as l->map is: a cell may be 2 pixels wide and its neighbour 3, or some share a pixel. */
void paint_map_fitted(struct canvas *c, const struct model *m, const struct scene *s, const struct layout *l);
void paint_frame(struct canvas *c, const struct model *m, const struct scene *s, struct rect map);
void paint_tiles(struct canvas *c, const struct scene *s, struct rect room);
void paint_outlines(struct canvas *c, const struct scene *s, struct rect map);
void paint_outlines_legend(struct canvas *c, const struct scene *s, int x, int y, int w);
void paint_panel(struct canvas *c, const struct model *m, const struct scene *s, const struct layout *l);
void paint_timeline(struct canvas *c, const struct scene *s, struct rect r);
/* hand: the column where time is. */
void paint_heat(struct canvas *c, const struct scene *s, const struct heat *h, struct rect r, int hand);
void paint_help(struct canvas *c, const struct scene *s);

/* A square of size px in the colour and texture of a class, as it looks in the map. */
enum texture { TX_SOLID, TX_HATCH, TX_HOLLOW, TX_DOT, TX_CROSS };
void paint_square(struct canvas *c, int x, int y, int size, enum texture t, rgb colour, rgb under);
enum texture texture_of(enum class c);
