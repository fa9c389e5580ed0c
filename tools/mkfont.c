/* SPDX-License-Identifier: BSD-2-Clause */
/* mkfont: outlines to a C header of anti-aliased glyphs, at build time.
 * usage: mkfont OUT NAME:PIXELS:FILE...
 * So the programs need no font and no font library, and pictures are the same everywhere. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ft2build.h>
#include FT_FREETYPE_H

static const struct { unsigned first, last; } ranges[] = {
	{ 0x20, 0x7e }, { 0xa0, 0x17f }, { 0x3bc, 0x3bc }, { 0x2013, 0x2014 }, { 0x2018, 0x201e }, { 0x2022, 0x2022 },
	{ 0x2026, 0x2026 }, { 0x2190, 0x2193 }, { 0x2264, 0x2265 }, { 0x25b6, 0x25b6 }, { 0x25ae, 0x25ae },
	{ 0xfffd, 0xfffd },
};

static void die(const char *what)
{
	fprintf(stderr, "mkfont: %s\n", what);
	exit(1);
}

/* The pixels go out as they are rendered, the table of glyphs behind them. */
static void make(FILE *out, FT_Library ft, const char *name, int pixels, const char *file)
{
	static char table[1 << 18];
	size_t used = 0, offset = 0;
	FT_Face face;

	if (FT_New_Face(ft, file, 0, &face) || FT_Set_Pixel_Sizes(face, 0, (unsigned)pixels))
		die(file);
	fprintf(out, "static const unsigned char font_%s_px[] = {", name);
	for (size_t r = 0; r < sizeof ranges / sizeof *ranges; r++) {
		for (unsigned code = ranges[r].first; code <= ranges[r].last; code++) {
			if (!FT_Get_Char_Index(face, code) ||
			    FT_Load_Char(face, code, FT_LOAD_RENDER | FT_LOAD_TARGET_LIGHT))
				continue;
			const FT_GlyphSlot g = face->glyph;
			const FT_Bitmap *b = &g->bitmap;
			for (unsigned y = 0; y < b->rows; y++)
				for (unsigned x = 0; x < b->width; x++)
					fprintf(out, "%s%d,", (offset + y * b->width + x) % 24 ? "" : "\n",
						b->buffer[(int)y * b->pitch + (int)x]);
			int n = snprintf(table + used, sizeof table - used, "\t{ 0x%x, %zu, %u, %u, %d, %d, %d },\n",
				code, offset, b->width, b->rows, g->bitmap_left, g->bitmap_top,
				(int)((g->advance.x + 32) >> 6));
			if (n < 0 || used + (size_t)n >= sizeof table)
				die("too many glyphs");
			used += (size_t)n;
			offset += (size_t)b->rows * b->width;
		}
	}
	fprintf(out, "0 };\nstatic const struct glyph font_%s_glyphs[] = {\n%s};\n", name, table);
	fprintf(out,
		"const struct font font_%s = { font_%s_glyphs, sizeof font_%s_glyphs / sizeof *font_%s_glyphs, font_%s_px, "
		"%d, %d };\n",
		name, name, name, name, name, (int)((face->size->metrics.ascender + 63) >> 6),
		(int)((face->size->metrics.ascender - face->size->metrics.descender + 63) >> 6));
	FT_Done_Face(face);
}

int main(int argc, char **argv)
{
	FT_Library ft;
	FILE *out = NULL;

	if (argc < 3 || FT_Init_FreeType(&ft) || !(out = fopen(argv[1], "w")))
		die("usage: mkfont OUT NAME:PIXELS:FILE...");
	fprintf(out, "/* made by tools/mkfont.c */\n");
	for (int i = 2; i < argc; i++) {
		char *size = strchr(argv[i], ':'), *file = size ? strchr(size + 1, ':') : NULL;
		if (!file)
			die(argv[i]);
		*size++ = *file++ = '\0';
		make(out, ft, argv[i], atoi(size), file);
	}
	FT_Done_FreeType(ft);
	if (fclose(out))
		die("cannot write");
	return 0;
}
