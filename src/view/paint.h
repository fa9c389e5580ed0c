/* SPDX-License-Identifier: BSD-2-Clause */
/* paint: the model at a moment becomes a picture.
 * Pure: the same model, scene and canvas size give the same pixels; nothing here reads a
 * clock, a file or a font.  The map is scaled up by a whole number, so that a pixel of the
 * map is a square.  Strings and tables in the scene are borrowed for the call. */
#pragma once
#include "view/canvas.h"
#include "view/curve.h"
#include "view/glow.h"
#include "view/model.h"
#include "view/outlines.h"
#include "view/palette.h"
#include "view/steps.h"
#include "view/timeline.h"

#define PAINT_W 1440 /* the smallest canvas that the screen is laid out for */
#define PAINT_H 960
#define TEXTURE_FROM 4 /* canvas pixels per block: from here on shape tells the class as well */

struct scene {
	const struct palette *palette;
	bool hilbert;
	uint64_t start, now, end; /* ns since 1970; now may lie behind end */
	const struct timeline *timeline;
	const struct steps *steps; /* NULL: none */
	int pointer_x, pointer_y;  /* on the canvas; -1: nowhere */
	const char *status;        /* "paused", "live" ...; NULL: nothing */
	const char *notice;        /* something the person should know; NULL: nothing */
	bool help;
	uint64_t bad, overlong, lost; /* lines in the whole log; of a recording: damaged chunks, and events */
	bool recording;
	uint64_t exposed; /* ns since 1970: reads since then stay lit; 0: they fade */
	const struct outlines *outlines; /* NULL: none */
};

/* Where the map lies on a canvas. */
struct layout {
	struct grid grid;
	int scale;       /* canvas pixels per cell */
	struct rect map;
	struct rect panel;
	struct rect time;
};

struct layout paint_layout(int w, int h, const struct map *m, bool hilbert);
bool paint_cell_at(const struct layout *l, int x, int y, uint32_t *cell);
/* When the recording shows what lies at x of the timeline, ns. */
bool paint_time_at(const struct scene *s, const struct layout *l, int x, int y, uint64_t *t);

void paint_screen(struct canvas *c, const struct model *m, const struct scene *s);
/* No size is known yet: say so. */
void paint_waiting(struct canvas *c, const struct scene *s, const char *why);

/* ---- the parts, each in its own file ---- */
void paint_map(struct canvas *c, const struct model *m, const struct scene *s, const struct grid *g, int x, int y,
	int scale);
void paint_outlines(struct canvas *c, const struct scene *s, int x, int y, int scale);
void paint_outlines_legend(struct canvas *c, const struct scene *s, int x, int y, int w);
void paint_panel(struct canvas *c, const struct model *m, const struct scene *s, const struct layout *l);
void paint_timeline(struct canvas *c, const struct scene *s, struct rect r);
void paint_help(struct canvas *c, const struct scene *s);

/* A square of size px in the colour and texture of a class, as it looks in the map. */
enum texture { TX_SOLID, TX_HATCH, TX_HOLLOW, TX_DOT, TX_CROSS };
void paint_square(struct canvas *c, int x, int y, int size, enum texture t, rgb colour, rgb under);
enum texture texture_of(enum class c);
