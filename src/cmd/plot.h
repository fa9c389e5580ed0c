/* SPDX-License-Identifier: BSD-2-Clause */
/* plot: one figure of the HTML page, as inline SVG.  Colours are classes of the page's style sheet ("s-read" ...), so that a page
 * can be light and dark.  Drawn for 420 units of width: text stays legible on a phone.  Everything is appended to b; a full buffer
 * shows in the last append of the page.  No I/O. */
#pragma once
#include "base/buf.h"

enum { PLOT_W = 420, PLOT_H = 220, PLOT_LEFT = 62, PLOT_RIGHT = 18, PLOT_TOP = 14, PLOT_BOTTOM = 26 };

struct plot {
	struct buf *b;
	double x_max;          /* data: 0 to x_max lies between the sides */
	double y_min, y_max;   /* bottom and top */
	bool y_log;
};

struct plot_name {
	char text[16];
};
typedef const char *plot_label(char *out, double value); /* FMT_ROOM bytes */

/* <figure> with its title, what it is measured in, and a legend of names (NULL at the end; NULL: none). */
void plot_begin(struct plot *p, struct buf *b, const char *title, const char *unit, const char *const *legend);
void plot_end(struct plot *p);
double plot_x(const struct plot *p, double v);
double plot_y(const struct plot *p, double v);
/* Grid lines with labels.  y_max grows to a round number; a linear axis begins at y_min 0. */
void plot_y_axis(struct plot *p, plot_label *label, double base);
void plot_y_log_axis(struct plot *p); /* ns, decades */
void plot_x_time(struct plot *p, uint64_t ns); /* sets x_max */
void plot_x_bytes(struct plot *p, uint64_t bytes);
/* n values, each for a stretch of equal width but the last; area: filled as well. */
void plot_steps(struct plot *p, const char *class, const double *v, unsigned n, double width, bool area);
/* Bars side by side: of series (count of them, n values each), with names below. */
void plot_bars(struct plot *p, const char *const *classes, const double *const *series, unsigned count, unsigned n,
	       const struct plot_name *names, plot_label *label);

const char *plot_label_number(char *out, double v); /* 1.5k */
const char *plot_label_bytes(char *out, double v);  /* 1.5 MiB */
const char *plot_label_percent(char *out, double v);
