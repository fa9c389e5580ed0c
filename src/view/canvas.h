/* SPDX-License-Identifier: BSD-2-Clause */
/* canvas: a picture in memory, 3 bytes a pixel (R, G, B), and the few ways to draw on it.
 * Everything is cut to the canvas; coordinates may lie anywhere.  Text is UTF-8, drawn with
 * glyphs that were made at build time; what has no glyph is drawn as a question mark.
 * No I/O; one thread at a time. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

typedef uint32_t rgb; /* 0xRRGGBB */

struct canvas {
	int w, h;    /* pixels */
	uint8_t *px; /* w * h * 3, ours */
};

struct rect {
	int x, y, w, h;
};

struct glyph {
	uint32_t code, offset;
	uint16_t w, h;
	int16_t left, top, advance;
};

struct font {
	const struct glyph *glyph;
	size_t n;
	const unsigned char *px;
	int ascent, line; /* pixels above the base line; from line to line */
};

/* Body text, the same in bold, captions and numbers to be read from the last row, small print. */
extern const struct font font_body, font_bold, font_big, font_small;

int canvas_init(struct canvas *c, int w, int h, struct err *e); /* black */
void canvas_free(struct canvas *c);

void canvas_fill(struct canvas *c, struct rect r, rgb colour);
void canvas_frame(struct canvas *c, struct rect r, int thick, rgb colour); /* just outside r */
void canvas_mix(struct canvas *c, struct rect r, rgb colour, unsigned alpha); /* alpha 0..256 */

static inline void canvas_put(struct canvas *c, int x, int y, rgb v)
{
	if ((unsigned)x >= (unsigned)c->w || (unsigned)y >= (unsigned)c->h)
		return;
	uint8_t *p = c->px + ((size_t)y * (size_t)c->w + (size_t)x) * 3;
	p[0] = (uint8_t)(v >> 16);
	p[1] = (uint8_t)(v >> 8);
	p[2] = (uint8_t)v;
}

rgb rgb_mix(rgb a, rgb b, unsigned alpha); /* alpha 0: a, 256: b */

/* Text with its top left corner at x, y.  Returns the x behind it. */
int canvas_text(struct canvas *c, const struct font *f, int x, int y, rgb colour, const char *s);
int canvas_text_right(struct canvas *c, const struct font *f, int right, int y, rgb colour, const char *s);
/* Words broken into lines of at most w pixels, at most lines of them ("…" when cut).
 * Returns the y behind the last line.  c NULL: only measure. */
int canvas_paragraph(struct canvas *c, const struct font *f, struct rect r, int lines, rgb colour, const char *s);
int text_width(const struct font *f, const char *s);
