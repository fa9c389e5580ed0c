/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>
#include <string.h>
#include "view/canvas.h"
#include "font_data.h"

int canvas_init(struct canvas *c, int w, int h, struct err *e)
{
	*c = (struct canvas){ .w = w, .h = h, .px = calloc((size_t)w * (size_t)h, 3) };
	return c->px ? 0 : err_set(e, "no memory for a picture of %d by %d pixels", w, h);
}

void canvas_free(struct canvas *c)
{
	free(c->px);
	c->px = NULL;
}

static struct rect cut(const struct canvas *c, struct rect r)
{
	int x0 = MAX(r.x, 0), y0 = MAX(r.y, 0), x1 = MIN(r.x + r.w, c->w), y1 = MIN(r.y + r.h, c->h);
	return (struct rect){ x0, y0, MAX(x1 - x0, 0), MAX(y1 - y0, 0) };
}

void canvas_fill(struct canvas *c, struct rect r, rgb colour)
{
	r = cut(c, r);
	const size_t stride = (size_t)c->w * 3;
	const uint8_t *first = c->px + (size_t)r.y * stride + (size_t)r.x * 3;

	for (int x = r.x; x < r.x + r.w && r.h; x++)
		canvas_put(c, x, r.y, colour);
	for (int y = 1; y < r.h; y++)
		memcpy(c->px + (size_t)(r.y + y) * stride + (size_t)r.x * 3, first, (size_t)r.w * 3);
}

void canvas_frame(struct canvas *c, struct rect r, int thick, rgb colour)
{
	canvas_fill(c, (struct rect){ r.x - thick, r.y - thick, r.w + 2 * thick, thick }, colour);
	canvas_fill(c, (struct rect){ r.x - thick, r.y + r.h, r.w + 2 * thick, thick }, colour);
	canvas_fill(c, (struct rect){ r.x - thick, r.y, thick, r.h }, colour);
	canvas_fill(c, (struct rect){ r.x + r.w, r.y, thick, r.h }, colour);
}

rgb rgb_mix(rgb a, rgb b, unsigned alpha)
{
	rgb out = 0;
	for (unsigned shift = 0; shift < 24; shift += 8) {
		unsigned from = a >> shift & 255, to = b >> shift & 255;
		out |= ((from * (256 - alpha) + to * alpha + 128) >> 8) << shift;
	}
	return out;
}

static void mix_at(struct canvas *c, int x, int y, rgb colour, unsigned alpha)
{
	if ((unsigned)x >= (unsigned)c->w || (unsigned)y >= (unsigned)c->h)
		return;
	const uint8_t *p = c->px + ((size_t)y * (size_t)c->w + (size_t)x) * 3;
	canvas_put(c, x, y, rgb_mix((rgb)p[0] << 16 | (rgb)p[1] << 8 | p[2], colour, alpha));
}

void canvas_mix(struct canvas *c, struct rect r, rgb colour, unsigned alpha)
{
	r = cut(c, r);
	for (int y = r.y; y < r.y + r.h; y++)
		for (int x = r.x; x < r.x + r.w; x++)
			mix_at(c, x, y, colour, alpha);
}

/* ---- text ---- */

/* How many bytes follow the first of a character; 4: it is no first byte. */
static unsigned follow_bytes(unsigned char first)
{
	if (first < 0x80)
		return 0;
	if (first < 0xc2 || first >= 0xf5)
		return 4;
	return first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
}

/* The next character of UTF-8 text; bytes that are none are U+FFFD, one each. */
static uint32_t next_char(const char **s)
{
	const unsigned char *p = (const unsigned char *)*s;
	unsigned more = follow_bytes(*p);
	uint32_t code = more == 0 ? *p : more == 4 ? 0xfffd : *p & (0x3fu >> more);

	*s += 1;
	for (unsigned i = 1; more < 4 && i <= more; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0xfffd;
		code = code << 6 | (p[i] & 0x3f);
	}
	if (more < 4)
		*s += more;
	return code;
}

static const struct glyph *glyph_of(const struct font *f, uint32_t code)
{
	size_t lo = 0, hi = f->n;
	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		if (f->glyph[mid].code < code)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo < f->n && f->glyph[lo].code == code)
		return &f->glyph[lo];
	return code == '?' ? &f->glyph[0] : glyph_of(f, '?');
}

static void draw_glyph(struct canvas *c, const struct font *f, const struct glyph *g, int x, int base, rgb colour)
{
	const unsigned char *a = f->px + g->offset;

	for (int gy = 0; gy < g->h; gy++)
		for (int gx = 0; gx < g->w; gx++, a++)
			if (*a)
				mix_at(c, x + g->left + gx, base - g->top + gy, colour, *a + (*a >> 7));
}

static int text_n(struct canvas *c, const struct font *f, int x, int y, rgb colour, const char *s, const char *end)
{
	while (s < end) {
		const struct glyph *g = glyph_of(f, next_char(&s));
		if (c)
			draw_glyph(c, f, g, x, y + f->ascent, colour);
		x += g->advance;
	}
	return x;
}

int canvas_text(struct canvas *c, const struct font *f, int x, int y, rgb colour, const char *s)
{
	return text_n(c, f, x, y, colour, s, s + strlen(s));
}

int text_width(const struct font *f, const char *s)
{
	return text_n(NULL, f, 0, 0, 0, s, s + strlen(s));
}

int canvas_text_right(struct canvas *c, const struct font *f, int right, int y, rgb colour, const char *s)
{
	return canvas_text(c, f, right - text_width(f, s), y, colour, s);
}

/* How much of s fits in w: whole words, or as many characters of a word that is too long. */
static const char *fit(const struct font *f, const char *s, int w)
{
	const char *good = s, *p = s;
	int x = 0;

	while (*p) {
		const char *at = p;
		x += glyph_of(f, next_char(&p))->advance;
		if (*at == ' ')
			good = at;
		if (x > w)
			return good > s ? good : at > s ? at : p;
	}
	return p;
}

int canvas_paragraph(struct canvas *c, const struct font *f, struct rect r, int lines, rgb colour, const char *s)
{
	static const char dots[] = "…";
	int y = r.y;

	while (*s && lines-- > 0) {
		const char *end = fit(f, s, r.w);
		bool more = *end && !lines;
		if (more)
			end = fit(f, s, r.w - text_width(f, dots));
		int x = text_n(c, f, r.x, y, colour, s, end);
		if (more)
			text_n(c, f, x, y, colour, dots, dots + strlen(dots));
		for (s = end; *s == ' '; s++)
			;
		y += f->line;
	}
	return y;
}
