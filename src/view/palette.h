/* SPDX-License-Identifier: BSD-2-Clause */
/* palette: which colour means what.  Constant tables. */
#pragma once
#include "view/canvas.h"
#include "view/map.h"

enum { PALETTE_STRUCTURES = 10 };

struct palette {
	const char *name;
	rgb paper;      /* around everything */
	rgb untouched;  /* a block nothing happened to */
	rgb frame;      /* lines around things */
	rgb ink, faint; /* text; less important text */
	rgb warn;       /* text that must be seen */
	rgb class[CLASSES];
	rgb flush;
	rgb structure[PALETTE_STRUCTURES]; /* outlines and labels of what the parts of a disk are, by enum know_class */
};

extern const struct palette palette_default, palette_light, palette_classic;
extern const struct palette *const palettes[]; /* all; NULL ends them */
#define PALETTE_NAMES "default, light and classic"
const struct palette *palette_find(const char *name); /* NULL: no such */
