/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "view/output.h"

/* libpng reports by longjmp: everything that must survive lives in the caller's frame. */
static bool write_png(FILE *f, const struct canvas *c, uint8_t **rows)
{
	png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
	png_infop info = png ? png_create_info_struct(png) : NULL;

	if (!info || setjmp(png_jmpbuf(png))) {
		png_destroy_write_struct(&png, &info);
		return false;
	}
	png_init_io(png, f);
	png_set_IHDR(png, info, (png_uint_32)c->w, (png_uint_32)c->h, 8, PNG_COLOR_TYPE_RGB,
		PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
	png_set_rows(png, info, rows);
	png_write_png(png, info, PNG_TRANSFORM_IDENTITY, NULL);
	png_destroy_write_struct(&png, &info);
	return true;
}

/* Written beside and renamed: whoever waits for the file never sees half of it. */
int png_save(const struct canvas *c, const char *file, struct err *e)
{
	char temp[4096];
	int n = snprintf(temp, sizeof temp, "%s.part", file);
	if (n < 0 || (size_t)n >= sizeof temp)
		return err_set(e, "%s: name too long", file);

	uint8_t **rows = malloc(sizeof *rows * (size_t)c->h);
	FILE *f = rows ? fopen(temp, "wbe") : NULL;
	if (!f) {
		err_set(e, "%s: %s", file, strerror(errno));
		free(rows);
		return -1;
	}
	for (int y = 0; y < c->h; y++)
		rows[y] = c->px + (size_t)y * (size_t)c->w * 3;
	errno = 0;
	bool good = write_png(f, c, rows);
	free(rows);
	if (fclose(f) || !good || rename(temp, file)) {
		err_set(e, "%s: %s", file, errno ? strerror(errno) : "cannot write");
		unlink(temp);
		return -1;
	}
	return 0;
}
